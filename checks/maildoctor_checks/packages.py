"""Installed: are the packages there, set up, and built for SASL?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.debian.packages import STATUS, Package, package
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host, Missing
from maildoctor.postfix.configuration import (
    MAIN_CF,
    login_services,
    meant_for_logins,
    sasl_types,
)
from maildoctor.postfix.service import Service
from maildoctor.remedy import InstallPackages, Option, Remedy, RestartUnit
from maildoctor.sasl.method import method

PLUGIN_DIRECTORIES = ("/usr/lib/sasl2", "/usr/lib64/sasl2", "/usr/local/lib/sasl2")
SASLAUTHD = ("/usr/sbin/saslauthd", "/usr/local/sbin/saslauthd", "/sbin/saslauthd")
DOVECOT = ("/usr/sbin/dovecot", "/usr/local/sbin/dovecot")


@check(Stage.INSTALLED, explains=("postfix-not-running", "service-not-listening", "postfix-not-enabled"))
def postfix_removed_but_configured(host: Host) -> Iterator[Finding]:
    """Postfix's package is removed; only its configuration is left.

    What:
        dpkg knows postfix in the state config-files: the programs are gone, /etc/postfix stayed.
    Why:
        Installing another mail server (exim4 comes with several packages) removes Postfix, since only one
        package may provide mail-transport-agent. The configuration stays until the package is purged, so
        everything looks set up.
    Start: saslauthd-chroot
    Break:
        dpkg --remove --force-depends postfix
    Mend:
        apt-get install -y postfix
    Safety:
        A choice: another mail server may have been wanted, and installing Postfix removes it again. The
        configuration in /etc/postfix is used as it is.
    See: dpkg(1)
    """
    found = package(host, "postfix")
    if found is None or found.state != "config-files" or _program_there(host, "/usr/sbin/postfix"):
        return
    yield Finding(
        summary="Postfix's package is removed; only its configuration is left",
        subject="postfix",
        impact=Impact.INCOMING_MAIL,
        expected="installed",
        found=found.state,
        evidence=(_state("postfix", found), Evidence(MAIN_CF, "is still there")),
        proof=_query("postfix"),
        remedy=Remedy.choice(
            Option("install", "Postfix comes back and takes its old configuration.", (_install("postfix"),))
        ),
    )


@check(Stage.INSTALLED)
def package_half_configured(host: Host) -> Iterator[Finding]:
    """A package that logins need is unpacked, but not set up.

    What:
        dpkg stopped halfway: the package's files are there, its set-up script failed or never ran.
    Why:
        An upgrade was interrupted, or the script itself failed; Postfix's fails where Postfix cannot start.
        What is there may be of two versions, and every later run of apt stops at it.
    Start: saslauthd-chroot
    Break:
        sed -i '/^Package: postfix$/,/^$/ s/^Status: .*/Status: install ok half-configured/' \
            /var/lib/dpkg/status
    Mend:
        sed -i '/^Package: postfix$/,/^$/ s/^Status: .*/Status: install ok installed/' \
            /var/lib/dpkg/status
    Safety:
        Safe: apt-get lets dpkg finish what it began. It restarts the service concerned.
    See: dpkg(1)
    """
    for name in sorted(_needed(host)):
        found = package(host, name)
        if found is None or found.usable or found.state == "config-files":
            continue
        yield Finding(
            summary=f"the package {name} is {found.state}: dpkg did not finish setting it up",
            subject=name,
            severity=Severity.WARNING,
            expected="installed",
            found=found.state,
            evidence=(_state(name, found),),
            proof=_query(name),
            remedy=Remedy.safe(InstallPackages((name,))),
        )


@check(Stage.INSTALLED, live=True, explains=("service-throttled",))
def sasl_type_unsupported(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_sasl_type names something that this Postfix was not built with.

    What:
        ``postconf -a`` lists what the server side was built with: on Debian cyrus and dovecot. Nothing at
        all means a Postfix that was built without SASL.
    Why:
        smtpd cannot set up SASL and ends before it greets; master then throttles the service, so that
        clients connect and never see an answer.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_sasl_type=dovcot
        postfix reload
    Mend:
        postconf -P submission/inet/smtpd_sasl_type=cyrus
        systemctl restart postfix
    Safety:
        A choice: the type decides who verifies the passwords.
    See: postconf(1) option -a, SASL_README
    """
    types = _types(host)
    wanted = service.parameter("smtpd_sasl_type")
    if not service.flag("smtpd_sasl_auth_enable") or wanted.value in types:
        return
    built = " and ".join(types) or "no SASL at all"
    yield Finding(
        summary=f"smtpd_sasl_type is {wanted.value!r}, but this Postfix was built with {built}",
        subject="smtpd_sasl_type",
        impact=_impact(service),
        expected=" or ".join(types) or "a Postfix built with SASL",
        found=wanted.value,
        evidence=(
            Evidence.at(wanted.source, f"smtpd_sasl_type = {wanted.value}"),
            Evidence("postconf -a", " ".join(types) or "(nothing)"),
        ),
        proof="postconf -a",
        remedy=_other_type(service, types),
    )


@check(Stage.INSTALLED, explains=("service-throttled", "no-mechanism-left"))
def sasl_modules_missing(host: Host, service: Service) -> Iterator[Finding]:
    """Cyrus SASL's mechanisms are not installed.

    What:
        The package libsasl2-modules brings the plugins for PLAIN, LOGIN and the others; without it the
        library itself knows no mechanism that a mail client could use.
    Why:
        libsasl2-2 only recommends the package, so that a minimal installation leaves it out. smtpd then ends
        with "fatal: no SASL authentication mechanisms" before it greets.
    Start: saslauthd-chroot
    Break:
        dpkg --remove --force-depends libsasl2-modules
        postfix reload
    Mend:
        apt-get install -y libsasl2-modules
        systemctl restart postfix
    Safety:
        Safe: it installs what the configuration asks for. With no mech_list in smtpd.conf, CRAM-MD5 and
        other mechanisms are offered as well.
    See: SASL_README
    """
    if not _cyrus(service) or _plugins(host):
        return
    found = package(host, "libsasl2-modules")
    there = found is not None and found.usable
    yield Finding(
        summary="Cyrus SASL has no plugin for PLAIN or LOGIN"
        + (", though libsasl2-modules is installed" if there else ": libsasl2-modules is not installed"),
        subject="libsasl2-modules",
        impact=_impact(service),
        expected="libplain.so or liblogin.so in the directory of SASL's plugins",
        found="neither",
        evidence=(_state("libsasl2-modules", found),),
        proof="ls /usr/lib/*/sasl2 /usr/lib/sasl2",
        remedy=Remedy.manual("apt-get install --reinstall libsasl2-modules brings the files back.")
        if there
        else Remedy.safe(_install("libsasl2-modules"), RestartUnit("postfix")),
    )


@check(
    Stage.INSTALLED,
    explains=(
        "saslauthd-not-running",
        "saslauthd-start-not-yes",
        "saslauthd-directory-missing",
        "saslauthd-socket-dead",
        "saslauthd-not-enabled",
        "saslauthd-path-wrong",
    ),
)
def saslauthd_not_installed(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd.conf names saslauthd, but the package that brings it is not installed.

    What:
        pwcheck_method is saslauthd, and there is no saslauthd: its package is sasl2-bin.
    Why:
        smtpd asks saslauthd through a socket; without the daemon there is none, and every login ends with
        "454 4.7.0 Temporary authentication failure".
    Start: saslauthd-chroot
    Break:
        systemctl stop saslauthd
        dpkg --remove --force-depends sasl2-bin
    Mend:
        apt-get install -y sasl2-bin
        systemctl restart saslauthd
    Safety:
        Safe: it installs what smtpd.conf asks for. saslauthd still has to be set up: MECHANISMS, and for a
        chrooted smtpd its socket's directory.
    See: saslauthd(8)
    """
    asked = method(host, service)
    sources = [each for each in asked.verifiers if each.value == "saslauthd"]
    if not (sources or host.intended == "saslauthd") or any(_program_there(host, each) for each in SASLAUTHD):
        return
    found = package(host, "sasl2-bin")
    if found and found.usable:
        return
    meant = Evidence.at(sources[0].source, "pwcheck_method: saslauthd") if sources else None
    yield Finding(
        summary="saslauthd is to verify the passwords, but it is not installed (package sasl2-bin)",
        subject="sasl2-bin",
        expected="installed",
        found=found.state if found else "not installed",
        evidence=(*((meant,) if meant else ()), _state("sasl2-bin", found)),
        proof=_query("sasl2-bin"),
        remedy=Remedy.safe(_install("sasl2-bin")),
    )


@check(Stage.INSTALLED, explains=("sasldb-missing", "sasldb-empty"))
def sasldb_plugin_missing(host: Host, service: Service) -> Iterator[Finding]:
    """Passwords are to come from sasldb2, but the plugin that reads it is not installed.

    What:
        smtpd.conf leads to auxprop and sasldb (also without any pwcheck_method), and libsasldb.so of the
        package libsasl2-modules-db is not there.
    Why:
        The library finds no plugin that could give it a password, and says no to everybody.
    Start: sasldb-chroot
    Break:
        dpkg --remove --force-depends libsasl2-modules-db
        postfix reload
    Mend:
        apt-get install -y libsasl2-modules-db
        systemctl restart postfix
    Safety:
        Safe: it installs what the configuration asks for.
    See: SASL_README
    """
    if not _cyrus(service) or not method(host, service).uses("sasldb") or _plugins(host, "libsasldb.so"):
        return
    found = package(host, "libsasl2-modules-db")
    there = found is not None and found.usable
    yield Finding(
        summary="sasldb2 is to hold the passwords, but the plugin that reads it is not installed"
        " (package libsasl2-modules-db)",
        subject="libsasl2-modules-db",
        expected="libsasldb.so in the directory of SASL's plugins",
        found="no such file",
        evidence=(_state("libsasl2-modules-db", found),),
        proof="ls /usr/lib/*/sasl2 /usr/lib/sasl2",
        remedy=Remedy.manual("apt-get install --reinstall libsasl2-modules-db brings the files back.")
        if there
        else Remedy.safe(_install("libsasl2-modules-db"), RestartUnit("postfix")),
    )


@check(
    Stage.INSTALLED,
    explains=(
        "dovecot-not-running",
        "dovecot-socket-missing",
        "dovecot-socket-dead",
        "dovecot-socket-outside-chroot",
        "dovecot-socket-path-wrong",
        "service-throttled",
    ),
)
def dovecot_not_installed(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_sasl_type is dovecot, but Dovecot is not installed.

    What:
        smtpd asks Dovecot through a socket of this host, and the package dovecot-core is not there.
    Why:
        smtpd connects when it starts. It finds nobody, ends with "fatal: no SASL authentication mechanisms",
        and master throttles the service.
    Start: dovecot
    Break:
        systemctl stop dovecot
        dpkg --remove --force-depends dovecot-imapd dovecot-core
        postfix reload
    Mend:
        apt-get install -y dovecot-core
        systemctl restart dovecot postfix
    Safety:
        A choice: Dovecot opens a mail server's ports, and its auth section still has to be set up.
    See: SASL_README
    """
    path = service.parameter("smtpd_sasl_path")
    if service.parameter("smtpd_sasl_type").value != "dovecot" or path.value.startswith("inet:"):
        return
    found = package(host, "dovecot-core")
    if (found and found.usable) or any(_program_there(host, each) for each in DOVECOT):
        return
    kind = service.parameter("smtpd_sasl_type")
    yield Finding(
        summary="Dovecot is to verify the passwords, but it is not installed (package dovecot-core)",
        subject="dovecot-core",
        impact=_impact(service),
        expected="installed",
        found=found.state if found else "not installed",
        evidence=(Evidence.at(kind.source, "smtpd_sasl_type = dovecot"), _state("dovecot-core", found)),
        proof=_query("dovecot-core"),
        remedy=Remedy.choice(
            Option("install", "Dovecot is installed and started.", (_install("dovecot-core"),)),
            notes="Its auth service then needs a unix_listener where smtpd_sasl_path points.",
        ),
    )


def _needed(host: Host) -> set[str]:
    """Give the packages that this host's logins rest on."""
    names = {"postfix"}
    for service in (each for each in login_services(host) if meant_for_logins(host, each)):
        asked = method(host, service)
        names |= {"libsasl2-2", "libsasl2-modules"} if _cyrus(service) else set()
        names |= {"sasl2-bin"} if asked.uses("saslauthd") else set()
        names |= {"libsasl2-modules-db"} if asked.uses("sasldb") else set()
        names |= {"dovecot-core"} if asked.uses("dovecot") else set()
    return names


def _cyrus(service: Service) -> bool:
    return service.parameter("smtpd_sasl_type").value in ("cyrus", "")


def _types(host: Host) -> tuple[str, ...]:
    """Give the built-in SASL types; where postconf refuses because of main.cf, that is another finding's."""
    return sasl_types(host, "-a")


def _plugins(host: Host, *wanted: str) -> list[str]:
    """Give the directories that hold one of the plugins ``wanted`` (default: those of PLAIN and LOGIN)."""
    names = wanted or ("libplain.so", "liblogin.so")
    found = []
    for directory in _plugin_directories(host):
        try:
            there = host.names(directory)
        except Missing:
            continue
        found += [directory] if any(name.startswith(names) for name in there) else []
    return found


def _plugin_directories(host: Host) -> Iterator[str]:
    """Yield the library's own directory in each multiarch directory, and the older and local ones."""
    yield from PLUGIN_DIRECTORIES
    for name in host.names("/usr/lib"):
        if "-linux-" in name:
            yield f"/usr/lib/{name}/sasl2"


def _program_there(host: Host, path: str) -> bool:
    return host.exists(path)


def _impact(service: Service) -> Impact:
    """Tell what it costs that this smtpd cannot start: on port 25 incoming mail as well."""
    return Impact.INCOMING_MAIL if service.port == 25 else Impact.ALL_LOGINS


def _install(name: str) -> InstallPackages:
    return InstallPackages((name,))


def _state(name: str, found: Package | None) -> Evidence:
    return Evidence(STATUS, f"{name}: {f'{found.state} ({found.version})' if found else 'not installed'}")


def _query(name: str) -> str:
    return f"dpkg-query -W -f='${{Package}} ${{db:Status-Status}}\\n' {name}"


def _other_type(service: Service, types: tuple[str, ...]) -> Remedy:
    from maildoctor.postfix.setting import assign

    if not types:
        return Remedy.manual("Install Debian's own Postfix, which is built with Cyrus SASL and Dovecot.")
    meanings = {
        "cyrus": "Cyrus SASL verifies, by smtpd.conf: saslauthd or sasldb2.",
        "dovecot": "Dovecot verifies, at the socket that smtpd_sasl_path names.",
    }
    options = [
        Option(
            each, meanings.get(each, ""), (assign(service, "smtpd_sasl_type", each), RestartUnit("postfix"))
        )
        for each in types
    ]
    return Remedy.choice(*options)

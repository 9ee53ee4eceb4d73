"""Installed: is what verifies the passwords there, with the plugins that it needs?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.debian.packages import package
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host, Missing
from maildoctor.postfix.service import Service
from maildoctor.remedy import Action, InstallPackages, Option, Remedy, RestartUnit
from maildoctor.sasl.mechanisms import (
    PLAINTEXT,
    broken_plugins,
    installed,
    mechanisms_of,
    plugin_directories,
)
from maildoctor.sasl.method import method
from maildoctor.sasl.smtpd_conf import effective
from maildoctor_checks._conf import deadly
from maildoctor_checks._packages import asks_cyrus, query, state

PLUGIN_DIRECTORIES = ("/usr/lib/sasl2", "/usr/lib64/sasl2", "/usr/local/lib/sasl2")
SASLAUTHD = ("/usr/sbin/saslauthd", "/usr/local/sbin/saslauthd", "/sbin/saslauthd")
DOVECOT = ("/usr/sbin/dovecot", "/usr/local/sbin/dovecot")


def _reinstall(package: str) -> Remedy:
    return Remedy.manual(
        f"apt-get install --reinstall {package} brings the files back; then: systemctl restart postfix"
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
        systemctl restart postfix
    Mend:
        apt-get install -y libsasl2-modules
        systemctl restart postfix
    Safety:
        A choice: it installs the package that the configuration asks for. With no mech_list in smtpd.conf,
        CRAM-MD5 and other mechanisms are offered as well.
    See: SASL_README
    """
    found = package(host, "libsasl2-modules") if asks_cyrus(service) else None
    there = found is not None and found.usable
    if not asks_cyrus(service) or (_of_a_tree(host) and there) or _plugins(host):
        return
    yield Finding(
        summary="Cyrus SASL has no plugin for PLAIN or LOGIN"
        + (", though libsasl2-modules is installed" if there else ": libsasl2-modules is not installed"),
        subject="libsasl2-modules",
        impact=deadly(host),
        expected="libplain.so or liblogin.so in the directory of SASL's plugins",
        found="neither",
        evidence=(state("libsasl2-modules", found),),
        proof="ls /usr/lib/*/sasl2 /usr/lib/sasl2",
        remedy=_reinstall("libsasl2-modules")
        if there
        else Remedy.choice(_installing("libsasl2-modules", RestartUnit("postfix"))),
    )


@check(Stage.INSTALLED, live=True, explains=("service-throttled", "no-mechanism-left"))
def sasl_plugin_broken(host: Host, service: Service) -> Iterator[Finding]:
    """A plugin of Cyrus SASL cannot be loaded.

    What:
        The file of PLAIN's or LOGIN's plugin is empty, no shared library, or made for another processor.
    Why:
        A disk was full during an upgrade, or files were copied from another machine. libsasl2 passes over it
        in silence; with no mechanism left, smtpd ends with "fatal: no SASL authentication mechanisms".
    Start: saslauthd-chroot
    Break:
        mkdir /root/plugins
        for plugin in plain login; do
            mv /usr/lib/*/sasl2/lib$plugin.so* /root/plugins/
            : > "$(echo /usr/lib/*/sasl2)/lib$plugin.so"
        done
        systemctl restart postfix
    Mend:
        mv -f /root/plugins/* "$(echo /usr/lib/*/sasl2)/"
        systemctl restart postfix
    Safety:
        Manual: the package brings its files back.
    See: dpkg(1) option --verify
    """
    if not asks_cyrus(service):
        return
    listed = effective(host, service).mech_list
    wanted = PLAINTEXT if listed is None else PLAINTEXT.intersection(listed.value)
    broken = [
        (name, path, why)
        for path, why in broken_plugins(host).items()
        for name in mechanisms_of(path)
        if name in wanted
    ]
    if not broken:
        return
    _, path, why = broken[0]
    yield Finding(
        summary=f"{' and '.join(name for name, *_ in broken)} cannot be offered: {path} {why}",
        subject=path,
        severity=Severity.WARNING if PLAINTEXT.intersection(installed(host)) else Severity.ERROR,
        impact=deadly(host),
        expected="a shared library of this machine",
        found=why,
        evidence=(
            *(Evidence(path, why) for _, path, why in broken),
            state("libsasl2-modules", package(host, "libsasl2-modules")),
        ),
        proof="dpkg --verify libsasl2-modules",
        remedy=_reinstall("libsasl2-modules"),
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
        A choice: it installs the package that smtpd.conf asks for. saslauthd still has to be set up:
        MECHANISMS, and for a chrooted smtpd its socket's directory.
    See: saslauthd(8)
    """
    asked = method(host, service)
    sources = [each for each in asked.verifiers if each.value == "saslauthd"]
    if not (sources or host.intended == "saslauthd") or any(host.exists(each) for each in SASLAUTHD):
        return
    found = package(host, "sasl2-bin")
    lost = found is not None and found.usable
    if lost and not host.live:
        return  # A recorded tree has no programs.
    meant = Evidence.at(sources[0].source, "pwcheck_method: saslauthd") if sources else None
    gone = Evidence(f"stat {SASLAUTHD[0]}", "no such file or directory")
    yield Finding(
        summary="saslauthd is to verify the passwords, but "
        + ("its program is gone" if lost else "it is not installed (package sasl2-bin)"),
        subject="sasl2-bin",
        expected="installed",
        found=f"no {SASLAUTHD[0]}" if lost else found.state if found else "not installed",
        evidence=(*((meant,) if meant else ()), state("sasl2-bin", found), *((gone,) if lost else ())),
        proof=f"ls -l {SASLAUTHD[0]}" if lost else query("sasl2-bin"),
        remedy=Remedy.manual("apt-get install --reinstall sasl2-bin, then: systemctl restart saslauthd")
        if lost
        else Remedy.choice(_installing("sasl2-bin")),
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
        systemctl restart postfix
    Mend:
        apt-get install -y libsasl2-modules-db
        systemctl restart postfix
    Safety:
        A choice: it installs the package that the configuration asks for.
    See: SASL_README
    """
    if not asks_cyrus(service) or not method(host, service).uses("sasldb") or _plugins(host, "libsasldb.so"):
        return
    found = package(host, "libsasl2-modules-db")
    there = found is not None and found.usable
    yield Finding(
        summary="sasldb2 is to hold the passwords, but the plugin that reads it is not installed"
        " (package libsasl2-modules-db)",
        subject="libsasl2-modules-db",
        expected="libsasldb.so in the directory of SASL's plugins",
        found="no such file",
        evidence=(state("libsasl2-modules-db", found),),
        proof="ls /usr/lib/*/sasl2 /usr/lib/sasl2",
        remedy=_reinstall("libsasl2-modules-db")
        if there
        else Remedy.choice(_installing("libsasl2-modules-db", RestartUnit("postfix"))),
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
        dpkg --remove --force-depends dovecot-core
        systemctl restart postfix
    Mend:
        apt-get install -y dovecot-core
        systemctl restart postfix
    Safety:
        A choice: Dovecot opens a mail server's ports, and its auth section still has to be set up. Where the
        package is there and its program is not, somebody moved it: manual.
    See: SASL_README
    """
    path = service.parameter("smtpd_sasl_path")
    if service.parameter("smtpd_sasl_type").value != "dovecot" or path.value.startswith("inet:"):
        return
    if any(host.exists(each) for each in DOVECOT):
        return
    found = package(host, "dovecot-core")
    lost = found is not None and found.usable
    kind = service.parameter("smtpd_sasl_type")
    yield Finding(
        summary="Dovecot is to verify the passwords, but "
        + ("its program is gone" if lost else "it is not installed (package dovecot-core)"),
        subject="dovecot-core",
        impact=deadly(host),
        expected=DOVECOT[0],
        found="no such file",
        evidence=(
            Evidence.at(kind.source, "smtpd_sasl_type = dovecot"),
            Evidence(DOVECOT[0], "no such file"),
            state("dovecot-core", found),
        ),
        proof=f"ls -l {DOVECOT[0]}",
        remedy=_reinstall("dovecot-core")
        if lost
        else Remedy.choice(
            _installing("dovecot-core", RestartUnit("postfix")),
            notes="Its auth service then needs a unix_listener where smtpd_sasl_path points.",
        ),
    )


def _of_a_tree(host: Host) -> bool:
    """Tell whether a tree without programs leaves it to the packages to say what there is."""
    return not host.live and not plugin_directories(host)


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


def _installing(name: str, *afterwards: Action) -> Option:
    return Option("install", f"Installs {name}.", (InstallPackages((name,)), *afterwards))

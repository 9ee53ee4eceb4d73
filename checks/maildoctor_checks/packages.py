"""Installed: is Postfix there, set up, and built for SASL?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.debian.packages import package
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.configuration import MAIN_CF, login_services, meant_for_logins, sasl_types
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, cost
from maildoctor.remedy import InstallPackages, Option, Remedy, RestartUnit
from maildoctor.sasl.method import method
from maildoctor_checks._packages import asks_cyrus, query, state

GONE = (
    "daemon-program-unusable",
    "postfix-ground-missing",
    "postfix-not-running",
    "service-not-listening",
    "postfix-not-enabled",
    "postconf-unusable",
)


@check(Stage.INSTALLED, explains=GONE)
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
        systemctl stop postfix
        dpkg --remove --force-depends postfix
    Mend:
        apt-get install -y postfix
    Safety:
        A choice: another mail server may have been wanted, and installing Postfix removes it again. The
        configuration in /etc/postfix is used as it is.
    See: dpkg(1)
    """
    found = package(host, "postfix")
    if found is None or found.state != "config-files" or host.exists("/usr/sbin/postfix"):
        return
    yield Finding(
        summary="Postfix's package is removed; only its configuration is left",
        subject="postfix",
        impact=Impact.INCOMING_MAIL,
        expected="installed",
        found=found.state,
        evidence=(state("postfix", found), Evidence(MAIN_CF, "is still there")),
        proof=query("postfix"),
        remedy=Remedy.choice(
            Option(
                "install",
                "Postfix comes back and takes its old configuration.",
                (InstallPackages(("postfix",)),),
            )
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
        A choice: apt-get lets dpkg finish what it began, perhaps with a newer version; the service concerned
        is restarted.
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
            evidence=(state(name, found),),
            proof=query(name),
            remedy=Remedy.choice(
                Option("finish", f"apt finishes setting up {name}.", (InstallPackages((name,)),))
            ),
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
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_sasl_type=cyrus
        systemctl restart postfix
    Safety:
        A choice: the type decides who verifies the passwords.
    See: postconf(1) option -a, SASL_README
    """
    types = sasl_types(host)
    wanted = service.parameter("smtpd_sasl_type")
    if not service.flag("smtpd_sasl_auth_enable") or wanted.value in types:
        return
    built = " and ".join(types) or "no SASL at all"
    yield Finding(
        summary=f"smtpd_sasl_type is {wanted.value!r}, but this Postfix was built with {built}",
        subject="smtpd_sasl_type",
        impact=cost(host, service, "smtpd_sasl_type", "smtpd_sasl_auth_enable", where_auth_is_on=True),
        expected=" or ".join(types) or "a Postfix built with SASL",
        found=wanted.value,
        evidence=(
            Evidence.at(wanted.source, f"smtpd_sasl_type = {wanted.value}"),
            Evidence("postconf -a", " ".join(types) or "(nothing)"),
        ),
        proof="postconf -a",
        remedy=_another(service, types),
    )


def _needed(host: Host) -> set[str]:
    """Give the packages that this host's logins rest on."""
    names = {"postfix"}
    for service in (each for each in login_services(host) if meant_for_logins(host, each)):
        asked = method(host, service)
        names |= {"libsasl2-2", "libsasl2-modules"} if asks_cyrus(service) else set()
        names |= {"sasl2-bin"} if asked.uses("saslauthd") else set()
        names |= {"libsasl2-modules-db"} if asked.uses("sasldb") else set()
        names |= {"dovecot-core"} if asked.uses("dovecot") else set()
    return names


def _another(service: Service, types: tuple[str, ...]) -> Remedy:
    if not types:
        return Remedy.manual("Install Debian's own Postfix, which is built with Cyrus SASL and Dovecot.")
    meanings = {
        "cyrus": "Cyrus SASL verifies, by smtpd.conf: saslauthd or sasldb2.",
        "dovecot": "Dovecot verifies, at the socket that smtpd_sasl_path names.",
    }
    meant = service.parameter("smtpd_sasl_type").value.strip().lower()
    options = [
        Option(
            each, meanings.get(each, ""), (assign(service, "smtpd_sasl_type", each), RestartUnit("postfix"))
        )
        for each in sorted(types, key=lambda each: each != meant)
    ]
    return Remedy.choice(*options)

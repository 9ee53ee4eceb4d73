"""Verifying: does the PAM service that saslauthd or Dovecot asks let anybody through?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.dovecot.daemon import installed as installed_dovecot
from maildoctor.dovecot.passdb import pam_service, passdbs
from maildoctor.dovecot.socket import endpoint, in_use
from maildoctor.finding import Evidence, Finding, Impact, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import InstallPackages, Option, Remedy, WriteFile
from maildoctor.sasl.pam import DIRECTORY, Rule, installed, permits_everybody, refusal, why_refused
from maildoctor.sasl.saslauthd_verifier import verifier
from maildoctor_checks._dovecot import LOOPBACK
from maildoctor_checks._saslauthd import impact

COMMON = "@include common-auth\n@include common-account\n"
PACKAGES = {
    "pam_mysql.so": "libpam-mysql",
    "pam_pgsql.so": "libpam-pgsql",
    "pam_ldap.so": "libpam-ldapd",
    "pam_krb5.so": "libpam-krb5",
    "pam_sss.so": "libpam-sss",
    "pam_winbind.so": "libpam-winbind",
    "pam_radius_auth.so": "libpam-radius-auth",
    "pam_pwdfile.so": "libpam-pwdfile",
}


def _refused(host: Host, service: Service) -> tuple[str, str, Rule] | None:
    """Give PAM service, kind and rule where everybody is refused."""
    name = _asked(host, service)
    for kind in ("auth", "account") if name else ():
        if (rule := refusal(host, name, kind)) is not None:
            return name, kind, rule
    return None


def _asked(host: Host, service: Service) -> str:
    """Name the PAM service that decides alone, for saslauthd or for Dovecot; empty where none does."""
    if in_use(service):
        local = installed_dovecot(host) and endpoint(service).host in LOOPBACK
        databases = passdbs(host) if local else None
        return (
            pam_service(databases[0]) if databases and [each.driver for each in databases] == ["pam"] else ""
        )
    asked = verifier(host, service)
    if asked is None or asked.value.mechanism != "pam":
        return ""
    return service.parameter("smtpd_sasl_service").value.strip() or "smtp"


def _cost(host: Host, service: Service) -> Impact:
    return Impact.ALL_LOGINS if in_use(service) else impact(host, service)


def _is_missing(host: Host, rule: Rule) -> bool:
    return bool(rule.module) and rule.module != "pam_deny.so" and not installed(host, rule.module)


@check(Stage.VERIFYING)
def pam_service_refuses(host: Host, service: Service) -> Iterator[Finding]:
    """The PAM service for SMTP refuses everybody.

    What:
        saslauthd asks PAM under the name smtp, Dovecot under its own or the one in its passdb, and that stack
        ends in a refusal whatever the password: 535.
        With -c in saslauthd's OPTIONS people who logged in before still get in from its cache for a while.
    Why:
        /etc/pam.d/smtp (or, without it, /etc/pam.d/other) reaches pam_deny, or has a line that libpam cannot
        read: a misspelt kind or control, an @include of a file that is not there.
    Start: saslauthd-chroot
    Break:
        printf '%s\\n' 'auth required pam_deny.so' 'account required pam_unix.so' > /etc/pam.d/smtp
        systemctl restart saslauthd
    Mend:
        rm /etc/pam.d/smtp
    Safety:
        A choice: the refusal may be meant. The remedy lets in the accounts that other services let in.
    See: pam.d(5), pam_deny(8)
    """
    refused = _refused(host, service)
    if refused is None or _is_missing(host, refused[2]):
        return
    name, kind, rule = refused
    yield Finding(
        summary=f"PAM refuses everybody for service {name}",
        subject=f"{DIRECTORY}/{name}",
        impact=_cost(host, service),
        expected=f"an {kind} stack that a right password passes",
        found=why_refused(host, rule) or rule.text,
        evidence=(Evidence.at(rule.source, rule.text), *_why(host, rule)),
        proof=f"grep -n . {quote(rule.source.path)}",
        remedy=Remedy.choice(_common(name)),
    )


def _why(host: Host, rule: Rule) -> list[Evidence]:
    why = why_refused(host, rule)
    return [Evidence(rule.module, why)] if why else []


@check(Stage.VERIFYING)
def pam_service_permits_everybody(host: Host, service: Service) -> Iterator[Finding]:
    """The PAM service for SMTP lets everybody in, whatever the password.

    What:
        The auth stack says yes without asking for a password: pam_permit or pam_rootok stands in it where its
        word is enough. Any name with any password is logged in and may relay.
    Why:
        A line for a test stayed, or was taken over from a service such as su: saslauthd is root, which is all
        that pam_rootok asks. Where pam_permit is required behind others, as in Debian's common-auth, it
        decides nothing.
    Start: saslauthd-chroot
    Break:
        printf '%s\\n' 'auth sufficient pam_permit.so' '@include common-auth' '@include common-account' \\
            > /etc/pam.d/smtp
        systemctl restart saslauthd
    Mend:
        rm /etc/pam.d/smtp
    Safety:
        A choice: whoever logs in today with a wrong password no longer can.
    See: pam_permit(8), pam_rootok(8)
    """
    name = _asked(host, service)
    rule = permits_everybody(host, name) if name else None
    if rule is None:
        return
    yield Finding(
        summary=f"PAM lets everybody in for service {name}: {rule.module} asks for no password",
        subject=rule.source.path,
        impact=Impact.DANGER,
        expected="a module that verifies the password",
        found=rule.text,
        evidence=(Evidence.at(rule.source, rule.text),),
        proof=f"grep -n . {quote(rule.source.path)}",
        remedy=Remedy.choice(_common(name)),
    )


@check(Stage.VERIFYING)
def pam_module_missing(host: Host, service: Service) -> Iterator[Finding]:
    """The PAM service for SMTP names a module that is not installed.

    What:
        libpam counts a module that it cannot load as a refusal: 535 for everybody, and a line "unable to
        dlopen" in auth.log.
    Why:
        A package was removed, or a line was taken over from another machine.
    Start: saslauthd-chroot
    Break:
        printf '%s\\n' 'auth required pam_mysql.so' 'account required pam_unix.so' > /etc/pam.d/smtp
        systemctl restart saslauthd
    Mend:
        rm /etc/pam.d/smtp
    Safety:
        A choice between the module's package and the stack of all other services.
    See: pam.d(5)
    """
    refused = _refused(host, service)
    if refused is None or not _is_missing(host, refused[2]):
        return
    name, _, rule = refused
    package = PACKAGES.get(rule.module)
    install = [Option("install", f"Installs {package}.", (InstallPackages((package,)),))] if package else []
    yield Finding(
        summary=f"PAM's service {name} needs {rule.module}, which is not installed",
        subject=rule.module,
        impact=_cost(host, service),
        expected=rule.module,
        found="no such module",
        evidence=(Evidence.at(rule.source, rule.text),),
        proof=f"ls /usr/lib/*/security/{quote(rule.module)} /lib/*/security/{quote(rule.module)}",
        remedy=Remedy.choice(*install, _common(name)),
    )


def _common(name: str) -> Option:
    return Option(
        "common",
        "The accounts of this machine can log in, as at its other services.",
        (WriteFile(f"{DIRECTORY}/{name}", COMMON),),
    )

"""Offered: is TLS spoken where and how clients expect it?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix import tls
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, assign_here, cost, evidence, proof
from maildoctor.remedy import (
    Action,
    ReloadUnit,
    Remedy,
    RemoveServiceOption,
    RestartUnit,
    SetServiceOption,
)

LEVEL = "smtpd_tls_security_level"
WRAPPER = "smtpd_tls_wrappermode"
SNAKEOIL = "ssl-cert-snakeoil"


@check(Stage.OFFERED)
def tls_required_but_off(host: Host, service: Service) -> Iterator[Finding]:
    """AUTH is only offered within TLS, and TLS is off.

    What:
        smtpd_tls_auth_only is yes while smtpd_tls_security_level is empty or none.
    Why:
        Without a level smtpd offers no STARTTLS, however good its certificate is; without TLS it offers no
        AUTH. Clients see neither, and AUTH all the same gets "504 5.5.4 Encryption required".
    Start: submission-tls
    Break:
        postconf -P submission/inet/smtpd_tls_security_level=none
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_tls_security_level=encrypt
        postfix reload
    Safety:
        Safe where the certificate can be loaded. Switching smtpd_tls_auth_only off instead would let
        passwords cross the net in the clear, and is never proposed.
    See: TLS_README, postconf(5)
    """
    policy = tls.policy(service)
    if policy.used or not policy.login_needs_tls:
        return
    names = ("smtpd_tls_auth_only", LEVEL)
    yield Finding(
        summary="AUTH needs TLS, and TLS is off: clients are offered neither STARTTLS nor AUTH",
        subject=LEVEL,
        expected=f"{LEVEL} = may or encrypt",
        found=service.parameter(LEVEL).value or "empty",
        evidence=tuple(evidence(service, name) for name in names),
        proof=proof(service, *names),
        remedy=Remedy.safe(_switch_on(service), ReloadUnit("postfix")),
    )


def _switch_on(service: Service) -> Action:
    if service.parameter(LEVEL).source is None:
        return assign_here(service, LEVEL, "may")
    return assign(service, LEVEL, "may")


@check(Stage.OFFERED, everywhere=True, explains=("service-throttled", "service-not-listening"))
def tls_level_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_tls_security_level has a value that smtpd does not know.

    What:
        Something else than none, may or encrypt, such as yes.
    Why:
        smtpd ends at its start: "fatal: Invalid TLS level"; master throttles the service, and with the level
        in main.cf incoming mail stops as well.
    Start: submission-tls
    Break:
        postconf -P submission/inet/smtpd_tls_security_level=yes
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_tls_security_level=encrypt
        systemctl restart postfix
    Safety:
        Safe: may offers TLS to everybody and refuses nobody.
    See: postconf(5)
    """
    level = service.parameter(LEVEL).value.strip().lower()
    if not level or level in tls.LEVELS or service.flag(WRAPPER):
        return
    yield Finding(
        summary=f"smtpd does not know the TLS level {level} and ends at its start",
        subject=LEVEL,
        impact=cost(host, service, LEVEL),
        expected="none, may or encrypt",
        found=service.parameter(LEVEL).value,
        evidence=(evidence(service, LEVEL),),
        proof=proof(service, LEVEL),
        remedy=Remedy.safe(assign(service, LEVEL, "may"), RestartUnit("postfix")),
    )


@check(Stage.OFFERED)
def tls_wrappermode_missing(host: Host, service: Service) -> Iterator[Finding]:
    """On port 465 smtpd waits for STARTTLS, while clients begin with TLS.

    What:
        The service on port 465 lacks smtpd_tls_wrappermode = yes.
    Why:
        On this port a client starts TLS with its first byte and waits for an answer in TLS (RFC 8314). smtpd
        sends its greeting in the clear; the client reports a protocol error or hangs.
    Start: submissions-465
    Break:
        postconf -PX submissions/inet/smtpd_tls_wrappermode
        systemctl restart postfix
    Mend:
        postconf -P submissions/inet/smtpd_tls_wrappermode=yes
        postfix reload
    Safety:
        Safe: the port is for nothing else.
    See: TLS_README, RFC 8314
    """
    if service.port != 465 or service.flag(WRAPPER):
        return
    yield Finding(
        summary="port 465 is for TLS from the first byte, and smtpd_tls_wrappermode is off",
        subject=WRAPPER,
        expected=f"{WRAPPER} = yes",
        found=f"{WRAPPER} = {service.parameter(WRAPPER).value}",
        evidence=(evidence(service, WRAPPER),),
        proof=proof(service, WRAPPER),
        remedy=Remedy.safe(SetServiceOption(service.entry, WRAPPER, "yes"), ReloadUnit("postfix")),
    )


@check(Stage.OFFERED, everywhere=True)
def tls_wrappermode_misplaced(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_tls_wrappermode is on where clients speak in the clear first.

    What:
        A service on port 587 or 25 has smtpd_tls_wrappermode = yes, perhaps from main.cf.
    Why:
        Clients of these ports wait for a greeting in the clear before they ask for STARTTLS. smtpd waits for
        TLS. Both hang until one gives up; set in main.cf, incoming mail stops.
    Start: submission-tls
    Break:
        postconf -P submission/inet/smtpd_tls_wrappermode=yes
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_tls_wrappermode
        postfix reload
    Safety:
        Safe: wrapper mode stays where it is needed, on port 465.
    See: TLS_README, RFC 8314
    """
    if service.port not in (25, 587) or not service.flag(WRAPPER):
        return
    in_main = WRAPPER not in service.options
    mend = assign(service, WRAPPER, "no") if in_main else RemoveServiceOption(service.entry, WRAPPER)
    yield Finding(
        summary=f"{WRAPPER} is on where clients wait for a greeting in the clear",
        subject=WRAPPER,
        impact=cost(host, service, WRAPPER),
        expected=f"{WRAPPER} = no",
        found=f"{WRAPPER} = yes",
        evidence=(evidence(service, WRAPPER),),
        proof=proof(service, WRAPPER),
        remedy=Remedy.safe(mend, ReloadUnit("postfix")),
    )

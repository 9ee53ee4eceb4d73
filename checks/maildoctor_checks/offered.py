"""Offered: is AUTH switched on?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix import tls
from maildoctor.postfix.configuration import SUBMISSION_PORTS, main
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign_here, evidence, proof
from maildoctor.remedy import Action, Option, ReloadUnit, Remedy, RemoveParameter, RestartUnit, SetParameter
from maildoctor.sasl.smtpd_conf import application, directories
from maildoctor.source import Sourced

ENABLE = "smtpd_sasl_auth_enable"


@check(Stage.OFFERED)
def auth_not_enabled(host: Host, service: Service) -> Iterator[Finding]:
    """AUTH is switched off on a service that is meant for logins.

    What:
        smtpd_sasl_auth_enable is no, by default or explicitly, where clients are to log in: on a port for
        submission, or on port 25 of a host whose other settings speak of logins.
    Why:
        smtpd offers no AUTH and answers "503 5.5.1 Error: authentication not enabled". Look for a misspelt
        name (smtp_ is for Postfix as a client), a line that begins with white space and so continues the one
        above it, a later line or an -o in master.cf that overrides it.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_sasl_auth_enable=no
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_sasl_auth_enable=yes
        postfix reload
    Safety:
        Safe where the configuration plainly means it, or where AUTH is then offered within TLS only; else a
        choice, since passwords may cross the net in the clear.
    See: SASL_README, postconf(5)
    """
    value = service.parameter(ENABLE)
    if value.value.strip().lower() != "no":
        return
    slips = _slips(host)
    yield Finding(
        summary="AUTH is switched off although people are meant to log in here",
        subject=ENABLE,
        expected=f"{ENABLE} = yes",
        found=f"{ENABLE} = no",
        evidence=(evidence(service, ENABLE), *(Evidence.at(each.source, each.value) for each in slips)),
        proof=proof(service, ENABLE),
        remedy=_enable(service, plainly=bool(slips)),
    )


def _enable(service: Service, *, plainly: bool) -> Remedy:
    here = service.port in SUBMISSION_PORTS or ENABLE in service.options
    switch: Action = assign_here(service, ENABLE, "yes") if here else SetParameter(ENABLE, "yes")
    if plainly or tls.policy(service).login_needs_tls:
        return Remedy.safe(switch, ReloadUnit("postfix"))
    only_tls = assign_here(service, "smtpd_tls_auth_only", "yes")
    return Remedy.choice(
        Option(
            "enable", "AUTH is offered as TLS is now: without it as well", (switch, ReloadUnit("postfix"))
        ),
        Option("within-tls", "AUTH is offered within TLS alone", (switch, only_tls, ReloadUnit("postfix"))),
    )


def _slips(host: Host) -> list[Sourced[str]]:
    """Find lines of main.cf that were meant to switch AUTH on and do not."""
    written = main(host)
    slips = [
        Sourced(f"a line with {ENABLE} begins with white space and continues {name}", value.source)
        for name, value in written.parameters.items()
        if ENABLE in value.value
    ]
    slips += [Sourced(each.text, each.source) for each in written.problems if ENABLE in each.text]
    return slips + [
        Sourced(f"{name} = {value.value}, overridden by a later line", value.source)
        for name, value in written.overridden
        if name == ENABLE and value.value.strip().lower() == "yes"
    ]


@check(Stage.OFFERED)
def sasl_application_name_renamed(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_sasl_application_name is set, which Postfix has not read since 2.3.

    What:
        The parameter is called smtpd_sasl_path now.
    Why:
        Old guides still have the line. With the value smtpd it makes no difference, since that is the
        default; with another one, smtpd reads smtpd.conf and not the file that was meant.
    Start: saslauthd-chroot
    Break:
        cd /etc/postfix/sasl
        [ ! -e smtpd.conf ] || mv smtpd.conf mail.conf
        postconf -X smtpd_sasl_path
        postconf -e smtpd_sasl_application_name=mail
        systemctl restart postfix
    Mend:
        postconf -X smtpd_sasl_application_name
        postconf -e smtpd_sasl_path=mail
        systemctl restart postfix
    Safety:
        Safe: it gives the value to the parameter that is read.
    See: SASL_README, postconf(5)
    """
    old = "smtpd_sasl_application_name"
    value = main(host).parameters.get(old)
    if value is None:
        return
    meant = f"{value.value.strip()}.conf"
    ignored = value.value.strip() != application(service) and _exists(host, service, meant)
    yield Finding(
        summary=f"{old} is not read since Postfix 2.3"
        + (f", so {meant} is not either" if ignored else "; here it makes no difference"),
        subject=old,
        severity=Severity.ERROR if ignored else Severity.INFO,
        expected=f"smtpd_sasl_path = {value.value}",
        found=f"smtpd_sasl_path = {service.parameter('smtpd_sasl_path').value}",
        evidence=(Evidence.at(value.source, f"{old} = {value.value}"), evidence(service, "smtpd_sasl_path")),
        proof=f"postconf -n | grep {old}; postconf -x smtpd_sasl_path",
        remedy=Remedy.safe(
            SetParameter("smtpd_sasl_path", value.value), RemoveParameter(old), RestartUnit("postfix")
        ),
        explains=("smtpd-conf-missing",),
    )


def _exists(host: Host, service: Service, name: str) -> bool:
    return any(host.exists(f"{directory.value}/{name}") for directory in directories(host, service))

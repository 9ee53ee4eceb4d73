"""Offered: what works, and could be better."""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.admission import is_local
from maildoctor.postfix.configuration import SUBMISSION_PORTS, login_services
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import evidence, proof
from maildoctor.sasl.mechanisms import PLAINTEXT, offers

ENABLE = "smtpd_sasl_auth_enable"


@check(Stage.OFFERED)
def auth_on_port_25(host: Host, service: Service) -> Iterator[Finding]:
    """AUTH is offered on port 25 although there is a service for submission.

    What:
        smtpd_sasl_auth_enable holds for port 25 as well, mostly because it is set in main.cf.
    Why:
        Nothing is broken. But strangers guess passwords on port 25 all day, mail clients belong on 587 or
        465, and if the verifier fails at smtpd's start, incoming mail stops as well.
    Start: main-cf-auth
    Break:
        postconf -PX smtp/inet/smtpd_sasl_auth_enable
        systemctl restart postfix
    Mend:
        postconf -P smtp/inet/smtpd_sasl_auth_enable=no
        postfix reload
    Safety:
        A choice: somebody may still log in on port 25.
    See: SASL_README, RFC 6409
    """
    others = [each for each in login_services(host) if each.port in SUBMISSION_PORTS and each.flag(ENABLE)]
    if service.port != 25 or not service.flag(ENABLE) or not others:
        return
    yield Finding(
        summary="AUTH is offered on port 25 too, although submission has ports of its own",
        subject=ENABLE,
        severity=Severity.INFO,
        evidence=(evidence(service, ENABLE),),
        proof=proof(service, ENABLE),
    )


@check(Stage.OFFERED)
def plaintext_without_tls(host: Host, service: Service) -> Iterator[Finding]:
    """Passwords may cross the net without TLS.

    What:
        PLAIN or LOGIN is offered to clients that did not ask for TLS.
    Why:
        Whoever can listen on the way reads the password. Nothing fails because of it.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_tls_auth_only=no
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_tls_auth_only=no
        postfix reload
    Safety:
        A choice: clients that cannot speak TLS stay outside once smtpd_tls_auth_only is yes.
    See: TLS_README, RFC 8314
    """
    if not service.flag(ENABLE) or is_local(service):
        return
    for offer in offers(host, service) or ():
        if not offer.within_tls and PLAINTEXT.intersection(offer.offered):
            yield Finding(
                summary="passwords in the clear (PLAIN, LOGIN) are offered without TLS",
                subject="smtpd_tls_auth_only",
                severity=Severity.INFO,
                evidence=(evidence(service, "smtpd_tls_auth_only"),),
                proof=proof(service, "smtpd_tls_auth_only"),
            )


@check(Stage.OFFERED)
def broken_clients_not_helped(host: Host, service: Service) -> Iterator[Finding]:
    """Very old clients may not see AUTH.

    What:
        broken_sasl_auth_clients is no, as by default.
    Why:
        Outlook Express 4 and Exchange 5.5 only understand the draft's form, AUTH= with an equals sign.
        Nothing newer needs it.
    Start: saslauthd-chroot
    Break:
        postconf -e broken_sasl_auth_clients=no
        systemctl restart postfix
    Mend:
        postconf -e broken_sasl_auth_clients=yes
        postfix reload
    Safety:
        Harmless either way.
    See: postconf(5)
    """
    name = "broken_sasl_auth_clients"
    if service.flag(ENABLE) and not service.flag(name):
        yield Finding(
            summary="mail programs older than about 2000 may not see AUTH",
            subject=name,
            severity=Severity.INFO,
            evidence=(evidence(service, name),),
            proof=proof(service, name),
        )

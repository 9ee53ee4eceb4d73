"""Offered: settings that leave no way to speak TLS."""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix import tls
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, evidence, proof, unset
from maildoctor.remedy import Option, ReloadUnit, Remedy

REQUIRE = "smtpd_tls_req_ccert"
SPOKEN = {"TLSv1.2", "TLSv1.3"}
"""What mail programs of today speak: RFC 8996 ended the older versions."""


@check(Stage.OFFERED)
def tls_settings_unusable(host: Host, service: Service) -> Iterator[Finding]:
    """No version of TLS is left, or the ciphers have a grade that does not exist.

    What:
        smtpd_tls_protocols or smtpd_tls_ciphers (where TLS is required, smtpd_tls_mandatory_protocols or
        smtpd_tls_mandatory_ciphers) has a word that smtpd does not know, or forbids what clients speak.
    Why:
        With an unknown protocol smtpd answers STARTTLS with "454 4.7.0 TLS not available due to local
        problem"; with the rest the handshake fails: "no protocols available", "invalid cipher grade".
    Start: submission-tls
    Break:
        postconf -e smtpd_tls_mandatory_protocols=TLSv1.4
        systemctl restart postfix
    Mend:
        postconf -X smtpd_tls_mandatory_protocols
        postfix reload
    Safety:
        A choice: Postfix's defaults, which then hold, allow what current clients speak.
    See: TLS_README, postconf(5)
    """
    if not tls.policy(service).used:
        return
    protocols, ciphers = tls.which(service, "protocols"), tls.which(service, "ciphers")
    spoken = tls.protocols(service)
    if service.parameter(protocols).source is None:
        pass  # an old Postfix's default, made for clients of its time
    elif spoken is None:
        yield _unusable(service, protocols, "has a word that smtpd does not know")
    elif not SPOKEN.intersection(spoken):
        yield _unusable(service, protocols, "leaves no version of TLS that clients speak")
    if service.parameter(ciphers).value.strip().lower() not in tls.GRADES:
        yield _unusable(service, ciphers, "is no grade of ciphers")
    for excluding in ("smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers"):
        holds = tls.policy(service).required or "mandatory" not in excluding
        if holds and "ALL" in service.words(excluding):
            yield _unusable(service, excluding, "excludes all ciphers")


def _unusable(service: Service, name: str, why: str) -> Finding:
    return Finding(
        summary=f"{name} {why}, so TLS cannot be spoken",
        subject=name,
        impact=Impact.ALL_LOGINS if tls.policy(service).login_needs_tls else Impact.SOME_LOGINS,
        expected="Postfix's default",
        found=service.parameter(name).value or "empty",
        evidence=(evidence(service, name),),
        proof=proof(service, name),
        remedy=Remedy.choice(
            Option("default", "Postfix's default holds again", (unset(service, name), ReloadUnit("postfix")))
        ),
    )


@check(Stage.OFFERED)
def tls_client_certificate_required(host: Host, service: Service) -> Iterator[Finding]:
    """Only clients with a certificate of their own get as far as AUTH.

    What:
        smtpd_tls_req_ccert is yes while TLS is required.
    Why:
        After STARTTLS smtpd hangs up on everybody else: "421 4.7.1 Error: No client certificate presented".
        With no authority in smtpd_tls_CAfile or smtpd_tls_CApath, no client's certificate can be trusted.
    Start: submission-tls
    Break:
        postconf -P submission/inet/smtpd_tls_req_ccert=yes
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_tls_req_ccert
        postfix reload
    Safety:
        A choice: passwords alone are then enough.
    See: TLS_README, postconf(5)
    """
    if not service.flag(REQUIRE) or not tls.policy(service).required:
        return
    names = ("smtpd_tls_CAfile", "smtpd_tls_CApath")
    trusts = any(service.parameter(name).value for name in names) or service.flag("tls_append_default_CA")
    yield Finding(
        summary="clients need a certificate of their own"
        + ("" if trusts else ", and no authority is set that could have signed one"),
        subject=REQUIRE,
        severity=Severity.INFO if trusts else Severity.ERROR,
        expected=f"{REQUIRE} = no",
        found=f"{REQUIRE} = yes",
        evidence=tuple(evidence(service, name) for name in (REQUIRE, *names)),
        proof=proof(service, REQUIRE, *names),
        remedy=Remedy.choice(
            Option(
                "passwords",
                "clients without a certificate may log in",
                (assign(service, REQUIRE, "no"), ReloadUnit("postfix")),
            )
        ),
    )

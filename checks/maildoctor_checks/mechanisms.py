"""Offered: is a SASL mechanism left to offer,?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix import tls
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, assign_here, cost, evidence, proof
from maildoctor.remedy import Option, Remedy, RestartUnit
from maildoctor.sasl.mechanisms import (
    PLAINTEXT,
    Offer,
    available,
    distinct_offers,
    installed,
    is_dovecot,
    mechanism_filter,
    options_parameter,
)
from maildoctor.sasl.method import needs_secret
from maildoctor.sasl.smtpd_conf import effective

FILTER = "smtpd_sasl_mechanism_filter"
STOPS_SMTPD = ("service-throttled", "service-not-listening")


def _cost(host: Host, service: Service, offer: Offer, name: str) -> Impact:
    """Without a mechanism smtpd ends as soon as somebody connects, or as soon as TLS stands."""
    if offer.within_tls and not tls.policy(service).wrapper:
        return Impact.ALL_LOGINS
    return cost(host, service, name, where_auth_is_on=True)


def _usable(host: Host, service: Service, offered: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out what the verifiers can never serve: saslauthd knows no shared secrets."""
    if is_dovecot(service):
        return offered
    from_auxprop = "auxprop" in effective(host, service).pwcheck_methods.value
    return tuple(each for each in offered if from_auxprop or not needs_secret(each))


@check(Stage.OFFERED, explains=STOPS_SMTPD)
def plaintext_mechanisms_forbidden(host: Host, service: Service) -> Iterator[Finding]:
    """noplaintext forbids the only mechanisms that could serve.

    What:
        smtpd_sasl_security_options (or the variant for TLS) has noplaintext, and without PLAIN and LOGIN
        nothing is left that the verifier can serve.
    Why:
        saslauthd can check PLAIN and LOGIN alone, and mech_list often names no others. With nothing left,
        smtpd ends with "fatal: no SASL authentication mechanisms" as soon as somebody connects (or, where
        AUTH needs TLS, after STARTTLS).
    Start: submission-tls
    Break:
        postconf -P submission/inet/smtpd_sasl_security_options=noanonymous,noplaintext
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_sasl_security_options
        systemctl restart postfix
    Safety:
        A choice: somebody forbade passwords in the clear. Allowing them within TLS only keeps to what was
        meant; allowing them everywhere does not.
    See: SASL_README, postconf(5)
    """
    for offer in distinct_offers(host, service):
        forbids = "noplaintext" in _words(service, offer.options)
        if forbids and PLAINTEXT.intersection(offer.available):
            yield _forbidden(host, service, offer, _usable(host, service, offer.allowed))


def _forbidden(host: Host, service: Service, offer: Offer, usable: tuple[str, ...]) -> Finding:
    name = options_parameter(service, offer)
    left = ", ".join(offer.allowed) or "no mechanism"
    why_bad = ", which the verifier cannot serve" if offer.allowed and not usable else ""
    return Finding(
        summary=f"noplaintext leaves {left} {offer.session}{why_bad}",
        subject=name,
        severity=Severity.INFO if usable else Severity.ERROR,
        impact=Impact.ALL_LOGINS if offer.allowed else _cost(host, service, offer, name),
        expected=f"PLAIN or LOGIN allowed {offer.session}, or a verifier for others",
        found=f"{offer.options} = {service.parameter(offer.options).value}",
        evidence=(evidence(service, name), _available(host, service)),
        proof=proof(service, name),
        remedy=_allow_plaintext(service, offer),
    )


def _allow_plaintext(service: Service, offer: Offer) -> Remedy:
    """Within TLS first: what crosses the net in the clear stays forbidden."""
    restart = RestartUnit("postfix")
    kept = (
        ", ".join(word for word in _words(service, offer.options) if word != "noplaintext") or "noanonymous"
    )
    options = []
    if tls.policy(service).used:
        within = assign_here(service, "smtpd_sasl_tls_security_options", kept.replace(", ", ","))
        only = () if offer.within_tls else (assign_here(service, "smtpd_tls_auth_only", "yes"),)
        options.append(Option("within-tls", "clients log in within TLS only", (*only, within, restart)))
    if not offer.within_tls:
        allow = assign(service, options_parameter(service, offer), kept)
        options.append(Option("everywhere", "passwords may cross the net in the clear", (allow, restart)))
    return Remedy.choice(*options)


def _words(service: Service, name: str) -> list[str]:
    return [word.lower() for word in service.words(name)]


def _available(host: Host, service: Service) -> Evidence:
    mechanisms = " ".join(available(host, service) or ()) or "none"
    if is_dovecot(service):
        return Evidence("auth_mechanisms of Dovecot", mechanisms)
    conf = effective(host, service)
    return Evidence(conf.path or "plugins of libsasl2", f"mechanisms: {mechanisms}")


@check(Stage.OFFERED, explains=STOPS_SMTPD)
def no_mechanism_left(host: Host, service: Service) -> Iterator[Finding]:
    """Not one SASL mechanism is left to offer.

    What:
        Of the installed plugins, those that mech_list names and smtpd_sasl_security_options allow, nothing
        remains.
    Why:
        smtpd ends with "fatal: no SASL authentication mechanisms" as soon as somebody connects, and master
        throttles the service. The usual causes: noactive, nodictionary, mutual_auth or forward_secrecy, which
        rule out PLAIN and LOGIN; a mech_list of mechanisms that are not installed.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_sasl_security_options=noanonymous,noactive
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_sasl_security_options=noanonymous
        systemctl restart postfix
    Safety:
        A choice: each option was set for a reason, and only mechanisms with a shared secret satisfy them.
    See: SASL_README, postconf(5)
    """
    for offer in distinct_offers(host, service):
        if not offer.allowed and not _is_noplaintext(service, offer):
            yield _nothing_left(host, service, offer)


def _is_noplaintext(service: Service, offer: Offer) -> bool:
    """Tell whether noplaintext alone accounts for what is missing."""
    return "noplaintext" in _words(service, offer.options) and bool(PLAINTEXT.intersection(offer.available))


def _nothing_left(host: Host, service: Service, offer: Offer) -> Finding:
    if not offer.available:
        return _nothing_there(host, service, offer)
    return Finding(
        summary=f"{offer.options} leaves no mechanism {offer.session}: smtpd ends instead of offering AUTH",
        subject=options_parameter(service, offer),
        impact=_cost(host, service, offer, options_parameter(service, offer)),
        expected="noanonymous, which PLAIN and LOGIN satisfy",
        found=service.parameter(offer.options).value,
        evidence=(evidence(service, options_parameter(service, offer)), _available(host, service)),
        proof=proof(service, options_parameter(service, offer)),
        remedy=Remedy.choice(
            Option(
                "noanonymous",
                "the mechanisms that are there may be used",
                (assign(service, options_parameter(service, offer), "noanonymous"), RestartUnit("postfix")),
            )
        ),
    )


def _nothing_there(host: Host, service: Service, offer: Offer) -> Finding:
    conf = effective(host, service)
    listed = conf.mech_list
    wanted = " ".join(listed.value) if listed else "any"
    return Finding(
        summary=f"none of the mechanisms wanted ({wanted}) is installed: smtpd ends instead of offering AUTH",
        subject="mech_list",
        impact=_cost(host, service, offer, options_parameter(service, offer)),
        expected="a mechanism of " + " ".join(installed(host)),
        found=wanted,
        evidence=(
            Evidence.at(listed.source, f"mech_list: {wanted}") if listed else _available(host, service),
            Evidence("plugins of libsasl2", " ".join(installed(host)) or "none"),
        ),
        proof=f"grep -i mech_list {conf.path}" if listed else "ls /usr/lib/*/sasl2",
        remedy=Remedy.manual("Name mechanisms in mech_list that are installed, then restart Postfix."),
    )


@check(Stage.OFFERED, explains=STOPS_SMTPD)
def mechanism_filter_leaves_nothing(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_sasl_mechanism_filter discards every mechanism.

    What:
        No mechanism that is there passes the filter, which exists since Postfix 3.6.
    Why:
        smtpd ends with "fatal: smtpd_sasl_mechanism_filter discards all mechanisms" as soon as somebody
        connects. The first pattern that matches decides, "!" negates, and what nothing matches is discarded:
        a list of exclusions alone excludes all.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_sasl_mechanism_filter=!login
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_sasl_mechanism_filter
        systemctl restart postfix
    Safety:
        A choice, since somebody meant to exclude something.
    See: postconf(5)
    """
    patterns = mechanism_filter(service)
    for offer in distinct_offers(host, service):
        if patterns is None or offer.offered or not offer.allowed:
            continue
        value = ", ".join([*patterns, "static:rest"]) if all(each[0] == "!" for each in patterns) else ""
        yield Finding(
            summary=f"{FILTER} discards {' '.join(offer.allowed)}, all that there is {offer.session}",
            subject=FILTER,
            impact=_cost(host, service, offer, FILTER),
            expected="a pattern that lets a mechanism pass",
            found=service.parameter(FILTER).value or "empty",
            evidence=(evidence(service, FILTER), _available(host, service)),
            proof=proof(service, FILTER),
            remedy=Remedy.choice(
                Option(
                    "let-pass",
                    "what is not excluded by name is offered",
                    (assign(service, FILTER, value or "!external, static:rest"), RestartUnit("postfix")),
                )
            ),
        )

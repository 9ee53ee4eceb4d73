"""Offered: what the words of smtpd_sasl_security_options do."""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix import tls
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, cost, evidence, proof
from maildoctor.remedy import Option, ReloadUnit, Remedy, RestartUnit
from maildoctor.sasl.mechanisms import OPTIONS, distinct_offers, is_dovecot, options_parameter

STOPS_SMTPD = ("service-throttled", "service-not-listening")


@check(Stage.OFFERED, explains=STOPS_SMTPD)
def security_option_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_sasl_security_options has a word that does not exist.

    What:
        Something else than noanonymous, noplaintext, noactive, nodictionary, forward_secrecy or mutual_auth;
        with Cyrus SASL capital letters are wrong as well.
    Why:
        smtpd logs "unknown SASL security options value" and ends with "fatal: SASL per-connection
        initialization failed" as soon as somebody connects; master throttles the service.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_sasl_security_options=noanonymus
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_sasl_security_options=noanonymous
        systemctl restart postfix
    Safety:
        Safe where the word is nearly one that exists; none of them opens anything.
    See: postconf(5)
    """
    if not service.flag("smtpd_sasl_auth_enable"):
        return
    policy = tls.policy(service)
    parameters = ["smtpd_sasl_security_options"] * (not policy.login_needs_tls)
    parameters += ["smtpd_sasl_tls_security_options"] * policy.used
    bad = [(name, word) for name in parameters for word in service.words(name) if _unknown(service, word)]
    for name, word in bad[:1]:
        yield Finding(
            summary=f"{word} is no SASL security option: smtpd ends instead of offering AUTH",
            subject=name,
            impact=Impact.ALL_LOGINS if "tls" in name else cost(host, service, name, where_auth_is_on=True),
            expected=", ".join(sorted(OPTIONS)),
            found=service.parameter(name).value,
            evidence=tuple(evidence(service, each) for each, _ in dict.fromkeys(bad)),
            proof=proof(service, name),
            remedy=_respelt(service, name),
        )


def _unknown(service: Service, word: str) -> bool:
    return (word.lower() if is_dovecot(service) else word) not in OPTIONS


def _respelt(service: Service, name: str) -> Remedy:
    from difflib import get_close_matches

    meant = [
        next(iter(get_close_matches(word.lower(), sorted(OPTIONS), 1, 0.7)), "")
        for word in service.words(name)
    ]
    # The value for TLS mostly stands in the other parameter, to which it refers.
    source = name if service.parameter(name).source else "smtpd_sasl_security_options"
    actions = (assign(service, source, ", ".join(filter(None, dict.fromkeys(meant))) or "noanonymous"),)
    if all(meant):
        return Remedy.safe(*actions, RestartUnit("postfix"))
    known = Option("known-words", "only the words that exist remain", (*actions, RestartUnit("postfix")))
    return Remedy.choice(known)


@check(Stage.OFFERED)
def anonymous_logins_allowed(host: Host, service: Service) -> Iterator[Finding]:
    """Anybody may log in without a name: AUTH ANONYMOUS is offered.

    What:
        noanonymous is missing in smtpd_sasl_security_options (or the variant for TLS), and the mechanism
        ANONYMOUS is installed and not excluded by mech_list.
    Why:
        AUTH ANONYMOUS succeeds for everybody, and permit_sasl_authenticated then lets him relay.
    Start: sasldb-chroot
    Break:
        echo 'pwcheck_method: auxprop' > /etc/postfix/sasl/smtpd.conf
        postconf -P submission/inet/smtpd_sasl_security_options=
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_sasl_security_options
        postfix reload
    Safety:
        Safe: noanonymous is Postfix's default and takes nothing from anybody who has a password.
    See: SASL_README, RFC 4505
    """
    for offer in distinct_offers(host, service):
        if "noanonymous" in [word.lower() for word in service.words(offer.options)]:
            continue
        offered = "ANONYMOUS" in offer.offered
        kept = ", ".join([*service.words(offer.options), "noanonymous"])
        yield Finding(
            summary=f"AUTH ANONYMOUS is offered {offer.session}: anybody may log in and relay"
            if offered
            else f"noanonymous is missing for sessions {offer.session}; ANONYMOUS happens not to be there",
            subject=options_parameter(service, offer),
            severity=Severity.ERROR if offered else Severity.INFO,
            impact=Impact.DANGER,
            expected="noanonymous",
            found=service.parameter(offer.options).value or "empty",
            evidence=(evidence(service, options_parameter(service, offer)),),
            proof=proof(service, options_parameter(service, offer)),
            remedy=Remedy.safe(
                assign(service, options_parameter(service, offer), kept), ReloadUnit("postfix")
            ),
        )

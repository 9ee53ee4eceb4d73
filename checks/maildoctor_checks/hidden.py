"""Offered: AUTH is switched on, and clients do not see it."""

from collections.abc import Iterator
from typing import NamedTuple

from maildoctor.check import check
from maildoctor.finding import Finding, Impact, Severity, Stage
from maildoctor.host import CannotLook, Host
from maildoctor.postfix import access_table, tls
from maildoctor.postfix.configuration import SUBMISSION_PORTS, login_services
from maildoctor.postfix.networks import Networks, networks
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, evidence, proof, unset
from maildoctor.remedy import ReloadUnit, Remedy

ENABLE = "smtpd_sasl_auth_enable"
EXCEPTIONS = "smtpd_sasl_exceptions_networks"
DISCARD = "smtpd_discard_ehlo_keywords"
DISCARD_MAPS = "smtpd_discard_ehlo_keyword_address_maps"


def _is_spare(host: Host, service: Service) -> bool:
    """Tell whether logins have a port of their own elsewhere, so that hiding AUTH here may well be meant."""
    others = (each for each in login_services(host) if each is not service)
    return service.port not in SUBMISSION_PORTS and any(each.flag(ENABLE) for each in others)


@check(Stage.OFFERED)
def auth_hidden_by_exceptions_networks(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_sasl_exceptions_networks hides AUTH from clients that need it.

    What:
        The list holds networks from which people log in, or everybody.
    Why:
        smtpd leaves AUTH out of its EHLO answer for these clients, so no mail program tries to log in. The
        list is for clients that must not see AUTH; a webmail on a host in it cannot log in either.
    Start: saslauthd-chroot
    Break:
        postconf -e smtpd_sasl_exceptions_networks=0.0.0.0/0
        systemctl restart postfix
    Mend:
        postconf -X smtpd_sasl_exceptions_networks
        postfix reload
    Safety:
        Safe: clients see again what is switched on.
    See: postconf(5)
    """
    if not service.flag(ENABLE) or not service.parameter(EXCEPTIONS).value:
        return
    hidden = networks(host, service.parameter(EXCEPTIONS).value)
    severity, impact, whom = _hidden_from(host, service, hidden)
    yield Finding(
        summary=f"AUTH is hidden from {whom}"
        if not hidden.malformed
        else f"smtpd cannot use {', '.join(hidden.malformed)} and answers 421 to EHLO",
        subject=EXCEPTIONS,
        severity=severity,
        impact=impact,
        expected="networks from which nobody logs in",
        found=service.parameter(EXCEPTIONS).value,
        evidence=(evidence(service, EXCEPTIONS),),
        proof=proof(service, EXCEPTIONS),
        remedy=Remedy.safe(unset(service, EXCEPTIONS), ReloadUnit("postfix")),
    )


def _hidden_from(host: Host, service: Service, hidden: Networks) -> tuple[Severity, Impact, str]:
    if hidden.only_loopback and not hidden.malformed:
        return Severity.INFO, Impact.SOME_LOGINS, "this host itself"
    everybody = hidden.everybody or bool(hidden.malformed)
    whom = "everybody" if everybody else ", ".join([*map(str, hidden.networks), *hidden.unknown])
    own = networks(host, service.parameter("mynetworks").value)
    if _is_spare(host, service) or (hidden.within(own) and service.port not in SUBMISSION_PORTS):
        return Severity.INFO, Impact.SOME_LOGINS, whom
    return Severity.ERROR, Impact.ALL_LOGINS if everybody else Impact.SOME_LOGINS, whom


@check(Stage.OFFERED)
def auth_hidden_by_discard_keywords(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_discard_ehlo_keywords takes AUTH, or the STARTTLS before it, out of the EHLO answer.

    What:
        The list, or smtpd_discard_ehlo_keyword_address_maps, has auth; or starttls, where AUTH needs TLS.
    Why:
        A discarded keyword is not only hidden, the command is refused as well: "503 5.5.1 Error:
        authentication not enabled", "502 5.5.1 Error: command not implemented".
    Start: saslauthd-chroot
    Break:
        postconf -e smtpd_discard_ehlo_keywords=silent-discard,auth
        systemctl restart postfix
    Mend:
        postconf -e smtpd_discard_ehlo_keywords=silent-discard
        postfix reload
    Safety:
        Safe: what is switched on is seen again.
    See: postconf(5)
    """
    policy = tls.policy(service)
    needed = {"auth"} | ({"starttls"} if policy.login_needs_tls and not policy.wrapper else set())
    for discarded in _discarded(host, service) if service.flag(ENABLE) else ():
        if needed & {word.lower() for word in discarded.words}:
            yield _hidden_keyword(host, service, discarded, needed)


class _Discarded(NamedTuple):
    """Keywords that some clients, or with ``client`` empty all the others, do not see."""

    parameter: str
    words: list[str]
    client: str = ""


def _discarded(host: Host, service: Service) -> Iterator[_Discarded]:
    """Yield the keywords kept from clients: where a table matches, its answer takes the list's place."""
    for table in service.words(DISCARD_MAPS):
        for rule in _rules(host, table):
            words = rule.action.replace(",", " ").split()
            if rule.for_everybody:
                yield _Discarded(DISCARD_MAPS, words)
                return
            if not networks(host, rule.key).only_loopback:
                yield _Discarded(DISCARD_MAPS, words, rule.key)
    yield _Discarded(DISCARD, service.words(DISCARD))


def _rules(host: Host, table: str) -> tuple[access_table.Rule, ...]:
    if not access_table.Table.of(table).readable or access_table.missing_file(host, table):
        return ()
    try:
        return access_table.rules(host, table)
    except CannotLook:
        return ()


def _hidden_keyword(host: Host, service: Service, discarded: _Discarded, needed: set[str]) -> Finding:
    name = discarded.parameter
    bad = [word for word in discarded.words if word.lower() in needed]
    rest = [word for word in discarded.words if word not in bad and word.lower() != "silent-discard"]
    mend = assign(service, name, ", ".join(rest)) if rest else unset(service, name)
    to_whom = f" for {discarded.client}" if discarded.client else ""
    return Finding(
        summary=f"{' and '.join(word.upper() for word in bad)} is discarded from the EHLO answer{to_whom}",
        subject=name,
        severity=Severity.INFO if _is_spare(host, service) else Severity.ERROR,
        impact=Impact.SOME_LOGINS if discarded.client else Impact.ALL_LOGINS,
        expected=f"no {' or '.join(sorted(needed))} in {name}",
        found=service.parameter(name).value,
        evidence=(evidence(service, name),),
        proof=proof(service, name),
        remedy=Remedy.safe(mend, ReloadUnit("postfix"))
        if name == DISCARD
        else Remedy.manual(f"Take {', '.join(bad)} out of {name}{to_whom}, then reload Postfix."),
    )

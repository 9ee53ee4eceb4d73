"""Permitted: may a client who logged in relay, and may nobody else?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.admission import (
    BEFORE_LOGIN,
    OWNER_CHECKS,
    OWNERS,
    Refusal,
    is_local,
    mynetworks,
    refusals,
    restriction_list,
)
from maildoctor.postfix.configuration import MAIN_CF, version
from maildoctor.postfix.logical_line import is_utf16
from maildoctor.postfix.restrictions import has_safeguard, render
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, cost, evidence, proof
from maildoctor.remedy import Action, Option, ReloadUnit, Remedy, RestartUnit

RELAY = "smtpd_relay_restrictions"
RECIPIENT = "smtpd_recipient_restrictions"
OWN_CLIENTS = "permit_mynetworks, permit_sasl_authenticated"


@check(Stage.PERMITTED)
def relay_refuses_logged_in_clients(host: Host, service: Service) -> Iterator[Finding]:
    """Clients who logged in are refused like strangers.

    What:
        Nothing in a list of restrictions lets a logged-in client pass before the restriction that refuses
        everybody else: the login succeeds, and "554 5.7.1 Relay access denied" or "Access denied" follows.
    Why:
        A login changes nothing by itself. smtpd runs the lists for client, helo, sender, relay, recipient,
        data and end of data one after the other, each from left to right, and the first restriction that
        decides ends its list. permit_sasl_authenticated must stand before reject, defer,
        reject_unauth_destination and the like in every list that has one of these. permit_mynetworks helps
        only those inside.
    Start: auth-on-25
    Break:
        postconf -e smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination
        systemctl restart postfix
    Mend:
        postconf -e smtpd_relay_restrictions=permit_sasl_authenticated,reject_unauth_destination
        postfix reload
    Safety:
        Safe: permit_sasl_authenticated lets nobody in who did not prove who he is. Never add networks to
        mynetworks instead: everybody inside may then relay without a login.
    See: SMTPD_ACCESS_README, SASL_README, postconf(5)
    """
    for refusal in refusals(host, service, logged_in=True):
        if refusal.fails:
            continue
        if refusal.doubt:
            yield _doubtful(service, refusal)
        elif refusal.restriction.name in OWNER_CHECKS:
            yield _owners_unknown(service, refusal)
        elif refusal.parameter in BEFORE_LOGIN and not service.flag("smtpd_delay_reject"):
            yield _too_early(service, refusal)
        else:
            yield _refused(host, service, refusal)


def _refused(host: Host, service: Service, refusal: Refusal) -> Finding:
    listed = restriction_list(host, service, refusal.parameter)
    permit = refusal.restriction._replace(name="permit_sasl_authenticated", argument="", warns_only=False)
    behind = [each for each in listed[refusal.place :] if each.name != permit.name]
    mended = render((*listed[: refusal.place], permit, *behind))
    return Finding(
        summary=f"{refusal.restriction} refuses clients who logged in: nothing before it lets them pass",
        subject=refusal.parameter,
        expected=f"permit_sasl_authenticated before {refusal.restriction} in {refusal.parameter}",
        found=service.parameter(refusal.parameter).value,
        evidence=(evidence(service, refusal.parameter),),
        proof=proof(service, refusal.parameter),
        remedy=Remedy.safe(assign(service, refusal.parameter, mended), ReloadUnit("postfix")),
    )


def _doubtful(service: Service, refusal: Refusal) -> Finding:
    return Finding(
        summary=f"whether a logged-in client passes {refusal.restriction} depends on {refusal.doubt}",
        subject=refusal.parameter,
        severity=Severity.INFO,
        found=service.parameter(refusal.parameter).value,
        evidence=(evidence(service, refusal.parameter),),
        proof=proof(service, refusal.parameter),
    )


def _owners_unknown(service: Service, refusal: Refusal) -> Finding:
    return Finding(
        summary=f"{refusal.restriction} refuses all senders of a logged-in client: {OWNERS} is empty",
        subject=OWNERS,
        expected="a table that says which login owns which sender address",
        found="empty",
        evidence=(evidence(service, refusal.parameter), evidence(service, OWNERS)),
        proof=proof(service, refusal.parameter, OWNERS),
        remedy=Remedy.manual(
            f"Write a table of sender addresses and their logins and name it in {OWNERS}, "
            f"or take {refusal.restriction} out of {refusal.parameter}."
        ),
    )


def _too_early(service: Service, refusal: Refusal) -> Finding:
    return Finding(
        summary=f"with smtpd_delay_reject off, {refusal.restriction} refuses clients before they can log in",
        subject=refusal.parameter,
        expected="smtpd_delay_reject = yes",
        found=f"smtpd_delay_reject = {service.parameter('smtpd_delay_reject').value}",
        evidence=(evidence(service, refusal.parameter), evidence(service, "smtpd_delay_reject")),
        proof=proof(service, refusal.parameter, "smtpd_delay_reject"),
        remedy=Remedy.safe(assign(service, "smtpd_delay_reject", "yes"), ReloadUnit("postfix")),
    )


@check(Stage.PERMITTED, everywhere=True, explains=("service-throttled", "service-not-listening"))
def relay_safeguard_missing(host: Host, service: Service) -> Iterator[Finding]:
    """No restriction keeps strangers from relaying, so smtpd refuses to start.

    What:
        Neither smtpd_relay_restrictions nor smtpd_recipient_restrictions has one of
        reject_unauth_destination, defer_unauth_destination, reject, defer or defer_if_permit in its reach.
    Why:
        smtpd would be an open relay, and ends with "fatal: in parameter smtpd_relay_restrictions or
        smtpd_recipient_restrictions, specify at least one working instance of ...". master then throttles
        the service: connections are accepted and hang. Set in main.cf, this stops incoming mail as well.
        What stands behind permit, or behind warn_if_reject, does not count. Before Postfix 2.10 only
        smtpd_recipient_restrictions is looked at.
    Start: auth-on-25
    Break:
        postconf -e smtpd_relay_restrictions=permit_sasl_authenticated
        systemctl restart postfix
    Mend:
        postconf -e smtpd_relay_restrictions=permit_sasl_authenticated,defer_unauth_destination
        systemctl restart postfix
    Safety:
        Safe: it closes, it opens nothing. A reload does not lift master's throttle, a restart does.
    See: postconf(5), SMTPD_RELAY_README
    """
    if _is_guarded(host, service) or is_utf16(host.text(MAIN_CF)):
        return
    parameters = _guarding_lists(host)
    yield Finding(
        summary="no restriction keeps strangers from relaying, so smtpd ends at its start",
        subject=parameters[0],
        impact=cost(host, service, *parameters),
        expected="reject_unauth_destination or defer_unauth_destination, not behind permit",
        found=" / ".join(service.parameter(parameter).value or "empty" for parameter in parameters),
        evidence=tuple(evidence(service, parameter) for parameter in parameters),
        proof=proof(service, *parameters),
        remedy=Remedy.safe(_guard(host, service, parameters[0]), RestartUnit("postfix")),
    )


def _guarding_lists(host: Host) -> tuple[str, ...]:
    return (RELAY, RECIPIENT) if version(host) >= (2, 10) else (RECIPIENT,)


def _is_guarded(host: Host, service: Service) -> bool:
    return any(has_safeguard(restriction_list(host, service, name)) for name in _guarding_lists(host))


def _guard(host: Host, service: Service, parameter: str) -> Action:
    listed = [
        each
        for each in restriction_list(host, service, parameter)
        if each.name not in ("permit", "reject_unauth_destination") and not each.warns_only
    ]
    return assign(service, parameter, f"{render(listed) or OWN_CLIENTS}, reject_unauth_destination")


@check(Stage.PERMITTED, everywhere=True)
def open_relay(host: Host, service: Service) -> Iterator[Finding]:
    """Strangers may relay through this server without a login.

    What:
        No list of restrictions refuses a client who did not log in and sends to a foreign domain, or
        mynetworks holds so much of the public net that strangers count as one's own.
    Why:
        Such a server is found within hours, sends other people's spam and ends on every blocklist. The usual
        causes are a bare permit in front of reject_unauth_destination, a table that answers OK to everybody,
        and networks added to mynetworks because logins did not work.
    Start: saslauthd-chroot
    Break:
        postconf -e 'mynetworks = 127.0.0.0/8 0.0.0.0/0'
        systemctl restart postfix
    Mend:
        postconf -e 'mynetworks = 127.0.0.0/8'
        postfix reload
    Safety:
        A choice: hosts that relayed because of it must log in from then on.
    See: postconf(5), SMTPD_RELAY_README
    """
    if is_local(service) or not _is_guarded(host, service):
        return
    wide = mynetworks(host, service).too_wide
    if not any(refusals(host, service, logged_in=False)):
        yield _open(host, service)
    elif wide and _permits_mynetworks(host, service):
        yield _too_wide(host, service)


def _permits_mynetworks(host: Host, service: Service) -> bool:
    return any(
        restriction.name == "permit_mynetworks"
        for parameter in (RELAY, RECIPIENT)
        for restriction in restriction_list(host, service, parameter)
    )


def _open(host: Host, service: Service) -> Finding:
    if mynetworks(host, service).everybody and _permits_mynetworks(host, service):
        return _too_wide(host, service)
    used = tuple(name for name in (RELAY, RECIPIENT) if service.parameter(name).value)
    return Finding(
        summary="an open relay: no restriction refuses strangers who send to foreign domains",
        subject=RELAY,
        impact=Impact.DANGER,
        expected="reject_unauth_destination before anything that permits everybody",
        found=" / ".join(service.parameter(name).value for name in used) or "empty",
        evidence=tuple(evidence(service, name) for name in used),
        proof=proof(service, *used),
        remedy=Remedy.choice(
            Option(
                "close",
                "only one's own networks and clients who log in may relay",
                (assign(service, RELAY, f"{OWN_CLIENTS}, reject_unauth_destination"), ReloadUnit("postfix")),
            )
        ),
    )


def _too_wide(host: Host, service: Service) -> Finding:
    known = mynetworks(host, service)
    wide = known.too_wide
    kept = " ".join(str(each) for each in known.networks if each not in wide)
    shown = " ".join(map(str, wide)) or " ".join(known.unknown)
    return Finding(
        summary=f"mynetworks holds {shown}: strangers there relay without a login",
        subject="mynetworks",
        impact=Impact.DANGER,
        expected="this host and networks of one's own",
        found=service.parameter("mynetworks").value,
        evidence=(evidence(service, "mynetworks"),),
        proof=proof(service, "mynetworks"),
        remedy=Remedy.choice(
            Option(
                "narrow",
                "hosts outside the networks that remain must log in",
                (assign(service, "mynetworks", kept or "127.0.0.0/8 [::1]/128"), ReloadUnit("postfix")),
            )
        ),
    )

"""What a service's restriction lists do with a client: one that logged in, or a stranger.

The client sends from an address outside mynetworks to a recipient elsewhere; that is what relaying means.
Rules: smtpd_check.c, SMTPD_ACCESS_README. Blocklists and checks of names (``reject_rbl_client``,
``reject_non_fqdn_sender``, ...) refuse some clients and are no obstacle to the others.
"""

import contextlib
import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host
from maildoctor.postfix import access_table, restrictions, tls
from maildoctor.postfix.endpoint import Endpoint, unanswered
from maildoctor.postfix.networks import Networks, networks
from maildoctor.postfix.restrictions import Restriction
from maildoctor.postfix.service import Service

ALWAYS_REFUSES = frozenset({"reject", "defer", "defer_if_permit"})
REFUSES_RELAYING = frozenset({"reject_unauth_destination", "defer_unauth_destination", "check_relay_domains"})
OWNER_CHECKS = frozenset({"reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch"})
OWNERS = "smtpd_sender_login_maps"
BEFORE_LOGIN = ("smtpd_client_restrictions", "smtpd_helo_restrictions")
"""With smtpd_delay_reject off, these lists are run before a client can log in,"""
BEFORE_RECIPIENT = (*BEFORE_LOGIN, "smtpd_sender_restrictions")
"""and these before he names a recipient."""


class Effect(enum.Enum):
    """What one restriction means for a client."""

    PERMITS = "permits"
    """He passes this list."""
    MAY_PERMIT = "may permit"
    """Meant to let him pass, though not readable in full."""
    UNKNOWN = "cannot be judged"
    PASSES_ON = "passes on"
    """The next restriction decides."""
    REFUSES = "refuses"
    FAILS = "fails"
    """smtpd cannot run it and answers 451 to everybody who gets there."""


class Client(NamedTuple):
    """Who asks."""

    logged_in: bool
    local: bool = False
    """He comes from this machine, so that mynetworks holds him."""
    names_recipient: bool = True
    """The list is run at RCPT TO or later."""


class Refusal(NamedTuple):
    """A restriction of a list that refuses a client."""

    parameter: str
    place: int
    """Which word of the list, counted in restrictions; the class's where it stands in a class."""
    restriction: Restriction
    fails: bool = False
    """smtpd cannot run it at all."""
    doubt: Restriction | None = None
    """Something in front of it that cannot be judged and might permit him."""


@fact
def restriction_list(host: Host, service: Service, parameter: str) -> tuple[Restriction, ...]:
    """Give one list of a service, restriction classes resolved."""
    classes = set(service.words("smtpd_restriction_classes"))

    def class_of(name: str) -> str | None:
        return service.parameter(name).value if name in classes else None

    return restrictions.parse(service.parameter(parameter).value, class_of, restrictions.LISTS[parameter])


def refusals(host: Host, service: Service, *, logged_in: bool) -> Iterator[Refusal]:
    """Yield what refuses such a client: in each list all that fails, and the first that refuses him.

    An empty list passes everybody, and so does one that comes to its end.
    """
    late = service.flag("smtpd_delay_reject")
    for parameter in restrictions.LISTS:
        client = Client(
            logged_in=logged_in and (late or parameter not in BEFORE_LOGIN),
            local=is_local(service),
            names_recipient=late or parameter not in BEFORE_RECIPIENT,
        )
        yield from _refusals(host, service, parameter, client)


def failures(host: Host, service: Service) -> Iterator[Refusal]:
    """Yield what fails for clients who logged in: smtpd cannot run it and answers 451."""
    return (refusal for refusal in refusals(host, service, logged_in=True) if refusal.fails)


def is_local(service: Service) -> bool:
    """Tell whether a service can be reached from this machine alone."""
    loopback = ("127.", "[::1]", "::1", "localhost")
    if service.address is not None:
        return service.address.startswith(loopback)
    interfaces = service.words("inet_interfaces")
    return bool(interfaces) and all(word.startswith((*loopback, "loopback-only")) for word in interfaces)


def _refusals(host: Host, service: Service, parameter: str, client: Client) -> Iterator[Refusal]:
    doubt = None
    for place, restriction in restrictions.flatten(restriction_list(host, service, parameter)):
        what = effect(host, service, restriction, client)
        if what is Effect.FAILS:
            yield Refusal(parameter, place, restriction, fails=True)
            what = _once_mended(host, service, restriction, client)
        if what in (Effect.PERMITS, Effect.MAY_PERMIT):
            return
        if what is Effect.REFUSES:
            yield Refusal(parameter, place, restriction, doubt=doubt)
            return
        if what is Effect.UNKNOWN:
            doubt = doubt or restriction


def _once_mended(host: Host, service: Service, restriction: Restriction, client: Client) -> Effect:
    """Judge what fails as if it did not, so that what stands behind it is seen as well."""
    meant = None if restriction.known else restrictions.nearest(restriction.name)
    if meant is None:
        return Effect.PASSES_ON
    return effect(host, service, restriction._replace(name=meant, known=True), client)


def effect(host: Host, service: Service, restriction: Restriction, client: Client) -> Effect:
    """Judge one restriction. A table that cannot be read is UNKNOWN; so is a policy service."""
    name = restriction.name
    if not restriction.known:
        return Effect.FAILS
    if name == "permit" or (name == "permit_sasl_authenticated" and client.logged_in):
        return Effect.PERMITS
    if name == "permit_mynetworks":
        return _mynetworks(host, service, client)
    if name == "check_policy_service":
        return Effect.FAILS if policy_fault(host, service, restriction) else Effect.UNKNOWN
    if restriction.is_table:
        return _table(host, service, restriction, client)
    if restriction.warns_only:
        return Effect.PASSES_ON
    return Effect.REFUSES if _refuses(service, restriction, client) else Effect.PASSES_ON


def _refuses(service: Service, restriction: Restriction, client: Client) -> bool:
    name = restriction.name
    if name in ALWAYS_REFUSES:
        return True
    if name in REFUSES_RELAYING:
        return client.names_recipient
    if name == "reject_plaintext_session":
        return not tls.policy(service).used
    if name in OWNER_CHECKS:
        return client.logged_in and not service.parameter(OWNERS).value
    return False


def policy_fault(host: Host, service: Service, restriction: Restriction) -> str:
    """Say why a policy service cannot answer, so that clients are refused; empty where it may answer."""
    endpoint = Endpoint.of(restriction.argument)
    default = service.parameter("smtpd_policy_service_default_action").value
    action = endpoint.setting("default_action", default)
    if action[:1] not in "45" and not action.upper().startswith(("REJECT", "DEFER")):
        return ""
    try:
        return unanswered(host, service, endpoint)
    except CannotLook:
        return ""


def _mynetworks(host: Host, service: Service, client: Client) -> Effect:
    known = mynetworks(host, service)
    if client.local or known.everybody:
        return Effect.PERMITS
    return Effect.FAILS if known.malformed else Effect.PASSES_ON


def mynetworks(host: Host, service: Service) -> Networks:
    """Give the networks that may relay without a login."""
    return networks(host, service.parameter("mynetworks").value)


def _table(host: Host, service: Service, restriction: Restriction, client: Client) -> Effect:
    by_login = restriction.name == "check_sasl_access"
    if by_login and not client.logged_in:
        return Effect.PASSES_ON
    table = restriction.argument
    if access_table.unsupported(host, table) or access_table.missing_file(host, table):
        return Effect.FAILS
    what = Effect.UNKNOWN
    if access_table.Table.of(table).readable:
        with contextlib.suppress(CannotLook):
            rules = access_table.rules(host, table)
            what = _weigh((rule.for_everybody, _action(service, rule.action, client)) for rule in rules)
    return Effect.MAY_PERMIT if by_login and what is Effect.UNKNOWN else what


def _weigh(effects: Iterable[tuple[bool, Effect]]) -> Effect:
    """Put a table's rules together: those for everybody decide, the others may permit somebody."""
    doubtful = Effect.PASSES_ON
    for everybody, what in effects:
        if everybody and what is not Effect.PASSES_ON:
            return what
        if what is Effect.MAY_PERMIT:
            doubtful = Effect.MAY_PERMIT
        elif what in (Effect.PERMITS, Effect.UNKNOWN) and doubtful is Effect.PASSES_ON:
            doubtful = Effect.UNKNOWN
    return doubtful


def _action(service: Service, action: str, client: Client) -> Effect:
    """Judge an access(5) action: a word with a meaning of its own, or a list of restrictions."""
    first = action.split()[0].upper()
    if first in ("OK", "RELAY") or action.isdecimal():
        return Effect.PERMITS
    if first in ("REJECT", "DEFER", "DEFER_IF_PERMIT") or (first.isdecimal() and first[0] in "45"):
        return Effect.REFUSES
    classes = set(service.words("smtpd_restriction_classes"))
    for word in restrictions.words(action):
        if word.lower() == "permit":
            return Effect.PERMITS
        if word.lower() == "permit_sasl_authenticated" and client.logged_in:
            return Effect.MAY_PERMIT
        if word in classes:
            return Effect.UNKNOWN
    return Effect.PASSES_ON

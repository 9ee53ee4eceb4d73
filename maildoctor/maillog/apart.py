"""Keeps users who mistype and strangers who guess apart: each incident shows its own people and times."""

from collections.abc import Sequence

from maildoctor.maillog.incident import Incident, Kind, Names
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.tally import Slots, Span
from maildoctor.value import replace


def kept_apart(incidents: Sequence[Incident], ledger: Ledger) -> list[Incident]:
    """Give the incidents of one crowd, of which the tallies were counted together."""
    users = [each for each in incidents if each.kind is Kind.MISTYPED]
    if not users or len(incidents) == 1:
        return list(incidents)
    names = {name for each in users for name, _ in each.users}
    addresses = {name for each in users for name, _ in each.clients}
    return [
        _narrowed(each, ledger) if each.kind is Kind.MISTYPED else _without(each, names, addresses)
        for each in incidents
    ]


def _narrowed(incident: Incident, ledger: Ledger) -> Incident:
    """Leave out what was counted of others as well; take the times from the addresses themselves."""
    span = Span()
    for address, _ in incident.clients:
        if profile := ledger.visitors.profiles.get(address.encode()):
            span.merge(profile.span)
    own = [name for name, _ in (*incident.users, *incident.clients)]
    return replace(
        incident,
        first=span.first or incident.first,
        last=span.last or incident.last,
        services=(),
        mechanisms=(),
        samples=tuple(line for line in incident.samples if any(name in line for name in own)),
        error=0,
        slots=Slots(),
    )


def _without(incident: Incident, names: set[str], addresses: set[str]) -> Incident:
    """Leave out the people of other incidents."""
    return replace(
        incident,
        users=_others(incident.users, names),
        clients=tuple(
            each for each in incident.clients if each[0].rpartition("[")[2].rstrip("]") not in addresses
        ),
        samples=tuple(
            line for line in incident.samples if not any(f"[{name}]" in line for name in addresses)
        ),
        names=max(0, incident.names - len(names)),
    )


def _others(all_names: Names, names: set[str]) -> Names:
    return tuple(each for each in all_names if each[0] not in names)

"""What an incident is: a value, complete with what to say about it."""

import enum
from collections.abc import Sequence

from maildoctor.maillog.catalogue import Cause
from maildoctor.maillog.masking import without_secrets
from maildoctor.maillog.tally import Slots, Tally
from maildoctor.report.sanitise import visible
from maildoctor.stage import Stage
from maildoctor.value import value


class Kind(enum.StrEnum):
    """What sort of incident it is."""

    BROKEN = "broken"
    MISTYPED = "mistyped"
    GUESSING = "guessing"
    POLICY = "policy"


class Verdict(enum.StrEnum):
    """The answer in one word."""

    BROKEN = "broken"
    MISTYPED = "mistyped"
    GUESSING = "guessing"
    NOTHING_WRONG = "nothing-wrong"
    UNKNOWN = "unknown"


Names = tuple[tuple[str, int], ...]
"""Names with how often they came up, the most frequent first."""


@value
class Incident:
    """Everything of one cause. All text is fit for a terminal, and without secrets."""

    code: str
    side: str
    kind: Kind
    stage: Stage
    summary: str
    causes: tuple[Cause, ...]
    attempts: int
    first: str
    last: str
    slots: Slots
    services: Names = ()
    clients: Names = ()
    users: Names = ()
    mechanisms: Names = ()
    samples: tuple[str, ...] = ()
    addresses: int = 0
    """About how many different addresses."""
    names: int = 0
    """About how many different user names."""
    error: int = 0
    """Counts of clients and users are at most this much too small."""
    logins_since: bool | None = None
    """Whether somebody logged in after the last of it; None where nobody ever did."""
    confirmed: bool = False
    """Whether what ``check`` sees on this host decided on the cause."""
    uncertain: bool = False
    """Whether it may be no fault at all."""
    minor: bool = False


@value
class Judgement:
    """What a log says as a whole."""

    verdict: Verdict
    headline: str
    incidents: tuple[Incident, ...]
    first: str
    last: str


def shown(text: bytes) -> str:
    """Give bytes of a log as text that is fit for a terminal."""
    return visible(text.decode("utf-8", "surrogateescape"))


def sample(line: bytes) -> str:
    """Give a log line for people, without what may be a secret in it."""
    return visible(without_secrets(line.decode("utf-8", "surrogateescape")))[:600]


def names_of(tally_names: Sequence[tuple[bytes, int]]) -> Names:
    """Give names with counts, fit for a terminal."""
    return tuple((shown(name), count) for name, count in tally_names)


def of_tally(
    tally: Tally,
    top: int,
    *,
    code: str,
    side: str,
    kind: Kind,
    stage: Stage,
    summary: str,
    causes: tuple[Cause, ...],
) -> Incident:
    """Make an incident of all that a tally counted, with ``top`` names of each sort."""
    return Incident(
        code=code,
        side=side,
        kind=kind,
        stage=stage,
        summary=summary,
        causes=causes,
        attempts=tally.count,
        first=tally.span.first,
        last=tally.span.last,
        services=tuple((visible(name), count) for name, count in tally.services.most_common() if name),
        clients=names_of(tally.clients.most(top)),
        users=names_of(tally.users.most(top)),
        mechanisms=tuple((visible(name), count) for name, count in tally.mechanisms.most_common()),
        samples=tuple(sample(line) for line in tally.samples),
        # An estimate may lie above what can be.
        addresses=min(tally.count, tally.addresses.about()),
        names=min(tally.count, tally.names.about()),
        error=max(tally.clients.error, tally.users.error),
        slots=tally.slots,
    )

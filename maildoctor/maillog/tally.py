"""Counting what was said: one tally for each message (with its errno or path), in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from maildoctor.maillog.rows import Row
from maildoctor.maillog.stamps import UNKNOWN, earlier
from maildoctor.maillog.top import Distinct, Top

SAMPLES = 3
FINE_SLOTS = 4000
COARSER = {15: 13, 13: 10, 10: 7, 7: 4}
"""Digits of ISO text that are left: ten minutes, hours, days, months, years."""
MANY = 24


class Attempt(NamedTuple):
    """One attempt to log in, or one time that something was said. ``key`` names the tally."""

    key: tuple[str, str]
    when: str
    service: str
    client: bytes
    """As Postfix writes it: ``mail.example.com[192.0.2.1]``."""
    address: bytes
    mechanism: str
    user: bytes
    sample: bytes


class Span:
    """The first and the last time of something."""

    def __init__(self) -> None:
        """Begin with neither."""
        self.first = UNKNOWN
        self.last = UNKNOWN

    def add(self, when: str) -> None:
        """Take ``when`` in, if it is known."""
        if not when:
            return
        if not self.first or earlier(when, self.first):
            self.first = when
        if not self.last or not earlier(when, self.last):
            self.last = when

    def merge(self, other: "Span") -> None:
        """Take in what ``other`` covers."""
        self.add(other.first)
        self.add(other.last)


class Slots:
    """How much happened when: slots of ten minutes, coarser ones where they become many."""

    def __init__(self) -> None:
        """Begin with ten minutes: the ISO text up to that digit."""
        self.width = 15
        self.counts: Counter[str] = Counter()

    def add(self, moments: Iterable[str]) -> None:
        """Count times; those that are unknown are empty."""
        width = self.width
        self.counts.update([when[:width] for when in moments if when])
        self._coarsen()

    def merge(self, other: "Slots") -> None:
        """Count in what ``other`` counted."""
        self.width = min(self.width, other.width)
        self.counts = _cut(self.counts, self.width)
        self.counts.update(_cut(other.counts, self.width))
        self._coarsen()

    def _coarsen(self) -> None:
        while len(self.counts) > FINE_SLOTS and self.width in COARSER:
            self.width = COARSER[self.width]
            self.counts = _cut(self.counts, self.width)


class Tally:
    """All attempts that ended in the same way."""

    def __init__(self, names: int = 64, *, people: bool = True) -> None:
        """Begin empty; ``names`` clients and users are surely kept apart, if ``people`` matter."""
        self.count = 0
        self._people = people
        self.span = Span()
        self.slots = Slots()
        self.services: Counter[str] = Counter()
        self.mechanisms: Counter[str] = Counter()
        self.latest: dict[str, str] = {}
        """When it was last on each service, where people do not matter."""
        self.clients = Top(names)
        self.users = Top(names)
        self.addresses = Distinct(16 * names)
        self.names = Distinct(16 * names)
        self.samples: list[bytes] = []

    def add(self, attempts: Sequence[Row]) -> None:
        """Count ``attempts``, in the order of the log."""
        _, times, services, clients, addresses, mechanisms, users, samples = zip(*attempts, strict=True)
        self.count += len(attempts)
        for when in {min(times), max(times), times[0], times[-1]}:
            self.span.add(when)
        self.slots.add(times)
        _bounded(self.services, services)
        _bounded(self.mechanisms, filter(None, mechanisms))
        if len(self.samples) < SAMPLES:
            self.samples = list(dict.fromkeys((*self.samples, *filter(None, samples))))[:SAMPLES]
        if not self._people:
            self._remember(dict(zip(services, times, strict=True)))
            return
        self.clients.add(filter(None, clients))
        self.addresses.add(filter(None, addresses))
        self.users.add(filter(None, users))
        self.names.add(filter(None, users))

    def merge(self, other: "Tally") -> None:
        """Count in what ``other`` counted further on in the log."""
        self.count += other.count
        self.span.merge(other.span)
        self.slots.merge(other.slots)
        self._remember(other.latest)
        for mine, more in ((self.services, other.services), (self.mechanisms, other.mechanisms)):
            mine.update(more)
        self.clients.merge(other.clients)
        self.users.merge(other.users)
        self.addresses.merge(other.addresses)
        self.names.merge(other.names)
        self.samples = list(dict.fromkeys((*self.samples, *other.samples)))[:SAMPLES]

    def _remember(self, latest: dict[str, str]) -> None:
        for service, when in latest.items():
            if service in self.latest or len(self.latest) < MANY:
                self.latest[service] = when


def _bounded(counter: Counter[str], names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        counter[name if name in counter or len(counter) < MANY else "others"] += count


def _cut(counts: Counter[str], width: int) -> Counter[str]:
    shorter: Counter[str] = Counter()
    for slot, count in counts.items():
        shorter[slot[:width]] += count
    return shorter

"""Lines that stand in several sources, as mail.log's do in syslog, are read once.

Two sources overlap where one begins before the other ends. Where they begin to, so many lines of the smaller
one must stand in the other as well that it is no chance (within one file, and across a cut, equal lines are
different attempts); then each of its lines is dropped that the other has at the same second, as often as it
stands there. A window moves over the other source, so memory is bounded.
"""

import itertools
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

from maildoctor.host import CannotLook
from maildoctor.maillog.sources import Source
from maildoctor.maillog.stamps import STAMP, Calendar
from maildoctor.maillog.unwrap import batched, lines_of
from maildoctor.value import replace

TRIED = 500
"""Lines about logins that are sought elsewhere where two sources begin to overlap."""
TRIED_AT_MOST = 20_000
"""Lines of any kind that are looked through for them."""
CHANCE = 0.2
"""Share of them that is no chance."""
WINDOW = 20_000
"""Lines of the other source that are remembered."""
UNORDERED = 200
"""Lines by which a log may be out of order."""
_RELEVANT = (b"postfix", b"sasl", b"dovecot")
Moment = str
Stamped = tuple[Moment, int]
"""When a line was written, to the second, and a hash of what follows its time stamp."""


class Repeats:
    """How many lines were dropped because they stand elsewhere too."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0


def without_repeats(sources: list[Source]) -> tuple[list[Source], Repeats]:
    """Give ``sources``, in their order, so that each line of several is read once; and the count to come.

    A line is left out of the smaller source: what belongs together stays together in the larger one.
    """
    repeats = Repeats()
    ranks = {id(source): _rank(source, place) for place, source in enumerate(sources)}
    kept = []
    for source in sources:
        larger = [other for other in sources if other.again and ranks[id(other)] < ranks[id(source)]]
        others = [other for other in larger if _overlap(other, source)]
        kept.append(_filtered(source, others, repeats) if others else source)
    return kept, repeats


def _rank(source: Source, place: int) -> tuple[bool, int, int]:
    """Put plain files before what has no size, larger ones before smaller ones."""
    return not source.again, -(source.plain_size or 0), place


def _overlap(one: Source, other: Source) -> bool:
    if not one.first or not other.first:
        return True
    return other.first[:19] < _last(one) and one.first[:19] < _last(other)


def _last(source: Source) -> Moment:
    return (source.last or source.end.astimezone().isoformat())[:19]


def _filtered(source: Source, others: list[Source], repeats: Repeats) -> Source:
    def chunks() -> Iterator[bytes]:
        return batched(line + b"\n" for line in _left(source, others, repeats))

    return replace(source, chunks=chunks, plain_size=None)


def _left(source: Source, others: list[Source], repeats: Repeats) -> Iterator[bytes]:
    """Yield the lines of a source that stand in none of ``others``, unless what they share is chance."""
    lines, calendar = lines_of(source.chunks()), source.calendar
    begin = min(other.first[:19] for other in others)
    head = []
    for line in lines:
        match = STAMP.match(line)
        if not begin or (match and calendar.iso(match.group())[:19] >= begin):
            head = [line, *_tried(lines)]
            break
        yield line
    known = any(_share(head, source, other) >= CHANCE for other in others)
    rest = itertools.chain(head, lines)
    yield from _new(rest, source, others, repeats) if known else rest


def _tried(lines: Iterator[bytes]) -> Iterator[bytes]:
    relevant = 0
    for line in itertools.islice(lines, TRIED_AT_MOST):
        yield line
        relevant += any(name in line for name in _RELEVANT)
        if relevant >= TRIED:
            return


def _share(head: list[bytes], source: Source, other: Source) -> float:
    """Give the share of the ``head`` of a source, as far as the other one reaches, that stands there too."""
    lines = [line for line in head if any(name in line for name in _RELEVANT)]
    stamped = list(_stamped(lines, source.calendar))
    if not stamped:
        return 0
    window = _Window(other, stamped[0][0])
    found = [(each[0], window.has(each)) for each in stamped]
    told = [there for when, there in found if when <= window.reach]
    return sum(told) / len(told) if told else 0


def _new(lines: Iterable[bytes], source: Source, others: list[Source], repeats: Repeats) -> Iterator[bytes]:
    """Yield the lines that stand nowhere else."""
    clock, windows = _Clock(source.calendar), None
    for line in lines:
        stamped = clock.stamped(line)
        if stamped is None:
            yield line
            continue
        windows = windows or [_Window(other, stamped[0], WINDOW // len(others)) for other in others]
        if any(window.has(stamped) for window in windows):
            repeats.count += 1
        else:
            yield line


class _Clock:
    """Tells when lines were written; those of one second come one after the other."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._raw, self._when = b"", ""

    def stamped(self, line: bytes) -> Stamped | None:
        """Give when a line was written, and what it says; None for one without a time."""
        iso = line[10:11] == b"T"
        raw = line[:19] if iso else line[:15]
        if raw != self._raw:
            match = STAMP.match(line)
            if match is None:
                return None
            self._raw, self._when = raw, self._calendar.iso(match.group())[:19]
        said = line[line.find(b" ") :] if iso else line[15:]
        return self._when, hash(said[:-1] if said[-1:] == b"\r" else said)


def _stamped(lines: Iterable[bytes], calendar: Calendar) -> Iterator[Stamped]:
    clock = _Clock(calendar)
    for line in lines:
        if stamped := clock.stamped(line):
            yield stamped


class _Window:
    """The lines of one source around a moment, and how often each stands there."""

    def __init__(self, source: Source, begin: Moment, size: int = WINDOW) -> None:
        self._size = size
        self._lines = _stamped(lines_of(_from(source, begin)), source.calendar)
        self._counts: Counter[Stamped] = Counter()
        self._order: deque[Stamped] = deque()
        self._recent: deque[Moment] = deque(maxlen=UNORDERED)
        self.reach: Moment = "9"
        """When the source's last line was written, once that is known; before, a time that never comes."""

    def has(self, stamped: Stamped) -> bool:
        """Tell whether a line stands there once more, and strike it off."""
        when = stamped[0]
        while len(self._recent) < UNORDERED or self._recent[0] <= when:
            line = next(self._lines, None)
            if line is None:
                self.reach = max(self._recent, default="")
                break
            self._recent.append(line[0])
            self._counts[line] += 1
            self._order.append(line)
            if len(self._order) > self._size:
                self._forget(self._order.popleft())
        if not self._counts.get(stamped):
            return False
        self._counts[stamped] -= 1
        return True

    def _forget(self, line: Stamped) -> None:
        self._counts[line] -= 1
        if self._counts[line] <= 0:
            del self._counts[line]


def _from(source: Source, begin: Moment) -> Iterator[bytes]:
    """Read ``source`` from about ``begin`` on, as far as it can be read.

    Of a plain file, what was written before is passed over.
    """
    with suppress(CannotLook, OSError):
        if source.plain_size is None:
            yield from source.chunks()
            return
        with open(source.name, "rb", buffering=0) as log:
            os.lseek(log.fileno(), _place(source, begin, log.fileno()), os.SEEK_SET)
            while chunk := log.read(256 * 1024):
                yield chunk


def _place(source: Source, begin: Moment, log: int) -> int:
    """Give the start of a line a little before ``begin``, by halving."""
    low, high = 0, source.plain_size or 0
    while high - low > 1024 * 1024:
        middle = (low + high) // 2
        part = os.pread(log, 64 * 1024, middle)
        first = next(_stamped(part.split(b"\n")[1:], source.calendar), None)
        if first is None or first[0] >= begin:
            high = middle
        else:
            low = middle
    if not low:
        return 0
    return low + os.pread(log, 64 * 1024, low).find(b"\n") + 1

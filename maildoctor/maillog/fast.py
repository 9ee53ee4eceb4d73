"""The fast lane: the few kinds of lines that make up a log under attack, taken a block at a time.

Refused passwords, logins, and what disconnect lines say of AUTH are so frequent that a call for each line
would cost most of the time. Where a process wrote nothing else in a block, they are cut out and counted as
columns here; every other line goes to the reader as it is. Both ways come to the same result.
"""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterable

from maildoctor.maillog.anchors import AFTER_AUTH, COUNTED, DENIED, ELSEWHERE, GONE, REFUSED, SAID
from maildoctor.maillog.balance import settle
from maildoctor.maillog.columns import Cutter
from maildoctor.maillog.line import LONGEST
from maildoctor.maillog.reader import Reader
from maildoctor.maillog.rows import Columns

_GOING = re.compile(re.escape(GONE))
_MANY = 32
"""Process ids from which a pattern of all of them would cost more than a look at each disconnect line."""
_LATE = 64 * 1024
"""Bytes at the end of a block that are remembered."""
_MOST = 8000
"""Lines that are taken at once."""
_BEFORE = 400
"""Bytes in which a line's process id is sought."""
_FAILED = {b" auth=%d/%d" % (good, every): every - good for good in (0, 1) for every in range(1, 10)}
"""What a disconnect line says of AUTH commands, and how many of them failed."""


class FastLane:
    """Finds the lines that matter in a block, and takes them in order."""

    def __init__(self, reader: Reader) -> None:
        """Feed ``reader``."""
        self._reader = reader
        self._cutter = Cutter(reader)
        self._text, self._end, self._before, self._late = b"", 0, b"", b""

    def take(self, text: bytes, end: int, before: bytes) -> None:
        """Take the whole lines in the first ``end`` bytes of ``text``; ``before`` is the line before them."""
        self._text, self._end, self._before = text, end, before
        (said,) = SAID.places(text, end)
        logins, ends = COUNTED.places(text, end)
        if len(said) + len(logins) + len(ends) > _MOST:
            self._halved(text, end, before)
            return
        denied, odd = DENIED.places(text, end)
        odd += denied
        for sought in ELSEWHERE:
            odd += sought.places(text, end)[0]
        if self._reader.filtered:
            odd += said + AFTER_AUTH.places(text, end)[0]
            self._one_by_one([*odd, *logins, *ends, *self._goings(denied)])
            return
        refused = [REFUSED.match(text, place, end) for place in said]
        odd += [place for place, match in zip(said, refused, strict=True) if not match]
        refusals = self._cutter.refusals(text, [match for match in refused if match])
        self._side_by_side(refusals, self._cutter.logins(text, logins), ends, odd, denied)
        self._late = text[max(0, end - _LATE) : end]

    def _halved(self, text: bytes, end: int, before: bytes) -> None:
        """Take a block in two parts, for the sake of memory: one that was grepped has nothing else in it."""
        middle = text.rfind(b"\n", 0, end // 2) + 1 or text.find(b"\n", end // 2) + 1
        last = text[text.rfind(b"\n", 0, middle - 1) + 1 : middle - 1]
        self.take(text[:middle], middle, before)
        self.take(text[middle:end], end - middle, last[:LONGEST])

    def _goings(self, denied: list[int]) -> list[int]:
        """Give the disconnect lines that settle what was denied, of each process the next one only.

        What is looked at must not depend on where a block ends.
        """
        waiting = {pid: deque([-1]) for pid in self._reader.awaited}
        for place in denied:
            waiting.setdefault(self._pid(place), deque()).append(place)
        waiting.pop(b"", None)
        found = []
        for going in self._disconnects(waiting):
            since = waiting.get(self._pid(going))
            if since and since[0] < going:
                found.append(going)
            while since and since[0] < going:
                since.popleft()
        return found

    def _disconnects(self, pids: Collection[bytes]) -> list[int]:
        """Give the disconnect lines of some processes, or, where these are many, of all."""
        if not pids:
            return []
        if len(pids) > _MANY:
            return [match.start() for match in _GOING.finditer(self._text, 0, self._end)]
        gone = re.compile(rb"\[(?:" + b"|".join(map(re.escape, pids)) + rb")" + re.escape(GONE))
        return [match.start() for match in gone.finditer(self._text, 0, self._end)]

    def _pid(self, place: int) -> bytes:
        return _pid_of(self._text, place)

    # -- one by one

    def _one_by_one(self, places: Iterable[int]) -> None:
        """Hand the lines at ``places`` to the reader, in the order of the log."""
        done = -1
        for place in sorted(places):
            if place > done:
                done = self._slowly(place)

    def _slowly(self, place: int) -> int:
        """Hand the line at ``place`` to the reader, and give where it ends."""
        text = self._text
        begin, stop = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place)
        line = text[begin : min(stop, begin + LONGEST)]
        if b"ast message " in line:
            last = text.rfind(b"\n", 0, max(0, begin - 1)) + 1
            before = text[last : begin - 1] if begin else self._before
            if b"ast message " not in before:
                self._reader.previous = before
        self._reader.line(line)
        return stop

    # -- side by side

    def _side_by_side(
        self, refusals: Columns, logins: Columns, ends: list[int], odd: list[int], denied: list[int]
    ) -> None:
        """Count what plain processes wrote as columns, and hand the lines of all others to the reader."""
        outcomes = [*map(self._outcome, ends)]
        pairs = [*zip(ends, outcomes, strict=True)]
        talking = {b"", *map(self._pid, odd), *self._reader.awaited}
        talking |= {pid for pid, failed in outcomes if not failed}
        talking |= {pid for pid, session in self._reader.sessions.items() if session.matters}
        unbalanced = settle(self._reader.failures, refusals, pairs, talking)
        talking |= unbalanced
        if heard := talking.intersection(pid for pid, _ in outcomes) - {b""}:
            self._cut_off_before(heard)
            cut_off = AFTER_AUTH.places(self._text, self._end)[0]
            odd += [place for place in cut_off if self._pid(place) in heard]
        odd += self._goings(denied)
        odd += [place for place, (pid, _) in pairs if pid in talking]
        for columns in (refusals, logins):
            odd += [place for place, pid in zip(columns.places, columns.pids, strict=True) if pid in talking]
        refusals, logins = (each.without(talking) for each in (refusals, logins))
        self._in_order(refusals, logins, sorted(odd))

    def _cut_off_before(self, heard: set[bytes]) -> None:
        """Hand on what the end of the block before said of clients that went in the middle of AUTH."""
        late = self._late
        for place in AFTER_AUTH.places(late, len(late))[0]:
            pid = _pid_of(late, place)
            if pid in heard and late.find(b"[" + pid + GONE, place) < 0:
                self._reader.line(late[late.rfind(b"\n", 0, place) + 1 : late.find(b"\n", place)])

    def _outcome(self, place: int) -> tuple[bytes, int]:
        """Give the process id of a disconnect line and how many AUTH commands failed; 0: an unusual line."""
        text = self._text
        close = text.find(GONE, text.rfind(b"\n", 0, place) + 1, place)
        if close < 0:
            return b"", 0
        return text[text.rfind(b"[", 0, close) + 1 : close], _FAILED.get(text[place - 1 : place + 8], 0)

    def _in_order(self, refusals: Columns, logins: Columns, odd: list[int]) -> None:
        """Count what stands before each of the ``odd`` lines, then hand that line to the reader."""
        crowd, faults = self._reader.ledger.crowd, self._cutter.faults
        done, begun, login_begun = -1, 0, 0
        for place in odd:
            if place <= done:
                continue
            end, login_end = bisect_left(refusals.places, place), bisect_left(logins.places, place)
            crowd(refusals.part(begun, end), logins.part(login_begun, login_end), faults)
            begun, login_begun = end, login_end
            done = self._slowly(place)
        crowd(refusals.part(begun, None), logins.part(login_begun, None), faults)


def _pid_of(text: bytes, place: int) -> bytes:
    """Give the process id of the line at ``place``, empty where it has none."""
    begin = text.rfind(b"\n", 0, place) + 1
    close = text.find(b"]: ", begin, begin + _BEFORE)
    pid = text[text.rfind(b"[", begin, close) + 1 : close] if close > 0 else b""
    return pid if pid.isdigit() else b""

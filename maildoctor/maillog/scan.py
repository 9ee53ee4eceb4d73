"""Runs through sources block by block, hands the lines that matter to a reader, and counts lines.

Plain files are read as byte ranges, two at a time where there are two processors: a forked child takes the
second half. It reads a little of what stands before, so that attempts across the seam are whole.
"""

import contextlib
import itertools
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from maildoctor.host import CannotLook
from maildoctor.maillog.fast import FastLane
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.line import LONGEST, parse
from maildoctor.maillog.reader import Listener, Reader
from maildoctor.maillog.search import Block
from maildoctor.maillog.sources import Source
from maildoctor.maillog.stamps import Calendar
from maildoctor.maillog.wanted import Wanted

BLOCK = 1024 * 1024
SMALL = 1024 * 1024
"""Up to so many bytes every line is looked at, pasted fragments without a program's name as well."""
WORTH_TWO = 48 * 1024 * 1024
"""Bytes from which a second process is worth its start."""
SEAM = 4 * 1024 * 1024
Extent = tuple[str, int, int]
Progress = Callable[[int], None]
Calendars = dict[str, Calendar]


@dataclass
class Reading:
    """What came of reading: the ledger, what could not be read and why, and whether Ctrl-C ended it."""

    ledger: Ledger = field(default_factory=Ledger)
    problems: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


class Scanner:
    """Feeds one reader."""

    def __init__(self, reader: Reader, *, every_line: bool, progress: Progress | None = None) -> None:
        """Look at ``every_line``, or at those that hold an anchor."""
        self.reader = reader
        self._every_line = every_line
        self._progress = progress
        self._block = Block(2 * BLOCK)
        self._lane = FastLane(reader, self._block)
        self._filled = 0
        self._skipping = False
        self._previous = b""
        self._last_of_block = b""
        self._begun = False

    def file(self, path: str, start: int, end: int) -> None:
        """Read the bytes of a plain file from ``start``, where a line begins, to ``end``."""
        log = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            while start < end:
                room = min(BLOCK, end - start)
                count = os.preadv(log, [self._block.view[self._filled : self._filled + room]], start)
                if not count:
                    break
                start += count
                self._got(count)
        finally:
            os.close(log)
        self.end_of_source()

    def chunks(self, chunks: Iterable[bytes]) -> None:
        """Read a stream."""
        for chunk in chunks:
            for start in range(0, len(chunk), BLOCK):
                part = chunk[start : start + BLOCK]
                self._block.view[self._filled : self._filled + len(part)] = part
                self._got(len(part))
        self.end_of_source()

    def end_of_source(self) -> None:
        """Take what is left as a line: the last one need not have a line end."""
        if self._filled:
            self._block.view[self._filled : self._filled + 1] = b"\n"
            self._lines(self._filled + 1)
        self._filled, self._skipping, self._begun = 0, False, False
        self._note(self._previous)

    def _got(self, count: int) -> None:
        data, filled = self._block.data, self._filled + count
        whole = data.rfind(b"\n", self._filled, filled) + 1
        if whole:
            self._lines(whole)
            rest = filled - whole
            data[:rest] = data[whole:filled]
            self._filled = rest
        elif filled >= BLOCK:
            # A line of megabytes: its beginning stands for it, what follows is passed over.
            if not self._skipping:
                self.reader.line(bytes(data[:LONGEST]))
            self._skipping, self._filled = True, 0
        else:
            self._filled = filled
        if self._progress:
            self._progress(count)

    def _lines(self, end: int) -> None:
        data, start = self._block.data, 0
        self.reader.ledger.lines += data.count(b"\n", 0, end)
        if self._skipping:
            start = data.find(b"\n", 0, end) + 1
            self._skipping = False
        if not self._begun:
            self._begun = True
            self._note(bytes(data[start : data.find(b"\n", start, end)][:LONGEST]))
        self._last_of_block = self._previous
        self._previous = bytes(data[data.rfind(b"\n", 0, end - 1) + 1 : end - 1][:LONGEST])
        if self._every_line:
            for line in bytes(data[start:end]).split(b"\n")[:-1]:
                self.reader.line(line)
        else:
            self._lane.take(start, end, self._last_of_block)

    def _note(self, line: bytes) -> None:
        """Take the time of a source's first or last line in: the period that was read."""
        self.reader.ledger.span.add(self.reader.calendar.iso(parse(line).stamp))


def read(
    sources: Sequence[Source],
    *,
    wanted: Wanted | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Read ``sources``, which stand in the order of their times. Ctrl-C ends it early."""
    reading = Reading()
    if not sources:
        return reading
    known = [source.plain_size for source in sources]
    every_line = all(size is not None for size in known) and sum(size or 0 for size in known) <= SMALL
    reader = Reader(sources[0].calendar, reading.ledger, wanted, listener)
    try:
        for group in _groups(sources):
            reader.calendar = group[0].calendar
            _read_group(group, reader, reading, every_line, progress if listener is None else None)
        reader.finish()
    except KeyboardInterrupt:
        reading.interrupted = True
        reader.finish()
    return reading


def _groups(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Yield runs of plain files, and everything else by itself."""
    run: list[Source] = []
    for source in sources:
        if source.plain_size is not None:
            run.append(source)
            continue
        if run:
            yield run
        run = []
        yield [source]
    if run:
        yield run


def _read_group(
    group: list[Source], reader: Reader, reading: Reading, every_line: bool, progress: Progress | None
) -> None:
    if group[0].plain_size is None:
        _read_stream(group[0], reader, reading, progress)
        return
    total = sum(source.plain_size or 0 for source in group)
    if total >= WORTH_TWO and len(os.sched_getaffinity(0)) > 1 and reader.listener is None:
        _side_by_side(group, total, reader, reading, progress)
        return
    scanner = Scanner(reader, every_line=every_line, progress=progress)
    for source in group:
        reader.calendar = source.calendar
        try:
            scanner.file(source.name, 0, source.plain_size or 0)
        except OSError as error:
            reading.problems[source.name] = error.strerror or str(error)


def _read_stream(source: Source, reader: Reader, reading: Reading, progress: Progress | None) -> None:
    chunks, held, size = source.chunks(), [], 0
    reader.calendar = source.calendar
    try:
        while size <= SMALL and (chunk := next(chunks, b"")):
            held.append(chunk)
            size += len(chunk)
        scanner = Scanner(reader, every_line=size <= SMALL, progress=progress)
        scanner.chunks(itertools.chain(held, chunks))
    except CannotLook as error:
        reading.problems[source.name] = str(error)


def _side_by_side(
    group: list[Source], total: int, reader: Reader, reading: Reading, progress: Progress | None
) -> None:
    """Read the first half here and the second in a child, and merge what both found."""
    first, seam, second = _halves(group, total // 2)
    calendars = {source.name: source.calendar for source in group}
    sys.stdout.flush()
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        os.close(receive)
        _child(send, seam, second, reader, calendars)
    os.close(send)
    try:
        twice = progress and (lambda count: progress(2 * count))
        _read_extents(first, Scanner(reader, every_line=False, progress=twice), calendars, reading)
    except KeyboardInterrupt:
        reading.interrupted = True
        os.kill(child, signal.SIGINT)
    with os.fdopen(receive, "rb") as answer:
        later = pickle.load(answer)
    os.waitpid(child, 0)
    ledger, reader.sessions, problems, interrupted = later
    reading.ledger.merge(ledger)
    reading.problems.update(problems)
    reading.interrupted |= interrupted
    if reading.interrupted:
        raise KeyboardInterrupt


def _child(
    send: int, seam: list[Extent], second: list[Extent], reader: Reader, calendars: Calendars
) -> NoReturn:
    """Read the second half, answer with what was found, and end without any of the parent's clean-up."""
    status = 1
    try:
        reading = Reading()
        reader.sessions = {}
        reader.ledger = Ledger()
        scanner = Scanner(reader, every_line=False)
        try:
            _read_extents(seam, scanner, calendars, reading)
            reader.ledger = reading.ledger
            _read_extents(second, scanner, calendars, reading)
        except KeyboardInterrupt:
            reading.interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        reading.ledger.settle()
        with os.fdopen(send, "wb") as answer:
            pickle.dump((reading.ledger, reader.sessions, reading.problems, reading.interrupted), answer)
        status = 0
    finally:
        os._exit(status)


def _read_extents(extents: list[Extent], scanner: Scanner, calendars: Calendars, reading: Reading) -> None:
    for path, start, end in extents:
        scanner.reader.calendar = calendars[path]
        try:
            scanner.file(path, start, end)
        except OSError as error:
            reading.problems[path] = error.strerror or str(error)


def _halves(group: list[Source], middle: int) -> tuple[list[Extent], list[Extent], list[Extent]]:
    """Give the extents before ``middle`` bytes, the seam before that line's end, and those after it."""
    first: list[Extent] = []
    second: list[Extent] = []
    for source in group:
        size = source.plain_size or 0
        if second or middle >= size:
            (second if second else first).append((source.name, 0, size))
            middle -= size
            continue
        cut = _line_start(source.name, middle, size)
        first.append((source.name, 0, cut))
        second.append((source.name, cut, size))
    seam: list[Extent] = []
    path, start, end = first[-1]
    if end - start > 0:
        seam = [(path, _line_start(path, max(start, end - SEAM), end), end)]
    return first, seam, second


def _line_start(path: str, place: int, size: int) -> int:
    """Give where the first line at or after ``place`` begins."""
    if place == 0:
        return 0
    with contextlib.suppress(OSError), open(path, "rb") as log:
        log.seek(place - 1)
        while place < size:
            part = log.read(BLOCK)
            if not part:
                break
            found = part.find(b"\n")
            if found >= 0:
                return min(size, place - 1 + found + 1)
            place += len(part)
    return size

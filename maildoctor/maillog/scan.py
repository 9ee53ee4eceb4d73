"""Runs through sources block by block, hands the lines that matter to a reader, and counts lines.

Plain files are read as byte ranges, two at a time where there are two processors: a forked child takes the
second half. It reads a little of what stands before, so that attempts across the seam are whole.
"""

import contextlib
import ctypes
import gc
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from maildoctor.host import CannotLook
from maildoctor.maillog.fast import FastLane
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.line import LONGEST, parse
from maildoctor.maillog.reader import Listener, Reader
from maildoctor.maillog.sources import Source
from maildoctor.maillog.stamps import UNKNOWN, Calendar
from maildoctor.maillog.wanted import Wanted

BLOCK = 2 * 1024 * 1024
_TRIM, _MMAP = -1, -3
SMALL = 1024 * 1024
"""Up to so many bytes every line is looked at, pasted fragments without a program's name as well."""
WORTH_TWO = 48 * 1024 * 1024
"""Bytes from which a second process is worth its start."""
_NEAR = LONGEST
"""Bytes at both ends of a source in which the first and the last time are looked for."""
SEAM = 4 * 1024 * 1024
Extent = tuple[str, int, int]
Progress = Callable[[int], None]
Calendars = dict[str, Calendar]


class Reading:
    """What came of reading: the ledger, what could not be read and why, and whether Ctrl-C ended it."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.ledger = Ledger()
        self.problems: dict[str, str] = {}
        self.interrupted = False


class Scanner:
    """Feeds one reader."""

    def __init__(self, reader: Reader, *, every_line: bool, progress: Progress | None = None) -> None:
        """Look at ``every_line``, or at those that hold an anchor."""
        self.reader = reader
        self._every_line = every_line
        self._progress = progress
        self._lane = FastLane(reader)
        self._previous = b""
        self._tail = b""
        self._begun = False

    def file(self, path: str, start: int, end: int) -> None:
        """Read the bytes of a plain file from ``start``, where a line begins, to ``end``."""
        log = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            while start < end and (text := os.pread(log, min(BLOCK, end - start), start)):
                start += self._taken(text, last=start + len(text) >= end) or self._passed_over(
                    log, text, start
                )
        finally:
            os.close(log)
            self._end_of_source()

    def chunks(self, chunks: Iterable[bytes]) -> None:
        """Read a stream; after Ctrl-C what came of it so far."""
        held = list[bytes]()
        try:
            self._blocks(chunks, held)
        finally:
            self._taken(b"".join(held), last=True)
            self._end_of_source()

    def _blocks(self, chunks: Iterable[bytes], held: list[bytes]) -> None:
        """Take whole blocks of a stream, and leave in ``held`` what remains."""
        size, skipping = 0, False
        for chunk in chunks:
            if skipping:
                _, line_end, chunk = chunk.partition(b"\n")
                skipping = not line_end
            held.append(chunk)
            size += len(chunk)
            if size < BLOCK:
                continue
            text = b"".join(held)
            held.clear()
            taken = self._taken(text, last=False)
            if not taken:
                self._giant(text)
            held.append(text[taken:] if taken else b"")
            size, skipping = len(held[0]), not taken

    def _taken(self, text: bytes, last: bool) -> int:
        """Take the whole lines of ``text`` and give their bytes; the ``last`` line need not have an end."""
        whole = text.rfind(b"\n") + 1
        if last and whole < len(text):
            text, size = text + b"\n", len(text)
            whole = len(text)
        else:
            size = whole
        if whole:
            self._lines(text, whole)
        if self._progress and size:
            self._progress(size)
        return size

    def _giant(self, text: bytes) -> None:
        """A line of megabytes: its beginning stands for it."""
        self.reader.line(text[:LONGEST])
        self.reader.ledger.lines += 1

    def _passed_over(self, log: int, text: bytes, start: int) -> int:
        """Give the bytes of the giant line at ``start``, its end included."""
        self._giant(text)
        size = len(text)
        while part := os.pread(log, BLOCK, start + size):
            found = part.find(b"\n") + 1
            size += found or len(part)
            if found:
                break
        return size

    def _end_of_source(self) -> None:
        self._begun = False
        self._note(reversed(self._tail.split(b"\n")))

    def _lines(self, text: bytes, end: int) -> None:
        self.reader.ledger.lines += _line_ends(text)
        if not self._begun:
            self._begun = True
            self._note(text[:_NEAR].split(b"\n"))
        before, self._previous = self._previous, text[text.rfind(b"\n", 0, end - 1) + 1 : end - 1][:LONGEST]
        self._tail = text[max(0, end - _NEAR) : end]
        if self._every_line:
            for line in text[: end - 1].split(b"\n"):
                self.reader.line(line)
        else:
            self._lane.take(text, end, before)

    def _note(self, lines: Iterable[bytes]) -> None:
        """Take the time of a source's first or last line that has one in: the period that was read."""
        times = (self.reader.calendar.iso(parse(line).stamp) for line in lines)
        self.reader.ledger.span.add(next(filter(None, times), UNKNOWN))


def _line_ends(text: bytes) -> int:
    """Count line ends. Before Python 3.13 ``count`` looks at each byte by itself; ``replace`` does not."""
    if sys.version_info >= (3, 13):
        return text.count(b"\n")
    return len(text) - len(text.replace(b"\n", b""))


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
    # What comes as a stream is measured as it is read.
    every_line = sum(source.plain_size or 0 for source in sources) <= SMALL
    reader = Reader(sources[0].calendar, reading.ledger, wanted, listener)
    # Nothing here makes reference cycles, and looking for them costs a tenth of the time.
    gc.disable()
    _keep_memory()
    try:
        for group in _groups(sources):
            reader.calendar = group[0].calendar
            _read_group(group, reader, reading, every_line, progress if listener is None else None)
        reader.finish()
    except KeyboardInterrupt:
        reading.interrupted = True
        reader.finish()
    finally:
        gc.enable()
    return reading


def _keep_memory() -> None:
    """Let the C library keep a block's memory for the next one; asking the kernel anew costs a tenth.

    Source: mallopt(3) of glibc; others have no such thing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for threshold in (_TRIM, _MMAP):
            mallopt(threshold, 8 * BLOCK)


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
        from maildoctor.maillog.side_by_side import side_by_side

        side_by_side(group, total, reader, reading, progress)
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
        if not size and source.must_speak:
            reading.problems[source.name] = f"{source.name}: has no entries, or none that this user may read"
    except CannotLook as error:
        reading.problems[source.name] = str(error)

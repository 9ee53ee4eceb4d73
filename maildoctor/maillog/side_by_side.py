"""Reading plain files in two processes: a forked child takes the second half.

It reads a little of what stands before, so that attempts across the seam are whole.
"""

import contextlib
import os
import pickle
import signal
import sys
from typing import NoReturn

from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.reader import Reader
from maildoctor.maillog.scan import BLOCK, SEAM, Calendars, Extent, Progress, Reading, Scanner
from maildoctor.maillog.sources import Source


def side_by_side(
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
    ledger, reader.sessions, reader.failures, problems, interrupted = later
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
        reader.sessions, reader.failures = {}, {}
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
            pickle.dump(
                (reading.ledger, reader.sessions, reader.failures, reading.problems, reading.interrupted),
                answer,
            )
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

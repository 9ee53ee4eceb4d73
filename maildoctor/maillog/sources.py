"""Where lines come from: files, their rotated and compressed kin, standard input, the journal."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO

from maildoctor.host import CannotLook, Missing, NotRegular, Unreadable
from maildoctor.host.errors import CommandMissing
from maildoctor.maillog.stamps import STAMP, Calendar
from maildoctor.maillog.unwrap import CHUNK, HEAD, layer_of, unwrapped
from maildoctor.pattern import pattern
from maildoctor.value import value

ENOUGH = 8 * 1024 * 1024
"""Bytes in which Postfix must be named if it wrote a log."""
STDIN = "standard input"
ROTATED = pattern(r"(?:[.-]\d{1,10}){0,4}(?:\.(?:gz|xz|bz2|zst|lzma))?")
"""What logrotate adds to a name: a number, or a date (dateformat) of up to four parts."""


@value
class Source:
    """One source: a name for people, when it begins and ends, and, for a plain file, its size."""

    name: str
    chunks: Callable[[], Iterator[bytes]]
    """Read it from its beginning; every call reads anew, but for standard input."""
    end: datetime
    first: str = ""
    last: str = ""
    plain_size: int | None = None
    must_speak: bool = False
    """Whether it is suspicious if it is empty."""
    again: bool = True
    """Whether it can be read more than once."""

    @property
    def calendar(self) -> Calendar:
        """Give a calendar that infers years from when the source was last written to."""
        # A day more: time zones, and a clock that was put right.
        return Calendar(self.end + timedelta(days=1))


def open_source(path: str) -> Source:
    """Make a source of ``path``, or of standard input for ``-``. Raises CannotLook."""
    if path == "-":
        if sys.stdin is None:
            raise Unreadable(STDIN, "is closed")
        return Source(
            STDIN, lambda: unwrapped(STDIN, _read(sys.stdin.buffer)), datetime.now(UTC), again=False
        )
    try:
        status = os.stat(path)
    except OSError as error:
        raise _because(path, error) from error
    if stat.S_ISFIFO(status.st_mode):
        return Source(path, lambda: unwrapped(path, _read_file(path)), datetime.now(UTC), again=False)
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular(path, "is not a regular file")
    return _regular(path, status)


def in_order(sources: list[Source]) -> list[Source]:
    """Give the sources in the order in which they were written, as far as their time stamps tell."""
    return sorted(
        sources,
        key=lambda source: (not source.first, source.first[:19], source.last[:19] or source.first[:19]),
    )


def speaks_of_postfix(source: Source) -> bool:
    """Tell whether Postfix is named near a source's beginning; True where that cannot be read anew."""
    if not source.again:
        return True
    read, before = 0, b""
    try:
        for chunk in source.chunks():
            if b"postfix" in before[-16:] + chunk:
                return True
            read, before = read + len(chunk), chunk
            if read > ENOUGH:
                break
    except CannotLook:
        return True
    return False


def rotation_set(path: str) -> list[str]:
    """Give ``path`` and what logrotate made of it: ``mail.log.1``, ``mail.log-20261107.xz``."""
    folder, name = os.path.split(path)
    try:
        kin = [each for each in os.listdir(folder or ".") if each.startswith(name)]
    except OSError:
        return []
    kin = [os.path.join(folder, each) for each in kin if ROTATED.fullmatch(each[len(name) :])]
    return sorted(each for each in kin if os.path.isfile(each))


def journal_source(command: tuple[str, ...]) -> Source:
    """Make a source of what ``command`` (journalctl) prints. Raises CommandMissing."""
    if shutil.which(command[0]) is None:
        raise CommandMissing(command[0])
    return Source("the journal", lambda: _command(command), datetime.now(UTC), must_speak=True)


def _regular(path: str, status: os.stat_result) -> Source:
    try:
        with open(path, "rb") as log:
            magic = log.read(HEAD)
    except OSError as error:
        raise _because(path, error) from error
    end = datetime.fromtimestamp(status.st_mtime, UTC)
    reader = _unpacker(path, magic)
    last = _last_stamp(path, status.st_size, end)
    if reader is None or (last and b"\x00" in magic[:1]):
        return Source(path, lambda: _read_file(path), end, _first_stamp(magic, end), last, status.st_size)
    return Source(path, reader, end, _first_stamp(next(reader(), b""), end))


def _unpacker(path: str, magic: bytes) -> Callable[[], Iterator[bytes]] | None:
    """Give what reads a file that is not plain text, None for one that is."""
    if magic.startswith(b"LPKSHHRH"):
        return lambda: _command(("journalctl", "--no-pager", "-q", "-o", "short-iso-precise", "--file", path))
    return (lambda: unwrapped(path, _read_file(path))) if layer_of(magic) else None


def _read_file(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb", buffering=0) as log:
            yield from _read(log)
    except OSError as error:
        raise _because(path, error) from error


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    read = getattr(stream, "read1", stream.read)
    while chunk := read(CHUNK):
        yield chunk


def _command(command: tuple[str, ...]) -> Iterator[bytes]:
    with _running(command) as process:
        assert process.stdout is not None
        yield from _read(process.stdout)


@contextmanager
def _running(command: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _first_stamp(text: bytes, end: datetime) -> str:
    for line in text.splitlines()[:200]:
        if match := STAMP.search(line[:120]):
            return Calendar(end + timedelta(days=1)).iso(match.group())
    return ""


def _last_stamp(path: str, size: int, end: datetime) -> str:
    with open(path, "rb") as log:
        log.seek(max(0, size - HEAD))
        for line in reversed(log.read(HEAD).splitlines()):
            if match := STAMP.search(line[:120]):
                return Calendar(end + timedelta(days=1)).iso(match.group())
    return ""


def _because(path: str, error: OSError) -> CannotLook:
    return Missing(path) if isinstance(error, FileNotFoundError) else Unreadable(path, error.strerror)

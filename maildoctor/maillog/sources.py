"""Where lines come from: files, their rotated and compressed kin, standard input, the journal."""

import importlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO

from maildoctor.host import CannotLook, Missing, NotRegular, Unreadable
from maildoctor.host.errors import CommandMissing
from maildoctor.maillog.journal import is_export, lines_of_export
from maildoctor.maillog.stamps import STAMP, Calendar
from maildoctor.pattern import pattern

CHUNK = 256 * 1024
HEAD = 64 * 1024
"""Bytes in which a first time stamp is sought."""
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma", b"\x5d\x00\x00": "lzma"}
ROTATED = pattern(r"(?:[.-]\d{1,8})?(?:\.(?:gz|xz|bz2|zst|lzma))?")


@dataclass(frozen=True, slots=True)
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

    @property
    def calendar(self) -> Calendar:
        """Give a calendar that infers years from when the source was last written to."""
        # A day more: time zones, and a clock that was put right.
        return Calendar(self.end + timedelta(days=1))


def open_source(path: str) -> Source:
    """Make a source of ``path``, or of standard input for ``-``. Raises CannotLook."""
    if path == "-":
        return Source("standard input", lambda: _read(sys.stdin.buffer), datetime.now(UTC))
    try:
        status = os.stat(path)
    except OSError as error:
        raise _because(path, error) from error
    if stat.S_ISFIFO(status.st_mode):
        return Source(path, lambda: _read_file(path), datetime.now(UTC))
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular(path, "is not a regular file")
    return _regular(path, status)


def in_order(sources: list[Source]) -> list[Source]:
    """Give the sources in the order in which they were written, as far as their time stamps tell."""
    return sorted(sources, key=lambda source: (source.first[:19], source.last[:19] or source.first[:19]))


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
    if reader is None:
        first, last = _first_stamp(magic, end), _last_stamp(path, status.st_size, end)
        return Source(path, lambda: _read_file(path), end, first, last, status.st_size)
    first = _first_stamp(next(reader(), b""), end)
    return Source(path, reader, end, first)


def _unpacker(path: str, magic: bytes) -> Callable[[], Iterator[bytes]] | None:
    """Give what reads a file that is not plain text, None for one that is."""
    for beginning, module in COMPRESSED.items():
        if magic.startswith(beginning):
            return lambda: _unpacked(path, module)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return lambda: _zstandard(path)
    if magic.startswith(b"LPKSHHRH"):
        return lambda: _command(("journalctl", "--no-pager", "-q", "-o", "short-iso-precise", "--file", path))
    if is_export(magic):
        return lambda: lines_of_export(_read_file(path))
    return None


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


def _unpacked(path: str, module: str) -> Iterator[bytes]:
    """Read a compressed file; one that is cut off gives what is there."""
    with importlib.import_module(module).open(path) as log:
        while True:
            try:
                chunk = log.read(CHUNK)
            except EOFError:
                return
            except Exception as error:  # each module has errors of its own for damaged files
                raise Unreadable(path, f"cannot be unpacked: {error}") from error
            if not chunk:
                return
            yield chunk


def _zstandard(path: str) -> Iterator[bytes]:
    if shutil.which("zstd") is None:
        raise Unreadable(path, "is compressed with zstd, which is not installed")
    yield from _command(("zstd", "-dcq", "--", path))


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

"""Following a log as it grows, like ``tail -F``: over rotation and truncation."""

import os
import time
from collections.abc import Iterator

from maildoctor.maillog.line import LONGEST

PAUSE = 0.2
"""Seconds between two looks at a file that does not grow."""
PART = 256 * 1024
GRACE = 10.0
"""Seconds for which a file that was rotated away is still read."""


class Tail:
    """One file that is followed by its name; reading begins at its end."""

    def __init__(self, path: str) -> None:
        """Begin at the end of ``path``, or at the beginning of one that comes later."""
        self._path = path
        self._file = -1
        self._held = b""
        self._older, self._until = -1, 0.0
        self._open(at_end=True)

    def lines(self) -> Iterator[bytes]:
        """Yield the whole lines that came since; ends where the file ends for now."""
        while True:
            if self._older >= 0:
                yield from self._last_lines()
            if self._file >= 0 and (part := os.read(self._file, PART)):
                yield from self._whole(part)
            elif not self._renewed():
                return

    def close(self) -> None:
        """Let go of the file."""
        for file in (self._file, self._older):
            if file >= 0:
                os.close(file)
        self._file = self._older = -1

    def _whole(self, part: bytes) -> list[bytes]:
        *whole, rest = (self._held + part).split(b"\n")
        self._held = rest[:LONGEST]
        return whole

    def _last_lines(self) -> Iterator[bytes]:
        """Yield what syslog still writes to the file that was renamed, until it opens the new one."""
        while part := os.read(self._older, PART):
            yield from part.rstrip(b"\n").split(b"\n")
        if time.monotonic() > self._until:
            os.close(self._older)
            self._older = -1

    def _renewed(self) -> bool:
        """Go on with the new file if the old one was rotated away or cut to nothing."""
        try:
            now = os.stat(self._path)
        except OSError:
            return False
        if self._file < 0:
            self._open(at_end=False)
            return self._file >= 0
        mine = os.fstat(self._file)
        if (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino):
            if self._older >= 0:
                os.close(self._older)
            self._older, self._until = self._file, time.monotonic() + GRACE
            self._held = b""
            self._open(at_end=False)
            return self._file >= 0
        if now.st_size < os.lseek(self._file, 0, os.SEEK_CUR):
            self._held = b""
            os.lseek(self._file, 0, os.SEEK_SET)
            return True
        return False

    def _open(self, *, at_end: bool) -> None:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            self._file = -1
            return
        if at_end:
            os.lseek(self._file, 0, os.SEEK_END)


def new_lines(paths: list[str]) -> Iterator[bytes]:
    """Yield lines as they are written to any of ``paths``, for ever; None of them need exist yet."""
    tails = [Tail(path) for path in paths]
    try:
        while True:
            quiet = True
            for tail in tails:
                for line in tail.lines():
                    quiet = False
                    yield line
            if quiet:
                time.sleep(PAUSE)
    finally:
        for tail in tails:
            tail.close()

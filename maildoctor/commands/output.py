"""Where a command's report goes: stdout, or the file of ``--output``."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from maildoctor.commands import WrongUsage


@contextlib.contextmanager
def report_stream(path: str | None) -> Iterator[TextIO]:
    """Open the file at ``path`` (never through a link that someone planted), or give stdout.

    Whoever closes the pipe has read enough; that changes nothing else. Raises WrongUsage where the report
    cannot be written.
    """
    if path is None:
        try:
            with _told_why("standard output"):
                yield _stdout()
                sys.stdout.flush()
        except BrokenPipeError:
            # Nothing may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with _told_why(f"--output {path}"):
        stream = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="replace")
        with stream:
            yield stream


def _stdout() -> TextIO:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "is closed")
    return sys.stdout


@contextlib.contextmanager
def _told_why(what: str) -> Iterator[None]:
    """Make one line of why a report cannot be written: a full disk, a directory that is not there."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WrongUsage(f"{what}: {error.strerror or error}") from error

"""Where a command's report goes: stdout, or the file of ``--output``."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from maildoctor.commands import WrongUsage


@contextlib.contextmanager
def report_stream(path: str | None) -> Iterator[TextIO]:
    """Open the file at ``path`` (never through a link that someone planted), or give stdout.

    Raises WrongUsage where the file cannot be written.
    """
    if path is None:
        yield sys.stdout
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        stream = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise WrongUsage(f"--output {path}: {error.strerror}") from error
    with stream:
        yield stream

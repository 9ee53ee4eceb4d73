"""An admin at a terminal: a command on a host under a real pty, and answers to what it asks."""

import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Sequence
from contextlib import suppress

from tests.hosts.machine import Host


def converse(
    host: Host, words: Sequence[str], answers: Sequence[tuple[str, str]], timeout: float = 120
) -> tuple[int, str]:
    """Run a command and, for each question as soon as it stands there, type the answer and Enter.

    An answer of "^C" or "^D" is that key alone. Give the exit status, as a shell does (130 after ^C), and all
    that the terminal showed.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        host.entering(words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
    )
    os.close(theirs)
    try:
        shown = _talk(ours, answers, time.monotonic() + timeout)
        status = process.wait(timeout)
        return (status if status >= 0 else 128 - status), shown
    finally:
        process.kill()
        os.close(ours)


def _talk(terminal: int, answers: Sequence[tuple[str, str]], end: float) -> str:
    shown, seen, left = "", 0, list(answers)
    while text := _read(terminal, end):
        shown += text
        while left and (place := shown.find(left[0][0], seen)) >= 0:
            question, answer = left.pop(0)
            seen = place + len(question)
            time.sleep(0.1)  # A prompt for a password throws away what was typed before it.
            key = {"^C": "\x03", "^D": "\x04"}.get(answer, answer + "\n")
            os.write(terminal, key.encode())
    assert not left, f"never asked {left[0][0]!r}:\n{shown}"
    return shown


def _read(terminal: int, end: float) -> str:
    """Give what came, or nothing at the end."""
    ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
    assert ready, "the command hangs"
    with suppress(OSError):  # EIO: the other side is closed.
        return os.read(terminal, 65536).decode(errors="replace")
    return ""

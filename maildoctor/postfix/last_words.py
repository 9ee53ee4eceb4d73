"""The last fatal errors in Postfix's log: why master or an smtpd ended. For the evidence of a fault alone."""

import os
import re
import stat
from collections.abc import Iterator

from maildoctor.fact import fact
from maildoctor.finding import Evidence
from maildoctor.host import CannotLook, Host
from maildoctor.maillog.evidence import MAIL_LOGS, journal_command
from maildoctor.maillog.masking import without_secrets
from maildoctor.postfix.parameters import parameter

TAIL = 128 * 1024
"""Bytes of the log's end; a failed start is among its last lines."""
JOURNAL_LINES = 200
LINE_LIMIT = 300
_FATAL = re.compile(rb"(postfix[\w./-]*|postmulti|postsuper|master)\[\d+\]: (?:fatal|panic|error): (.*)")
STARTED = b"daemon started -- version"
"""What was said before a start that worked is another story."""
_ECHOES = (b"mail system is not running", b"startup failed", b"see logs for details", b"is already running")
"""What is said after the reason was said."""


@fact
def last_words(host: Host, program: str) -> tuple[Evidence, ...]:
    """Give the last two different fatal errors of ``smtpd``, or of what starts Postfix (``master``).

    Those before the last start that worked are left out.
    Nothing where there is no log, or none that this process may read.
    """
    lines: dict[bytes, Evidence] = {}
    for source, text in _logs(host):
        for line in reversed(text.splitlines()):
            if STARTED in line:
                break
            found = _FATAL.search(line)
            if found is None or any(echo in found[2] for echo in _ECHOES):
                continue
            if found[1].endswith(b"smtpd") == (program == "smtpd") or b"master_spawn" in found[2]:
                lines.setdefault(found[2], Evidence(source, _shown(line)))
            if len(lines) == 2:
                break
        if lines:
            break
    return tuple(reversed(lines.values()))


def _shown(line: bytes) -> str:
    return without_secrets(line[:LINE_LIMIT].decode("utf-8", "surrogateescape"))


def _logs(host: Host) -> Iterator[tuple[str, bytes]]:
    """Yield the ends of the logs that there are, the likeliest first."""
    configured = parameter(host, "maillog_file").value
    for path in (*([configured] if configured.startswith("/") else []), *MAIL_LOGS):
        try:
            yield path, _tail(host, path)
        except (CannotLook, OSError):
            continue
    try:
        output = host.run(*journal_command(f"--lines={JOURNAL_LINES}"))
        yield "journal", output.stdout.encode("utf-8", "surrogateescape")
    except CannotLook:
        return


def _tail(host: Host, path: str) -> bytes:
    step = host.step(path)
    if not stat.S_ISREG(step.status.st_mode):
        return b""
    log = os.open(host.here(step.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.pread(log, TAIL, max(0, os.fstat(log).st_size - TAIL))
    finally:
        os.close(log)

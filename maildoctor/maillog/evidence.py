"""What the log's end says, for ``check``: how often each possible cause showed, since when, when last.

The last 8 MiB are read and no more, so that a first time may be "at least since".
"""

import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from maildoctor.host import CannotLook, Host, Missing
from maildoctor.maillog.catalogue import catalogue
from maildoctor.maillog.causes import SILENT
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.masking import without_secrets
from maildoctor.maillog.reader import Reader
from maildoctor.maillog.scan import Scanner
from maildoctor.maillog.stamps import Calendar, earlier
from maildoctor.maillog.tally import Tally
from maildoctor.value import replace, value

TAIL = 8 * 1024 * 1024
"""Bytes of a log's end that are read."""
MAIL_LOGS = ("/var/log/mail.log", "/var/log/maillog", "/var/log/syslog")
AUTH_LOGS = ("/var/log/auth.log",)
JOURNAL_LINES = 20000
JOURNAL = (
    "SYSLOG_FACILITY=2",
    "SYSLOG_FACILITY=4",
    "SYSLOG_FACILITY=10",
    "_SYSTEMD_UNIT=postfix.service",
    "_SYSTEMD_UNIT=postfix@-.service",
    "_SYSTEMD_UNIT=saslauthd.service",
    "_SYSTEMD_UNIT=dovecot.service",
)
"""Facilities mail, auth and authpriv, and both names of Postfix's unit."""


@value
class LogWitness:
    """What the log says for one possible cause. Times are ISO 8601; ``errno`` is the text of errno(3)."""

    code: str
    errno: str | None
    count: int
    first: str
    last: str
    services: tuple[str, ...]
    sample: str
    truncated: bool
    """The log began before the part that was read, so ``first`` is "at least since"."""


def recent_evidence(host: Host, maillog_file: str | None = None) -> tuple[LogWitness, ...]:
    """Give what the end of the host's log says for each cause of ``check``, the most frequent first.

    ``maillog_file`` is main.cf's parameter of that name, if it is set. Raises CannotLook where there is no
    log at all, or none that may be read.
    """
    ledger, truncated = Ledger(), False
    for text, cut, end in _logs(host, maillog_file):
        reader = Reader(Calendar(end), ledger)
        Scanner(reader, every_line=False).chunks([text])
        reader.finish()
        truncated |= cut
    return _witnesses(ledger, truncated)


def recent_text(host: Host, maillog_file: str | None = None) -> list[bytes]:
    """Give the ends of the same logs as they stand there. Raises as ``recent_evidence``."""
    return [text for text, _, _ in _logs(host, maillog_file)]


def _logs(host: Host, maillog_file: str | None) -> list[tuple[bytes, bool, datetime]]:
    return _tails(host, maillog_file) or [_journal(host)]


def journal_command(*more: str) -> tuple[str, ...]:
    """Give the command that prints the journal's lines of Postfix and verifiers, narrowed by ``more``."""
    matches = [word for match in JOURNAL for word in ("+", match)][1:]
    return ("journalctl", "--no-pager", "--quiet", "--output=short-iso-precise", *more, *matches)


def _tails(host: Host, maillog_file: str | None) -> list[tuple[bytes, bool, datetime]]:
    """Read the ends of the logs. Raises CannotLook where some are there and none may be read."""
    logs, refusal = [], None
    for path in _candidates(host, maillog_file):
        try:
            logs += [tail] if (tail := _tail(host, path)) else []
        except CannotLook as error:
            refusal = error
    if refusal and not logs:
        raise refusal
    return logs


def _candidates(host: Host, maillog_file: str | None) -> Iterator[str]:
    for paths in ((maillog_file,) if maillog_file else MAIL_LOGS, AUTH_LOGS):
        for path in paths:
            if path.startswith("/") and host.exists(path):
                yield path
                break


def _tail(host: Host, path: str) -> tuple[bytes, bool, datetime] | None:
    """Read a log's end: the text, whether something stood before it, and when it was written last."""
    try:
        step = host.step(path)
    except Missing:
        return None
    if not stat.S_ISREG(step.status.st_mode) or not step.status.st_size:
        return None
    try:
        log = os.open(host.here(step.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CannotLook(f"{path}: {error.strerror}") from error
    try:
        before = max(0, os.fstat(log).st_size - TAIL)
        text = os.pread(log, TAIL, before)
    finally:
        os.close(log)
    if before:
        text = text[text.find(b"\n") + 1 :]
    return text, before > 0, datetime.fromtimestamp(step.status.st_mtime, UTC)


def _journal(host: Host) -> tuple[bytes, bool, datetime]:
    output = host.run(*journal_command(f"--lines={JOURNAL_LINES}"))
    text = output.stdout.encode("utf-8", "surrogateescape")
    return text, text.count(b"\n") >= JOURNAL_LINES, datetime.now(UTC)


def _witnesses(ledger: Ledger, truncated: bool) -> tuple[LogWitness, ...]:
    found: dict[tuple[str, str | None], LogWitness] = {}
    messages = catalogue().messages
    for (name, detail), tally in ledger.tallies.items():
        message = messages.get(name)
        if message is None or message.role not in ("cause", "consequence", "refused"):
            continue
        codes = message.codes(detail)
        if message.role == "refused" and not ledger.logins:
            codes = (*codes, *SILENT)
        errno = next((text for text in message.causes if text and text in detail), None)
        for code in dict.fromkeys(codes):
            witness = _witness(code, errno, tally, truncated)
            key = (code, errno)
            found[key] = _both(found[key], witness) if key in found else witness
    return tuple(sorted(found.values(), key=lambda witness: (-witness.count, witness.code)))


def _witness(code: str, errno: str | None, tally: Tally, truncated: bool) -> LogWitness:
    sample = tally.samples[0].decode("utf-8", "surrogateescape") if tally.samples else ""
    return LogWitness(
        code,
        errno,
        tally.count,
        tally.span.first,
        tally.span.last,
        _names(tally.services),
        without_secrets(sample),
        truncated,
    )


def _both(one: LogWitness, other: LogWitness) -> LogWitness:
    first, last = (one, other) if not earlier(other.first, one.first) else (other, one)
    latest = one.last if earlier(other.last, one.last) else other.last
    return replace(
        max(one, other, key=lambda witness: witness.count),
        count=one.count + other.count,
        first=first.first or last.first,
        last=latest,
        services=_names((*one.services, *other.services)),
    )


def _names(services: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in services if name}))

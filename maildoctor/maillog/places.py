"""Which logs to read: those that were named, or what this host really uses."""

import os
import socket
import time
from collections.abc import Iterator, Sequence

from maildoctor.host import CannotLook, LiveHost
from maildoctor.maillog.evidence import MAIL_LOGS, journal_command
from maildoctor.maillog.sources import Source, journal_source, open_source, rotation_set
from maildoctor.maillog.stamps import STAMP
from maildoctor.value import replace

AUTH_LOG = "/var/log/auth.log"
QUIET = 3600
"""Seconds without a line in a log, after which the journal is asked whether it knows of later ones."""
OTHER_LOGS = ("/var/log/syslog", "/var/log/messages")
"""Where lines go whose syslog_facility is not mail."""


def chosen(
    files: Sequence[str], rotated: bool, journal: bool, since: str | None, problems: dict[str, str]
) -> list[Source]:
    """Open what was asked for, or what this host uses.

    ``problems`` gets what cannot be opened, or later not be read to its end, and why.
    """
    sources: list[Source] = []
    if journal:
        sources += _opened_journal(since, problems)
    if not files and not journal:
        files = at_hand()
        if not files:
            return _opened_journal(since, problems)
    paths = [path for name in files for path in (rotation_set(name) or [name] if rotated else [name])]
    for path in _different(paths):
        try:
            sources.append(_as_far_as_readable(open_source(path), problems))
        except CannotLook as error:
            problems[path] = str(error)
    return sources


def _as_far_as_readable(source: Source, problems: dict[str, str]) -> Source:
    """Give ``source`` so that damage ends it like its end: what stands before counts."""

    def chunks() -> Iterator[bytes]:
        try:
            yield from source.chunks()
        except CannotLook as error:
            problems[source.name] = str(error)

    return replace(source, chunks=chunks)


def _different(paths: list[str]) -> list[str]:
    """Leave out further names of the same file."""
    seen: dict[object, str] = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            seen.setdefault(path, path)
        else:
            seen.setdefault(path if path == "-" else (status.st_dev, status.st_ino), path)
    return list(seen.values())


def mail_log() -> str | None:
    """Give the file into which this host's Postfix writes, None if only the journal has it."""
    asked = _asked_postfix()
    configured = asked.get("maillog_file", "")
    if configured.startswith("/") and os.path.isfile(configured):
        return configured
    usual = MAIL_LOGS if asked.get("syslog_facility", "mail") == "mail" else OTHER_LOGS
    return next((path for path in usual if os.path.isfile(path) and not _left_off(path)), None)


def _left_off(path: str) -> bool:
    """Tell whether nobody writes a file any more, though the journal goes on: rsyslog was removed, say."""
    since = os.stat(path).st_mtime
    if time.time() - since < QUIET:
        return False
    last = ("journalctl", "--no-pager", "--quiet", "--output=short-unix", "--lines=1", "SYSLOG_FACILITY=2")
    try:
        stamp = LiveHost().run(*last).stdout.partition(" ")[0]
        return float(stamp) > since + QUIET
    except (CannotLook, ValueError):
        return False


def at_hand() -> tuple[str, ...]:
    """Give the logs of this host that speak of logins: verifiers write into one of their own."""
    path = mail_log()
    return tuple(each for each in (path, AUTH_LOG) if os.path.isfile(each)) if path else ()


def usual(sources: Sequence[Source]) -> bool:
    """Tell whether this host wrote these logs: they lie in their usual place and bear its name."""
    return any(source.name == "the journal" or _is_ours(source.name) for source in sources)


def _is_ours(path: str) -> bool:
    if not os.path.realpath(path).startswith("/var/log/") and path != _asked_postfix().get("maillog_file"):
        return False
    try:
        with open(path, "rb") as log:
            line = log.readline(4096)
    except OSError:
        return False
    match = STAMP.match(line)
    if match is None:
        return True
    name = line[match.end() :].split(maxsplit=1)[:1]
    mine = socket.gethostname().partition(".")[0]
    return not name or name[0].decode("utf-8", "replace").partition(".")[0] in (mine, "localhost")


def _asked_postfix() -> dict[str, str]:
    """Give what Postfix says of where it logs; nothing where it cannot be asked."""
    try:
        answer = LiveHost().run("postconf", "maillog_file", "syslog_facility").stdout
    except CannotLook:
        return {}
    pairs = (line.partition("=") for line in answer.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _opened_journal(since: str | None, problems: dict[str, str]) -> list[Source]:
    narrowed = (f"--since={since[:19].replace('T', ' ')}",) if since else ()
    try:
        return [journal_source(journal_command(*narrowed))]
    except CannotLook as error:
        problems["the journal"] = str(error)
        return []

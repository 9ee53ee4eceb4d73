"""The journal's saved forms, ``journalctl -o export`` and ``-o json``, as lines of syslog.

Format: systemd's Journal Export Formats (JOURNAL_EXPORT_FORMATS.md): ``NAME=value`` a line, or ``NAME``, a
length of eight bytes and that many bytes; an empty line ends an entry.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

WANTED = (
    b"__REALTIME_TIMESTAMP",
    b"_HOSTNAME",
    b"SYSLOG_IDENTIFIER",
    b"SYSLOG_PID",
    b"_PID",
    b"_COMM",
    b"MESSAGE",
)
LONGEST = 1024 * 1024


def is_export(head: bytes) -> bool:
    """Tell whether a file that begins like this is the journal's export or JSON."""
    return head.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP=")) or (
        head.startswith(b"{") and b'"__REALTIME_TIMESTAMP"' in head[:8192]
    )


def lines_of_export(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one line of syslog, with its line end, for each entry."""
    feed = _Feed(chunks)
    if feed.peek(1) == b"{":
        while line := feed.line():
            if entry := _json_entry(line):
                yield _syslog(entry)
        return
    fields: dict[bytes, bytes] = {}
    while (line := feed.line()) is not None:
        if not line:
            if fields:
                yield _syslog(fields)
            fields = {}
            continue
        name, equals, value = line.partition(b"=")
        if not equals:
            value = feed.exactly(int.from_bytes(feed.exactly(8), "little"))
            feed.exactly(1)
        if name in WANTED:
            fields[name] = value
    if fields:
        yield _syslog(fields)


class _Feed:
    """Lines and counted bytes from chunks; what is longer than ``LONGEST`` is cut."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""

    def peek(self, count: int) -> bytes:
        self._fill(count)
        return self._held[:count]

    def line(self) -> bytes | None:
        place = self._held.find(b"\n")
        while place < 0:
            before = len(self._held)
            if before > LONGEST or not self._more():
                break
            place = self._held.find(b"\n", before)
        if place < 0:
            line, self._held = self._held, b""
            return line or None
        line, self._held = self._held[:place], self._held[place + 1 :]
        return line

    def exactly(self, count: int) -> bytes:
        kept = b""
        while count > 0 and (self._held or self._more()):
            part, self._held = self._held[:count], self._held[count:]
            count -= len(part)
            kept = (kept + part)[:LONGEST]
        return kept

    def _fill(self, count: int) -> None:
        while len(self._held) < count and self._more():
            pass

    def _more(self) -> bool:
        chunk = next(self._chunks, b"")
        self._held += chunk
        return bool(chunk)


def _json_entry(line: bytes) -> dict[bytes, bytes]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(entry, dict):
        return {}
    return {name: _bytes(entry[name.decode()]) for name in WANTED if name.decode() in entry}


def _bytes(value: object) -> bytes:
    if isinstance(value, list):
        return bytes(each for each in value if isinstance(each, int) and 0 <= each < 256)
    return str(value).encode("utf-8", "surrogateescape")


def _syslog(fields: dict[bytes, bytes]) -> bytes:
    try:
        when = datetime.fromtimestamp(int(fields.get(b"__REALTIME_TIMESTAMP", b"0")) / 1e6, UTC)
    except (ValueError, OverflowError, OSError):
        when = datetime.fromtimestamp(0, UTC)
    tag = fields.get(b"SYSLOG_IDENTIFIER") or fields.get(b"_COMM") or b"unknown"
    pid = fields.get(b"SYSLOG_PID") or fields.get(b"_PID") or b"0"
    message = fields.get(b"MESSAGE", b"").replace(b"\n", b" ")
    host = fields.get(b"_HOSTNAME", b"-")
    return b"%s %s %s[%s]: %s\n" % (when.isoformat(timespec="seconds").encode(), host, tag, pid, message)

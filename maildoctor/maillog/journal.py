"""The journal's saved forms (``journalctl -o export``, ``json`` and its kin, ``verbose``) as lines of syslog.

Format: systemd's Journal Export Formats (JOURNAL_EXPORT_FORMATS.md): ``NAME=value`` a line, or ``NAME``, a
length of eight bytes and that many bytes; an empty line ends an entry. ``verbose`` begins each entry with its
time and indents its fields.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from maildoctor.pattern import pattern

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
_VERBOSE = pattern(rb"[A-Z][a-z]{2} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\S* (\S+) \[s=[^\n]*(?:\n|$)")


def is_export(head: bytes) -> bool:
    """Tell whether a file that begins like this is the journal's export or JSON."""
    if head.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP=")):
        return True
    json_text = head.lstrip().startswith((b"{", b"data: {", b"\x1e{"))
    return bool((json_text and b'"__REALTIME_TIMESTAMP"' in head[:8192]) or _VERBOSE.match(head))


def lines_of_export(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one line of syslog, with its line end, for each entry."""
    feed = _Feed(chunks)
    head = feed.peek(4096)
    if head.lstrip().startswith((b"{", b"data: {", b"\x1e{")):
        yield from _json_entries(feed)
    elif _VERBOSE.match(head):
        yield from _verbose_entries(feed)
    else:
        yield from _export_entries(feed)


def _export_entries(feed: "_Feed") -> Iterator[bytes]:
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
        self._held, self._place = b"", 0

    def peek(self, count: int) -> bytes:
        while len(self._held) < count and self._more():
            pass
        return self._held[:count]

    def line(self) -> bytes | None:
        end = self._held.find(b"\n", self._place)
        while end < 0:
            before = len(self._held) - self._place
            if before > LONGEST or not self._more():
                return self._rest()
            end = self._held.find(b"\n", before)
        line, self._place = self._held[self._place : end], end + 1
        return line

    def exactly(self, count: int) -> bytes:
        kept = b""
        while count > 0 and (self._place < len(self._held) or self._more()):
            part = self._held[self._place : self._place + count]
            self._place += len(part)
            count -= len(part)
            kept = (kept + part)[:LONGEST]
        return kept

    def _rest(self) -> bytes | None:
        rest = self._held[self._place :]
        self._held, self._place = b"", 0
        return rest or None

    def _more(self) -> bool:
        chunk = next(self._chunks, b"")
        self._held, self._place = self._held[self._place :] + chunk, 0
        return bool(chunk)


def _json_entries(feed: _Feed) -> Iterator[bytes]:
    """Read ``-o json``, ``json-sse`` and ``json-seq``, an object a line, and ``json-pretty``."""
    held = b""
    while (line := feed.line()) is not None:
        line = line.lstrip(b"\x1e").removeprefix(b"data: ")
        if line == b"{" or (held and line != b"}"):
            held = (held + line)[:LONGEST]
            continue
        if entry := _json_entry(held + line):
            yield _syslog(entry)
        held = b""


def _verbose_entries(feed: _Feed) -> Iterator[bytes]:
    fields: dict[bytes, bytes] = {}
    while (line := feed.line()) is not None:
        if line.startswith(b" "):
            name, _, value = line.strip().partition(b"=")
            if name in WANTED or name == b"_SOURCE_REALTIME_TIMESTAMP":
                fields.setdefault(name, value)
            continue
        if b"MESSAGE" in fields:
            yield _syslog(fields)
        match = _VERBOSE.match(line)
        fields = {b"stamp": _stamp(*match.groups())} if match else {}
    if b"MESSAGE" in fields:
        yield _syslog(fields)


def _stamp(date: bytes, time: bytes, zone: bytes) -> bytes:
    return date + b"T" + time + (b"+00:00" if zone == b"UTC" else b"")


def _json_entry(line: bytes) -> dict[bytes, bytes]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(entry, dict):
        return {}
    return {name: _bytes(entry[name.decode()]) for name in WANTED if name.decode() in entry}


def _bytes(value: object) -> bytes:
    if isinstance(value, list) and value and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, list):
        return bytes(each for each in value if isinstance(each, int) and 0 <= each < 256)
    return str(value or "").encode("utf-8", "replace")


def _syslog(fields: dict[bytes, bytes]) -> bytes:
    when = _moment(fields.get(b"__REALTIME_TIMESTAMP") or fields.get(b"_SOURCE_REALTIME_TIMESTAMP") or b"0")
    tag = fields.get(b"SYSLOG_IDENTIFIER") or fields.get(b"_COMM") or b"unknown"
    pid = fields.get(b"SYSLOG_PID") or fields.get(b"_PID") or b"0"
    message = fields.get(b"MESSAGE", b"").replace(b"\n", b" ")
    host = fields.get(b"_HOSTNAME", b"-")
    stamp = fields.get(b"stamp") or when.isoformat(timespec="seconds").encode()
    return b"%s %s %s[%s]: %s\n" % (stamp, host, tag, pid, message)


def _moment(microseconds: bytes) -> datetime:
    try:
        return datetime.fromtimestamp(int(microseconds) // 1_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)

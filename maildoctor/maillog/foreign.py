"""Log lines in the dress of other tools, as lines of syslog: RFC 5424, containers, journalctl, grep.

``STAMP HOST TAG[PID]: TEXT`` is the form that everything else here reads; a line in it is left as it is.
"""

import re
from datetime import UTC, datetime

from maildoctor.maillog.smtpd_text import TERMINAL
from maildoctor.maillog.stamps import STAMP_TEXT
from maildoctor.pattern import pattern

_NORMAL = pattern(
    rb"(?:" + STAMP_TEXT + rb") [^\s\[\]]{1,255} (?!warning: |fatal: |error: |panic: )"
    rb"[^\s\[\]:]{1,100}(?:\[\d{1,10}\])?: (?!\[ID )"
)
_WRAPPED = pattern(
    # Docker's journald and syslog drivers: a line of syslog within a line of syslog.
    rb"[^\n\[\]]{1,300}\[\d{1,10}\]: (?=(?:" + STAMP_TEXT + rb") [^\s\[\]]{1,255} "
    rb"(?:postfix|dovecot|saslauthd)[\w./-]{0,80}(?:\[\d{1,10}\])?: )"
)
_PIPED = pattern(
    # systemd-cat and its like: what a program printed without a time, behind their own name.
    rb"((?:" + STAMP_TEXT + rb") [^\s\[\]]{1,255} )[^\s\[\]:]{1,100}(?:\[\d{1,10}\])?: "
    rb"(?=(?:postfix[\w.-]{0,80}/[\w./-]{1,80}|saslauthd)\[\d{1,10}\]: )"
)
_TAGGED = pattern(
    rb"(?:\S{1,80} )?(?:\S{1,255} )?[^\s\[\]:]{1,100}\[\d{1,10}\]: |- \S{1,255} [^\s\[\]:]{1,100}: "
)
_COLOUR = pattern(rb"\x1b\[[0-9;]{0,20}m")
_BEFORE = pattern(
    rb"\xef\xbb\xbf"  # a byte order mark
    rb"|[>\s]{1,20}(?=\S)"  # a quotation
    rb"|[\w.@-]{1,80} *\| ?"  # docker compose
    rb"|\[pod/[^\]\s]{1,200}\] "  # kubectl logs --prefix
    rb"|\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:\d\d) (?:(?:stdout|stderr) [FP] )?(?=" + STAMP_TEXT + rb")"
    rb"|(?:[\w./-]{1,200}[:-])?(?:\d{1,10}[:-])?(?=(?:" + STAMP_TEXT + rb") \S)"  # grep's file and line
    rb"|<\d{1,3}>(?=[A-Z\d]\S\S)"
    rb"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?=[A-Z\d])"
)
_LAYERS = 5
_RFC_5424 = pattern(
    rb"(?:\d{1,6} )?(?:<\d{1,3}>)?1 (?P<stamp>" + STAMP_TEXT + rb"|-) (?P<host>\S{1,255}) (?P<tag>\S{1,100}) "
    rb"(?P<pid>\S{1,128}) \S{1,32} (?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: |$)(?:\xef\xbb\xbf)?"
)
_CONTAINER = pattern(rb"(\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:\d\d) )(?:stdout|stderr) [FP] ")
_SECONDS = pattern(rb"(\d{9,11})(\.\d{1,6})? (?=\S+ \S+: )")
_ZONE = pattern(rb"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d{1,6})? ([A-Z]{2,5}|[+-]\d\d) (?=\S+ \S+: )")
_UNIT = pattern(
    rb"(?<= )(?:[\w.@\\-]{1,80}/)*(postfix|saslauthd|dovecot)[\w@.\\-]{0,80}\.service(?=(?:\[\d{1,10}\])?: )"
)
_SOLARIS = pattern(rb"(?<=: )\[ID \d{1,10} \w{1,16}\.\w{1,16}\] ")
_SMTPD_SAID = pattern(rb"(?:warning: SASL |[0-9A-Za-z]{1,32}: client=\S{1,300}, sasl_method=)")
_HAS_TAG = pattern(rb"[^\n]{0,200}?smtpd\[\d{1,10}\]: ")
_STAMPED = pattern(rb"(?:" + STAMP_TEXT + rb") (?:\S{1,255} )?")
HEAD_LINES = 200


def is_foreign(head: bytes) -> bool:
    """Tell whether a log that begins like this has lines in another dress."""
    return any(canonical(line) != line for line in head.split(b"\n")[:HEAD_LINES])


def canonical(raw: bytes) -> bytes:
    """Give a line, without its line end, in syslog's form; one that cannot be understood as it is."""
    if wrapped := _WRAPPED.match(raw):
        raw = raw[wrapped.end() :]
    elif piped := _PIPED.match(raw):
        raw = piped[1] + raw[piped.end() :]
    if _NORMAL.match(raw):
        return raw
    line = _COLOUR.sub(b"", raw) if b"\x1b[" in raw[:200] else raw
    for _ in range(_LAYERS):
        if _NORMAL.match(line):
            return line
        before = _BEFORE.match(line)
        if not before or not before.end():
            break
        line = line[before.end() :]
    line = _reworded(line)
    return line if _NORMAL.match(line) or _TAGGED.match(line) else raw


def _reworded(line: bytes) -> bytes:
    """Give a line whose head says the same in another order or other words."""
    if match := _RFC_5424.match(line):
        tag = match["tag"].partition(b"[")[0]
        pid = re.sub(rb"\D", b"", match["pid"])[:10]
        head = b"%s %s %s" % (match["stamp"], match["host"], tag)
        return head + (b"[%s]: " % pid if pid else b": ") + line[match.end() :]
    if match := _CONTAINER.match(line):
        line = match[1] + b"- " + line[match.end() :]
    elif match := _SECONDS.match(line):
        when = datetime.fromtimestamp(int(match[1]), UTC).isoformat(timespec="seconds")
        line = when.encode() + b" " + line[match.end() :]
    elif match := _ZONE.match(line):
        zone = {b"UTC": b"+00:00", b"GMT": b"+00:00"}.get(match[3], b"")
        line = match[1] + b"T" + match[2] + zone + b" " + line[match.end() :]
    if b".service" in line[:300]:
        line = _UNIT.sub(_program, line, count=1)
    if b": [ID " in line[:300]:
        line = _SOLARIS.sub(b"", line, count=1)
    return line if _NORMAL.match(line) else _untagged(line)


def _program(match: re.Match[bytes]) -> bytes:
    """Name the program where ``-o with-unit`` names the unit: of Postfix's, smtpd is the one that matters."""
    return b"postfix/smtpd" if match[1] == b"postfix" else match[1]


def _untagged(line: bytes) -> bytes:
    """Name smtpd before a line that only it writes, and that lacks a program's name (``-o cat``)."""
    stamp = _STAMPED.match(line)
    text = line[stamp.end() :] if stamp else line
    said = _SMTPD_SAID.match(text) or (b"SASL " in text[:400] and TERMINAL.match(text))
    if not said or _HAS_TAG.match(line):
        return line
    return (line[: stamp.end()] if stamp else b"") + b"postfix/smtpd[0]: " + text

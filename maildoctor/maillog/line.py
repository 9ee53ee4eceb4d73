"""One log line taken apart: when, which program, which process, what it said."""

import re
from typing import NamedTuple

from maildoctor.maillog.stamps import STAMP_TEXT
from maildoctor.pattern import pattern

LONGEST = 16 * 1024
"""Bytes of a line that are looked at; Postfix and syslog cut theirs at 2 to 8 KiB."""

_WITH_PID = pattern(
    rb"(?:[^\s|]{1,80} +\| ?)?(?:<\d{1,3}>)?(?:\d )?(?:[A-Z][a-z]{2} (?=\d{4}-))?"
    rb"(?P<stamp>" + STAMP_TEXT + rb")?"
    rb"(?:[^\n]{0,200}?[\s#])??(?P<tag>[^\s\[\]|]{1,100})\[(?P<pid>\d{1,10}|\.+)\] ?: ?"
)
_WITHOUT_PID = pattern(
    rb"(?:[^\s|]{1,80} +\| ?)?(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} (?=\d{4}-))?"
    rb"(?P<stamp>" + STAMP_TEXT + rb")?"
    rb"(?:[^\n:]{0,120}\s)??"
    rb"(?P<tag>postfix[\w./-]{0,80}|dovecot|saslauthd|auth|kernel|unix_chkpwd|sasl\w+2): "
)
_BARE_STAMP = pattern(rb"\s*(?P<stamp>" + STAMP_TEXT + rb")\s+(?:\S*[^\s:]\s+)?")
_SEVERITIES = (b"warning: ", b"fatal: ", b"error: ", b"panic: ")
_REPEATED = pattern(rb"message repeated (?P<times>\d{1,6}) times?: \[ ?(?P<text>.*?)\]?\s*$", re.S)
AGAIN = pattern(
    rb"(?:--- )?(?:last )?message repeated (?P<times>\d{1,6}) times?(?!\S)"
    rb"|Last message '.{0,80}?' repeated (?P<more>\d{1,6}) times?, suppressed by syslog-ng",
    re.S,
)
"""A line that stands for the one before it: syslogd's, an old rsyslog's, syslog-ng's (logwriter.c)."""
_QUOTED = 20
"""Bytes of a message that syslog-ng quotes there; others, that quote all of it, say it again."""
_SUPPRESSED = pattern(rb"(?P<text>.*)' repeated (?P<times>\d{1,6}) times, suppressed by syslog-ng", re.S)


class Line(NamedTuple):
    """A line's parts as bytes; ``tag`` is empty where a line names no program (a pasted fragment)."""

    stamp: bytes
    tag: bytes
    pid: bytes
    text: bytes
    times: int
    """How often it was said: rsyslog and syslog-ng fold repeated messages into one line."""


def parse(raw: bytes) -> Line:
    """Take a line without its line end apart. Nothing in it is trusted; every line has an answer."""
    raw = raw[:LONGEST].rstrip(b"\r\x00 ")
    # Seeking a process id where there is none would take longer than all the rest.
    match = (b"]" in raw and _WITH_PID.match(raw)) or _WITHOUT_PID.match(raw)
    if match is None:
        return _fragment(raw)
    text, times = raw[match.end() :], 1
    if text.startswith(b"message repeated "):
        text, times = _unfolded(text, _REPEATED)
    elif match["tag"].startswith(b"'"):
        text, times = _unfolded(text, _SUPPRESSED)
        if len(raw[match.start("tag") + 1 : match.end()] + text) <= _QUOTED:
            return Line(match["stamp"] or b"", b"", b"", b"last message repeated %d times" % times, 1)
    pid = match.groupdict().get("pid") or b""
    return Line(match["stamp"] or b"", match["tag"].lstrip(b"'"), pid, text, times)


def service_of(tag: bytes) -> str:
    """Give the service in master.cf that a tag names: ``postfix/submission/smtpd`` is submission.

    ``postfix/smtpd`` is smtp; other values of syslog_name (another instance, say) are given as they are.
    """
    name = tag.rpartition(b"/")[0].decode("utf-8", "surrogateescape")
    if name in ("postfix", ""):
        return "smtp"
    return name.removeprefix("postfix/")


def _fragment(raw: bytes) -> Line:
    match = _BARE_STAMP.match(raw)
    text = raw[match.end() :] if match else raw
    return Line(match["stamp"] if match else b"", b"", b"", text.strip(), 1)


def _unfolded(text: bytes, form: re.Pattern[bytes]) -> tuple[bytes, int]:
    match = form.match(text)
    return (match["text"], max(1, int(match["times"]))) if match else (text, 1)

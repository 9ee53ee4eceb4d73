"""The fast lane: the few kinds of lines that make up a log under attack, taken straight from the block.

Three kinds are so frequent that parsing each as a line would cost most of the time: refused passwords,
logins, and the disconnect lines after a refusal. Their parts are cut out of the block here; every other line,
and any of these that looks unusual, goes to the reader as it is. Both ways come to the same result.
"""

import re
from collections.abc import Callable
from operator import itemgetter

from maildoctor.maillog.ledger import LOGIN_KEY
from maildoctor.maillog.line import LONGEST, service_of
from maildoctor.maillog.reader import KEPT, Reader
from maildoctor.maillog.search import Block
from maildoctor.maillog.tally import SAMPLES, Attempt

# One rare beginning that most messages of interest share: what follows the process id.
_SAID = re.compile(
    rb"\]: (?=[wfepsauSm_A(])(?:warning: (?!SASL authentication failure: Password verification failed)"
    rb"(?:(?P<client>[^\s\[\]]{0,255}\[(?P<address>[^\s\[\]]{1,64})\])(?::\d{1,5})?: "
    rb"SASL (?P<mechanism>[A-Z0-9-]{1,32}) authentication failed: (?P<reason>[^\n]*))?"
    rb"|fatal: |error: |panic: |message repeated |auth[:(-]|master: |SASL authentication |sql|auxprop"
    rb"|unable to dlopen|_sasl_plugin|sasl_client|AlwaysTrue|\(?pam_unix|pam_mysql)"
)
_LOGIN = b", sasl_method="
_REFUSED = b" auth=0/"
_PLAIN_ANCHORS = (b"saslauthd[", b'apparmor="DENIED"', b" last message repeated ")
_RELAYHOST = (b"SASL authentication failed", b"SASL [CACHED]", b"uthentication required")
_GATES: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (b"dovecot", (b"dovecot: auth", b"dovecot: master", b": Fatal: ", b": Error: ")),
    (
        b": reject: RCPT from ",
        (b"Relay access denied", b"rejected: Access denied", b"address rejected: not "),
    ),
    (b"status=deferred", (*_RELAYHOST, b"TLS is required, but ", b"Cannot start TLS", b":25: Connection ")),
    (b"status=bounced", _RELAYHOST),
)
"""Where a block lacks the first text, the others need not be sought."""
_OFTEN = 4096
LONGEST_MECHANISM = 32
Known = tuple[tuple[str, str], bool, str]
Handler = Callable[[int, int, int], bool]
Hit = tuple[int, Handler | None, re.Match[bytes] | None]
"""A place, what takes lines of this kind, and for a refused password its parts."""


class FastLane:
    """Finds the lines that matter in a block, and takes them in order."""

    def __init__(self, reader: Reader, block: Block) -> None:
        """Feed ``reader`` from ``block``."""
        self._reader, self._block = reader, block
        self._services: dict[bytes, str] = {}
        self._reasons: dict[tuple[bytes, bytes], Known] = {}
        self._sampled: dict[tuple[str, str], int] = {}
        self._second, self._when = (b"", b""), ""
        self._waiting: list[tuple[Attempt, bool]] = []
        self._text = b""

    def take(self, start: int, end: int, before: bytes) -> None:
        """Take the whole lines from ``start`` to ``end``; ``before`` is the line that stood before them."""
        text = self._text = bytes(self._block.view[:end])
        done = start
        for place, kind, match in sorted(self._hits(start, end), key=itemgetter(0)):
            if place < done:
                continue
            begin = text.rfind(b"\n", start, place) + 1 or start
            done = stop = text.find(b"\n", place, end)
            if match is not None:
                if self._refused(match, begin):
                    continue
            elif kind is not None and kind(place, begin, stop):
                continue
            self._settle()
            line = text[begin : min(stop, begin + LONGEST)]
            if b" last message repeated " in line:
                last = text.rfind(b"\n", start, max(start, begin - 1)) + 1 or start
                self._reader.previous = text[last : begin - 1] if begin > start else before
            self._reader.line(line)
        self._settle()

    def _hits(self, start: int, end: int) -> list[Hit]:
        hits: list[Hit] = [
            (match.start(), None, match if match[1] else None)
            for match in _SAID.finditer(self._text, start, end)
        ]
        found = self._block.places
        hits += [(place, self._login, None) for place in found(_LOGIN, start, end)]
        hits += [(place, self._disconnected, None) for place in found(_REFUSED, start, end)]
        for anchor in _PLAIN_ANCHORS:
            hits += [(place, None, None) for place in found(anchor, start, end)]
        for gate, anchors in _GATES:
            if self._block.find(start, end, gate) >= 0:
                for anchor in anchors:
                    hits += [(place, None, None) for place in found(anchor, start, end)]
        return hits

    def _head(self, head: bytes) -> tuple[str, str, bytes] | None:
        """Give time, service and process id from an smtpd line's head, None for one that looks unusual.

        ``head`` ends before the bracket that closes the process id.
        """
        bracket = head.rfind(b"[")
        space = head.rfind(b" ", 0, bracket)
        service = self._services.get(head[space + 1 : bracket])
        if service is None:
            service = self._new_service(head[space + 1 : bracket])
        if head[10:11] == b"T":
            stamp = head[: head.find(b" ")]
        elif head[15:16] == b" ":
            stamp = head[:15]
        else:
            return None
        if not service or head.count(b" ", len(stamp), bracket) != 2:
            return None
        second = (stamp[:19], stamp[-6:]) if head[10:11] == b"T" else (stamp, b"")
        if second != self._second:
            self._second, self._when = second, self._reader.calendar.iso(stamp)
        return self._when, service, head[bracket + 1 :]

    def _new_service(self, tag: bytes) -> str:
        """Give the service that a tag names, "" if it is none of smtpd."""
        if not tag.endswith(b"smtpd") or len(self._services) > _OFTEN:
            return ""
        service = self._services[tag] = service_of(tag)
        return service

    def _refused(self, match: re.Match[bytes], begin: int) -> bool:
        head = self._head(self._text[begin : match.start()])
        reader = self._reader
        if head is None or reader.filtered:
            return False
        when, service, pid = head
        session = reader.sessions.get(pid)
        if session is None:
            session = reader.new_session(pid)
        elif session.reason is not None or session.weak is not None:
            return False
        client, address, mechanism, reason = match.groups()
        reason, _, user = reason.partition(b", sasl_username=")
        known = self._reasons.get((mechanism, reason)) or self._known(mechanism, reason)
        session.service = service
        session.failures += 1
        user = user.rstrip(b"\r\x00 ")[:200]
        if user == b"(unavailable)":
            user = b""
        key, refused, name = known
        sample = self._sample(key, begin, match.end())
        self._waiting.append((Attempt(key, when, service, client, address, name, user, sample), refused))
        return True

    def _settle(self) -> None:
        """Hand over the attempts that wait, before anything that came after them."""
        if self._waiting:
            self._reader.ledger.attempts(self._waiting)
            self._waiting = []

    def _known(self, mechanism: bytes, reason: bytes) -> Known:
        name = mechanism.decode("ascii")
        key, refused, _ = self._reader.reason_alone(name, reason.rstrip(b"\r\x00 "))
        if len(self._reasons) > _OFTEN:
            self._reasons.clear()
        known = self._reasons[mechanism, reason] = (key, refused, name)
        return known

    def _login(self, place: int, begin: int, stop: int) -> bool:
        text = self._text
        middle = text.find(b"]: ", begin, place)
        head = self._head(text[begin:middle]) if middle > 0 else None
        if head is None or self._reader.filtered:
            return False
        when, service, pid = head
        _, _, client = text[middle + 3 : place].partition(b": client=")
        fields = text[place + len(_LOGIN) : min(stop, place + LONGEST)].rstrip(b"\r\x00 ")
        mechanism, _, user = fields.partition(b", sasl_username=")
        name, _, address = client.rpartition(b"[")
        address, closed, port = address.partition(b"]")
        if not closed or b" " in client or len(client) > KEPT or len(mechanism) > LONGEST_MECHANISM:
            return False
        if port:
            client = name + b"[" + address + b"]"
        self._settle()
        self._reader.end_session(pid)
        user, method = user.partition(b", sasl_sender=")[0][:200], mechanism.decode("ascii", "replace")
        sample = self._sample(LOGIN_KEY, begin, stop)
        self._reader.ledger.login(Attempt(LOGIN_KEY, when, service, client, address, method, user, sample))
        return True

    def _disconnected(self, place: int, begin: int, stop: int) -> bool:
        """Pass over a session whose refusals were all written, as nearly all are."""
        text = self._text
        middle = text.find(b"]: disconnect from ", begin, place)
        pid = text[text.rfind(b"[", begin, middle) + 1 : middle]
        session = self._reader.sessions.get(pid)
        if middle < 0 or session is None or session.said is not None:
            return False
        tried = text[place + 8 : min(stop, place + 16)].partition(b" ")[0].rstrip(b"\r")
        if not tried.isdigit() or int(tried) > session.failures:
            return False
        del self._reader.sessions[pid]
        return True

    def _sample(self, key: tuple[str, str], begin: int, stop: int) -> bytes:
        count = self._sampled.get(key, 0)
        if count >= 2 * SAMPLES:
            return b""
        self._sampled[key] = count + 1
        return self._text[begin : min(stop, begin + KEPT)]

"""The fast lane: the few kinds of lines that make up a log under attack, taken straight from the block.

Three kinds are so frequent that parsing each as a line would cost most of the time: refused passwords,
logins, and the disconnect lines after a refusal. Their parts are cut out of the block here; every other line,
and any of these that looks unusual, goes to the reader as it is. Both ways come to the same result.
"""

import re
from operator import itemgetter

from maildoctor.maillog.ledger import LOGIN_KEY
from maildoctor.maillog.line import LONGEST, service_of
from maildoctor.maillog.reader import KEPT, Reader
from maildoctor.maillog.search import Block
from maildoctor.maillog.smtpd_text import LONGEST_CLIENT, shortened_client
from maildoctor.maillog.tally import SAMPLES, Attempt
from maildoctor.maillog.top import LONGEST_NAME

# One rare beginning that most messages of interest share: what follows the process id.
_SAID = re.compile(
    rb"\]: (?=[wfepsauSm_AP(])(?:warning: (?!SASL authentication failure: Password verification failed)"
    rb"(?:(?P<client>[^\s\[\]]{0,255}\[(?P<address>[^\s\[\]]{1,64})\])(?::\d{1,5})?: "
    rb"SASL (?P<mechanism>[A-Z0-9-]{1,32}) authentication failed: (?P<reason>[^\n]*))?"
    rb"|fatal: |error: |panic: |message repeated |auth[:(-]|master: |SASL authentication |sql|auxprop"
    rb"|unable to dlopen|_sasl_plugin|sasl_client|AlwaysTrue|PAM |\(?pam_[a-z])"
)
_LOGIN = b", sasl_method="
_REFUSED = b" auth=0/"
_GONE = b"]: disconnect from "
_PLAIN_ANCHORS = (b"saslauthd[", b'apparmor="DENIED"', b" last message repeated ")
_RELAYHOST = (b"SASL authentication failed", b"SASL [CACHED]", b"uthentication required")
_DENIALS = (
    b"Relay access denied",
    b"rejected: Access denied",
    b"address rejected: not ",
    b"Temporary lookup failure",
    b"Server configuration error",
    b"Server local data error",
)
_GATES: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (b"dovecot", (b"dovecot: auth", b"dovecot: master", b": Fatal: ", b": Error: ")),
    (
        b": reject: ",
        _DENIALS,
    ),
    (b"status=deferred", (*_RELAYHOST, b"TLS is required, but ", b"Cannot start TLS", b":25: Connection ")),
    (b"status=bounced", _RELAYHOST),
)
"""Where a block lacks the first text, the others need not be sought."""
_OFTEN = 64
_REMEMBERED = 512
MANY = 200
"""Messages in a block from which it is one of an attack."""
LONGEST_MECHANISM = 32
# NamedTuple's own constructor is three times as slow.
_new = tuple.__new__
_BEFORE_AUTH = 400
"""Bytes between the process id and the count of AUTH in a disconnect line."""
_DIGITS = {b"%d " % digit: digit for digit in range(1, 10)}
Hit = tuple[int, bytes, re.Match[bytes] | None]
"""A place, the anchor of a frequent kind of line, and for a refused password its parts."""


class _Ending:
    """One way in which attempts end, and those that wait to be counted."""

    def __init__(self, key: tuple[str, str], refused: bool, mechanism: str) -> None:
        self.key, self.refused, self.mechanism = key, refused, mechanism
        self.waiting: list[Attempt] = []
        self.unsampled = 2 * SAMPLES


class FastLane:
    """Finds the lines that matter in a block, and takes them in order."""

    def __init__(self, reader: Reader) -> None:
        """Feed ``reader``."""
        self._reader = reader
        self._processes: dict[bytes, tuple[str, bytes]] = {}
        self._reasons: dict[tuple[bytes, bytes], _Ending] = {}
        self._unsampled = 2 * SAMPLES
        self._logins: dict[bytes, tuple[bytes, bytes, str, bytes]] = {}
        self._second, self._when = b"", ""
        self._slow = False
        self._waiting = False
        self._text = b""

    def take(self, block: Block, before: bytes) -> None:
        """Take the lines of ``block``; ``before`` is the line that stood before them."""
        text, end, done = block.text, block.end, 0
        self._text, self._slow, self._second = text, self._reader.filtered, b""
        for place, kind, match in sorted(self._hits(block), key=itemgetter(0)):
            if place < done:
                continue
            if (kind == _REFUSED and self._balanced(place)) or (kind == _GONE and self._left(place)):
                continue
            begin = text.rfind(b"\n", 0, place) + 1
            if match is not None:
                done = stop = match.end()
                if self._refused(match, begin):
                    continue
            else:
                done = stop = text.find(b"\n", place, end)
            if kind == _LOGIN and self._login(place, begin, stop):
                continue
            self._settle()
            line = text[begin : min(stop, begin + LONGEST)]
            if b" last message repeated " in line:
                last = text.rfind(b"\n", 0, max(0, begin - 1)) + 1
                self._reader.previous = text[last : begin - 1] if begin else before
            self._reader.line(line)
        self._settle()

    def _hits(self, block: Block) -> list[Hit]:
        said = _SAID.finditer(block.text, 0, block.end)
        hits: list[Hit] = [(match.start(), b"", match if match[1] else None) for match in said]
        found = block.places
        hits += [(place, _LOGIN, None) for place in block.frequent_places(_LOGIN)]
        refused = block.frequent_places if len(hits) > MANY else found
        hits += [(place, _REFUSED, None) for place in refused(_REFUSED)]
        for anchor in _PLAIN_ANCHORS:
            hits += [(place, b"", None) for place in found(anchor)]
        awaited = bool(self._reader.awaited)
        for gate, anchors in _GATES:
            if block.find(gate) >= 0:
                more = [(place, b"", None) for anchor in anchors for place in found(anchor)]
                awaited |= bool(more) and anchors is _DENIALS
                hits += more
        if awaited:
            hits += [(place, _GONE, None) for place in block.frequent_places(_GONE)]
        return hits

    def _left(self, place: int) -> bool:
        """Pass over the disconnect lines of processes of which nothing is awaited."""
        return self._text[self._text.rfind(b"[", 0, place) + 1 : place] not in self._reader.awaited

    def _head(self, begin: int, place: int) -> tuple[str, bytes] | None:
        """Give service and process id of an smtpd line, and set its time; None for an unusual one.

        The process id ends at ``place``.
        """
        text = self._text
        space = text.rfind(b" ", begin, place)
        head = self._processes.get(text[space + 1 : place]) or self._new_process(text[space + 1 : place])
        if text[begin : begin + 19] != self._second and not self._new_second(begin, space):
            return None
        return head

    def _new_second(self, begin: int, space: int) -> bool:
        """Take the time of a line; a time stamp and a host name are all that stands before ``space``."""
        text = self._text
        stop = begin + 15 if text[begin + 3 : begin + 4] == b" " else text.find(b" ", begin)
        if text.find(b" ", stop + 1) != space or text[stop : stop + 1] != b" ":
            return False
        when = self._reader.calendar.iso(text[begin:stop])
        if when:
            self._second, self._when = text[begin : begin + 19], when
        return bool(when)

    def _new_process(self, process: bytes) -> tuple[str, bytes] | None:
        """Take ``postfix/smtpd[4711`` apart; None for other programs."""
        tag, _, pid = process.partition(b"[")
        if not tag.endswith(b"smtpd") or not pid.isdigit():
            return None
        if len(self._processes) > _REMEMBERED:
            self._processes.clear()
        head = self._processes[process] = (service_of(tag), pid)
        return head

    def _refused(self, match: re.Match[bytes], begin: int) -> bool:
        reader = self._reader
        head = self._head(begin, match.start())
        if head is None or self._slow:
            return False
        service, pid = head
        if pid in reader.sessions and reader.sessions[pid].speaks:
            return False
        client, address, mechanism, reason = match.groups()
        reason, _, user = reason.partition(b", sasl_username=")
        known = self._reasons.get((mechanism, reason)) or self._known(mechanism, reason)
        reader.failures[pid] = reader.failures.get(pid, 0) + 1
        if user[-1:] in b"\r\x00 )" or len(user) > LONGEST_NAME:
            user = user.rstrip(b"\r\x00 ")[:LONGEST_NAME]
            user = b"" if user == b"(unavailable)" else user
        sample = self._text[begin : match.end()][:KEPT] if known.unsampled else b""
        known.unsampled -= known.unsampled > 0
        if len(client) > LONGEST_CLIENT:
            client = shortened_client(client)
        attempt = (known.key, self._when, service, client, address, known.mechanism, user, sample)
        known.waiting.append(_new(Attempt, attempt))
        self._waiting = True
        return True

    def _settle(self) -> None:
        """Hand over the attempts that wait, before anything that came after them."""
        if not self._waiting:
            return
        for known in self._reasons.values():
            if known.waiting:
                self._reader.ledger.attempts(known.waiting, known.refused)
                known.waiting = []
        self._waiting = False

    def _known(self, mechanism: bytes, reason: bytes) -> "_Ending":
        name = mechanism.decode("ascii")
        key, refused, _ = self._reader.reason_alone(name, reason.rstrip(b"\r\x00 "))
        if len(self._reasons) >= _OFTEN:
            self._settle()
            self._reasons.clear()
        known = self._reasons[mechanism, reason] = _Ending(key, refused, name)
        return known

    def _login(self, place: int, begin: int, stop: int) -> bool:
        text = self._text
        middle = text.find(b"]: ", begin, place)
        head = self._head(begin, middle) if middle > 0 else None
        if head is None or self._slow:
            return False
        said = text[text.find(b"client=", middle, place) : stop]
        who = self._logins.get(said) or self._new_login(said)
        if who is None:
            return False
        self._settle()
        self._reader.end_session(head[1])
        client, address, method, user = who
        sample = text[begin:stop][:KEPT] if self._unsampled else b""
        self._unsampled -= self._unsampled > 0
        login = _new(Attempt, (LOGIN_KEY, self._when, head[0], client, address, method, user, sample))
        self._reader.ledger.login(login)
        return True

    def _new_login(self, said: bytes) -> tuple[bytes, bytes, str, bytes] | None:
        """Take client, address, mechanism and user apart; the same come again and again."""
        client, _, fields = said[7:LONGEST].rstrip(b"\r\x00 ").partition(_LOGIN)
        mechanism, _, user = fields.partition(b", sasl_username=")
        name, _, address = client.rpartition(b"[")
        address, closed, port = address.partition(b"]")
        if not closed or b" " in client or len(client) > KEPT or len(mechanism) > LONGEST_MECHANISM:
            return None
        if port:
            client = name + b"[" + address + b"]"
        user = user.partition(b", sasl_sender=")[0][:LONGEST_NAME]
        if len(self._logins) > _REMEMBERED:
            self._logins.clear()
        who = self._logins[said] = (
            shortened_client(client),
            address,
            mechanism.decode("ascii", "replace"),
            user,
        )
        return who

    def _balanced(self, place: int) -> bool:
        """Pass over the end of a session whose refusals were all written, as nearly all are."""
        text, failures = self._text, self._reader.failures
        middle = text.rfind(_GONE, max(0, place - _BEFORE_AUTH), place)
        pid = text[text.rfind(b"[", 0, middle) + 1 : middle]
        if (
            middle < 0
            or pid in self._reader.sessions
            or failures.get(pid) != _DIGITS.get(text[place + 8 : place + 10])
        ):
            return False
        del failures[pid]
        return True

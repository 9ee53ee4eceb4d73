"""A busy mail server's log, made up: quiet, or under attack. The truth about it is known as it is written.

A dozen smtpd processes take turns, so that the lines of sessions are interleaved as on a real host.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROCESSES = 12
HOST = "mail"


@dataclass
class Truth:
    """What the log really says: attempts that failed, and logins that succeeded and sent."""

    lines: int = 0
    failed: int = 0
    logins: int = 0
    names: set[str] = field(default_factory=set)


@dataclass
class Clock:
    """Time of day, in RFC 3339 or syslog's traditional form."""

    traditional: bool
    now: datetime = field(default_factory=lambda: datetime(2026, 11, 1, 6, 0, 0, tzinfo=UTC))

    def tick(self, seconds: float) -> str:
        """Move on by ``seconds`` and give the time stamp of a line written then."""
        self.now += timedelta(seconds=seconds)
        if self.traditional:
            return f"{self.now:%b} {self.now.day:2d} {self.now:%H:%M:%S}"
        return self.now.isoformat(timespec="microseconds")


def write(path: Path, size: int, *, attack: bool, traditional: bool = False, seed: int = 7) -> Truth:
    """Write about ``size`` bytes of log to ``path`` and give the truth about it."""
    truth, written = Truth(), 0
    with path.open("w", encoding="ascii") as log:
        for lines in _rounds(random.Random(seed), Clock(traditional), truth, attack):
            text = "\n".join(lines) + "\n"
            log.write(text)
            written += len(text)
            truth.lines += len(lines)
            if written >= size:
                return truth
    return truth


def _rounds(chance: random.Random, clock: Clock, truth: Truth, attack: bool) -> Iterator[list[str]]:
    """Yield the lines of a dozen sessions at a time, interleaved; each process lives for many sessions."""
    pids = [chance.randrange(2000, 60000) for _ in range(PROCESSES)]
    while True:
        if chance.random() < 0.02:
            pids[chance.randrange(PROCESSES)] = chance.randrange(2000, 60000)
        sessions = [list(_session(chance, pid, truth, attack)) for pid in set(pids)]
        yield [f"{clock.tick(0.02)} {HOST} {line}" for line in _interleaved(chance, sessions)]


def _interleaved(chance: random.Random, sessions: list[list[str]]) -> Iterator[str]:
    while sessions:
        session = sessions[int(chance.random() * len(sessions))]
        yield session.pop(0)
        if not session:
            sessions.remove(session)


def _session(chance: random.Random, pid: int, truth: Truth, attack: bool) -> Iterator[str]:
    draw = chance.random()
    if draw < (0.60 if attack else 0.01):
        return _guess(chance, pid, truth)
    if draw < 0.60 + 0.06 if attack else draw < 0.01 + 1 / 7:
        return _submission(chance, pid, truth)
    return _delivery(chance, pid)


def _guess(chance: random.Random, pid: int, truth: Truth) -> Iterator[str]:
    address = (
        f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
    )
    known = chance.random() < 0.5
    name = f"user{chance.randrange(200)}" if known else f"guess{chance.randrange(10**9)}"
    tag, client = f"postfix/smtpd[{pid}]:", f"unknown[{address}]"
    truth.failed += 1
    truth.names.add(name)
    mechanism = "PLAIN" if chance.random() < 0.3 else "LOGIN"
    yield f"{tag} connect from {client}"
    if mechanism == "PLAIN":
        yield f"{tag} warning: SASL authentication failure: Password verification failed"
    reason = "authentication failure, sasl_username=" + name
    yield f"{tag} warning: {client}: SASL {mechanism} authentication failed: {reason}"
    if chance.random() < 0.5:
        yield f"{tag} lost connection after AUTH from {client}"
    yield f"{tag} disconnect from {client} ehlo=1 auth=0/1 quit=1 commands=2/3"


def _submission(chance: random.Random, pid: int, truth: Truth) -> Iterator[str]:
    user = chance.randrange(400)
    client = f"dsl{user}.example.net[198.51.100.{user % 250}]"
    tag, queue_id = f"postfix/submission/smtpd[{pid}]:", f"{chance.randrange(16**10):010X}"
    truth.logins += 1
    yield f"{tag} connect from {client}"
    yield f"{tag} {queue_id}: client={client}, sasl_method=PLAIN, sasl_username=user{user}@example.com"
    yield from _mail(chance, queue_id, f"user{user}@example.com", "smtp")
    yield f"{tag} disconnect from {client} ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8"


def _delivery(chance: random.Random, pid: int) -> Iterator[str]:
    sender = chance.randrange(5000)
    client = f"mx{sender}.example.org[203.0.113.{sender % 250}]"
    tag, queue_id = f"postfix/smtpd[{pid}]:", f"{chance.randrange(16**10):010X}"
    yield f"{tag} connect from {client}"
    yield f"{tag} {queue_id}: client={client}"
    yield from _mail(chance, queue_id, f"news{sender}@example.org", "lmtp")
    yield f"{tag} disconnect from {client} ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7"


def _mail(chance: random.Random, queue_id: str, sender: str, transport: str) -> Iterator[str]:
    to = f"user{chance.randrange(400)}@example.com"
    number = chance.randrange(10**9)
    yield f"postfix/cleanup[811]: {queue_id}: message-id=<{number}.{queue_id}@{sender.partition('@')[2]}>"
    size = chance.randrange(900, 90000)
    yield f"postfix/qmgr[702]: {queue_id}: from=<{sender}>, size={size}, nrcpt=1 (queue active)"
    relay = f"relay=mail.example.com[private/{transport}], delay=0.{number % 90 + 10}"
    status = f"delays=0.05/0.01/0/0.04, dsn=2.0.0, status=sent (250 2.0.0 <{to}> Saved)"
    yield f"postfix/{transport}[{900 + number % 9}]: {queue_id}: to=<{to}>, {relay}, {status}"
    yield f"postfix/qmgr[702]: {queue_id}: removed"

"""One AUTH command is one attempt, however many lines of however many programs tell of it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildoctor.maillog.scan import read
from maildoctor.maillog.sources import in_order, open_source
from tests.maillog.lines import gathered

CYRUS = "warning: SASL authentication failure: "
NAMES = ("alice", "bob@example.com", "maildoctor-probe-0a1b")


@dataclass
class Session:
    """What one client did, as smtpd and the verifiers wrote it, and how often AUTH failed."""

    pid: int
    client: str
    service: str
    smtpd: list[str] = field(default_factory=list)
    verifier: list[str] = field(default_factory=list)
    failed: int = 0
    hidden: int = 0
    """Failures that only the disconnect line counts."""
    good: bool = False
    sent: int = 0


def ends(session: Session, mechanism: str, reason: str, chance: random.Random) -> str:
    user = chance.choice(("", ", sasl_username=" + chance.choice(NAMES)))
    port = chance.choice(("", ":51234"))
    return f"warning: {session.client}{port}: SASL {mechanism} authentication failed: {reason}{user}"


def refused(session: Session, chance: random.Random) -> None:
    mechanism = chance.choice(("PLAIN", "LOGIN"))
    if mechanism == "PLAIN" and chance.random() < 0.7:
        session.smtpd.append(CYRUS + "Password verification failed")
    reasons = ("authentication failure", "UGFzc3dvcmQ6", "(reason unavailable)", "")
    session.smtpd.append(ends(session, mechanism, chance.choice(reasons), chance))
    said = "auth failure: [user=alice] [service=smtp] [realm=] [mech=pam] [reason=PAM auth error]"
    session.verifier += chance.choice(
        (
            [],
            [f"saslauthd[71]: do_auth         : {said}"],
            [
                "saslauthd[71]: pam_unix(smtp:auth): authentication failure; uid=0 user=alice",
                "saslauthd[71]: DEBUG: auth_pam: pam_authenticate failed: Authentication failure",
                f"saslauthd[71]: do_auth         : {said}",
            ],
            ["dovecot: auth: passwd-file(alice,192.0.2.7): Password mismatch"],
            ["dovecot: auth-worker(99): pam(alice,192.0.2.7): unknown user"],
        )
    )


def unreachable(session: Session, chance: random.Random) -> None:
    mechanism = chance.choice(("PLAIN", "LOGIN"))
    session.smtpd.append(CYRUS + "cannot connect to saslauthd server: Permission denied")
    if mechanism == "PLAIN":
        session.smtpd.append(CYRUS + "Password verification failed")
    session.smtpd.append(ends(session, mechanism, "generic failure", chance))


def dovecot_died(session: Session, chance: random.Random) -> None:
    session.smtpd.append(ends(session, "PLAIN", "Connection lost to authentication server", chance))


def store(session: Session, chance: random.Random) -> None:
    problem = (
        "warning: SASL authentication problem: unable to open Berkeley db /etc/sasldb2: Permission denied"
    )
    session.smtpd += [
        problem,
        CYRUS + "no secret in database",
        ends(session, "CRAM-MD5", "generic failure", chance),
    ]


def aborted(session: Session, chance: random.Random) -> None:
    session.smtpd.append(f"warning: {session.client}: SASL LOGIN authentication aborted")


def unlogged(session: Session, chance: random.Random) -> None:
    """AUTH without TLS, say: only the disconnect line counts it."""
    session.hidden += 1


KINDS: tuple[Callable[[Session, random.Random], None], ...] = (
    refused, refused, refused, unreachable, dovecot_died, store, aborted, unlogged,
)  # fmt: skip


def session_of(pid: int, chance: random.Random) -> Session:
    host = chance.choice(("unknown", "dsl1.example.net", "xn--mnchen-3ya.example"))
    address = chance.choice((f"203.0.113.{chance.randrange(250)}", "2001:db8::7"))
    session = Session(pid, f"{host}[{address}]", chance.choice(("submission/", "smtps/", "")))
    session.smtpd.append(f"connect from {session.client}")
    for _ in range(chance.choice((0, 1, 1, 1, 2, 5))):
        chance.choice(KINDS)(session, chance)
        session.failed += 1
    session.good = good = chance.random() < 0.4
    if good and chance.random() < 0.7:
        session.sent = 1
        session.smtpd.append(
            f"4F1B5A{pid:04d}: client={session.client}, sasl_method=PLAIN, sasl_username=alice@example.com"
        )
    if chance.random() < 0.2:
        session.smtpd.append(
            f"{chance.choice(('', 'NOQUEUE: '))}lost connection after AUTH from {session.client}"
        )
    total = session.failed + good
    count = f" auth={int(good)}" + (f"/{total}" if session.failed else "") if total else ""
    session.smtpd.append(f"disconnect from {session.client} ehlo=2{count} quit=1 commands={total + 3}")
    return session


def written(sessions: list[Session], chance: random.Random) -> Iterator[tuple[str, bool]]:
    """Yield the lines of all, each session in its order, and whether a verifier wrote them."""
    waiting = [
        [f"postfix/{each.service}smtpd[{each.pid}]: {text}" for text in each.smtpd] for each in sessions
    ]
    verifiers = [text for each in sessions for text in each.verifier]
    second = 0
    while waiting or verifiers:
        second += chance.random() < 0.3
        clock = f"{second // 60 % 60:02d}:{second % 60:02d}.{chance.randrange(10**6):06d}"
        stamp = f"2026-11-07T10:{clock}+01:00 mail"
        if verifiers and (not waiting or chance.random() < 0.3):
            yield f"{stamp} {verifiers.pop(0)}", True
            continue
        mine = chance.choice(waiting)
        yield f"{stamp} {mine.pop(0)}", False
        waiting = [each for each in waiting if each]


@given(st.integers(0, 10**9), st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_in_one_log(seed: int, count: int) -> None:
    chance = random.Random(seed)
    sessions = [session_of(100 + number, chance) for number in range(count)]
    ledger = gathered(text for text, _ in written(sessions, chance))
    assert ledger.failed == sum(each.failed for each in sessions)
    assert ledger.logins == sum(each.sent for each in sessions)


@given(st.integers(0, 10**9))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_several_files_and_sizes(tmp_path: Path, seed: int) -> None:
    """The verifiers' lines in a file of their own; large logs are read another way than small ones."""
    chance = random.Random(seed)
    sessions = [session_of(100 + number, chance) for number in range(8)]
    rows = list(written(sessions, chance))
    failed, sent = sum(each.failed for each in sessions), sum(each.sent for each in sessions)
    padding = "2026-11-07T10:00:00.000000+01:00 mail postfix/qmgr[9]: 4F1B5A0123: removed\n" * 15_000
    for more in ("", padding):
        mail, auth = tmp_path / "mail.log", tmp_path / "auth.log"
        mail.write_text(more + "".join(f"{text}\n" for text, verifier in rows if not verifier))
        auth.write_text("".join(f"{text}\n" for text, verifier in rows if verifier))
        ledger = read(in_order([open_source(str(auth)), open_source(str(mail))])).ledger
        assert (ledger.failed, ledger.logins) == (failed, sent)


SAID_OF_REPETITION = (
    "mail last message repeated 2 times",
    "last message repeated 2 times",
    "mail --- last message repeated 2 times ---",
    "mail postfix/smtpd[7]: last message repeated 2 times",
    "mail postfix/smtpd[7]: Last message 'warning: x[192.0' repeated 2 times, suppressed by syslog-ng on x",
    "mail postfix/smtpd: Last message 'warning: x[192.0' repeated 2 times, suppressed by syslog-ng on x",
    "mail Last message 'postfix/smtpd[7]: wa' repeated 2 times, suppressed by syslog-ng on x",
)


@pytest.mark.parametrize("said", SAID_OF_REPETITION)
def test_what_syslog_says_of_a_repetition_counts_for_the_line_before(said: str) -> None:
    row = "Nov  7 10:16:36 mail postfix/smtpd[7]: warning: x[192.0.2.9]: SASL LOGIN authentication failed: x"
    again = f"Nov  7 10:16:40 {said}"
    assert gathered([row, again]).failed == 3
    assert gathered([row, again, again]).failed == 5
    assert gathered([again, again, row]).failed == 1

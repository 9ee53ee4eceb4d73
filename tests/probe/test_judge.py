"""What each reply means."""

from ipaddress import ip_address, ip_network

import pytest

from maildoctor.finding import Stage
from maildoctor.probe import Outcome, Target, judge
from maildoctor.probe.session import Reply

FAILED = Outcome.FAILED
NO = "5.7.8 Error: authentication failed: "
OUTSIDE = ip_address("198.51.100.7")
HERE = ip_address("127.0.0.1")


@pytest.mark.parametrize(
    ("reply", "outcome", "stage"),
    [
        (Reply(235, "2.7.0 Authentication successful"), Outcome.OK, None),
        (
            Reply(535, NO + "authentication failure"),
            Outcome.FAILED,
            Stage.VERIFYING,
        ),
        (Reply(535, NO + "generic failure"), FAILED, Stage.REACHABLE),
        (
            Reply(535, NO + "no mechanism available"),
            Outcome.FAILED,
            Stage.CONFIGURED,
        ),
        (
            Reply(454, "4.7.0 Temporary authentication failure"),
            Outcome.FAILED,
            Stage.REACHABLE,
        ),
        (Reply(503, "5.5.1 Error: authentication not enabled"), FAILED, Stage.OFFERED),
        (Reply(530, "5.7.0 Must issue a STARTTLS command first"), FAILED, Stage.OFFERED),
        (Reply(538, "5.7.11 Encryption required"), FAILED, Stage.OFFERED),
        (Reply(421, "4.7.0 mail.example.com Error: too many errors"), FAILED, Stage.LISTENING),
        (Reply(250, "2.0.0 Ok"), FAILED, Stage.VERIFYING),
    ],
)
def test_auth_of_a_real_user(reply: Reply, outcome: Outcome, stage: Stage | None) -> None:
    judged = judge.auth(reply, "PLAIN", made_up=False)
    assert (judged.outcome, judged.stage, judged.reply) == (outcome, stage, reply)


@pytest.mark.parametrize(
    ("code", "outcome"), [(535, Outcome.NOT_JUDGED), (454, Outcome.FAILED), (235, Outcome.FAILED)]
)
def test_auth_of_a_made_up_user_proves_no_health(code: int, outcome: Outcome) -> None:
    assert judge.auth(Reply(code, "x"), "PLAIN", made_up=True).outcome is outcome


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(554, "5.7.1 <someone@example.net>: Relay access denied"), Outcome.OK),
        (Reply(454, "4.7.1 <someone@example.net>: Relay access denied"), Outcome.OK),
        (Reply(530, "5.7.0 Must issue a STARTTLS command first"), Outcome.OK),
        (Reply(550, "we do not relay"), Outcome.OK),
        (Reply(553, "5.7.1 <a@example.com>: Sender address rejected: not logged in"), Outcome.OK),
        (Reply(450, "4.7.1 Client host rejected: cannot find your hostname"), Outcome.NOT_JUDGED),
        (Reply(451, "4.3.5 Server configuration error"), Outcome.NOT_JUDGED),
        (Reply(556, "5.1.10 <someone@example.net>: Recipient address rejected"), Outcome.NOT_JUDGED),
        (Reply(250, "2.1.5 Ok"), Outcome.FAILED),
        (Reply(251, "2.1.5 will forward"), Outcome.FAILED),
    ],
)
def test_relaying_without_login_from_outside(reply: Reply, outcome: Outcome) -> None:
    assert judge.relay_without_login(reply, OUTSIDE, Target("192.0.2.10", 25)).outcome is outcome


@pytest.mark.parametrize(
    ("client", "mynetworks", "outcome"),
    [
        ("198.51.100.7", None, Outcome.FAILED),
        ("127.0.0.1", None, Outcome.NOT_JUDGED),
        ("10.1.2.3", None, Outcome.NOT_JUDGED),
        ("fd00::1", None, Outcome.NOT_JUDGED),
        ("127.0.0.1", ("127.0.0.0/8",), Outcome.NOT_JUDGED),
        ("::ffff:127.0.0.1", ("127.0.0.0/8",), Outcome.NOT_JUDGED),
        ("127.0.0.1", (), Outcome.FAILED),
        ("192.0.2.10", ("127.0.0.0/8", "::1/128"), Outcome.FAILED),
        ("2001:db8::1", ("127.0.0.0/8",), Outcome.FAILED),
    ],
)
def test_who_is_trusted_cannot_judge(
    client: str, mynetworks: tuple[str, ...] | None, outcome: Outcome
) -> None:
    trusted = None if mynetworks is None else tuple(map(ip_network, mynetworks))
    target = Target("192.0.2.10", 25, mynetworks=trusted)
    assert judge.relay_without_login(Reply(250, "Ok"), ip_address(client), target).outcome is outcome


@pytest.mark.parametrize(("made_up", "outcome"), [(True, Outcome.NOT_JUDGED), (False, FAILED)])
def test_a_late_454_may_be_a_dovecot_that_holds_us_back(made_up: bool, outcome: Outcome) -> None:
    reply = Reply(454, "4.7.0 Temporary authentication failure: Connection lost to authentication server")
    assert judge.auth(reply, "PLAIN", made_up, 10.01).outcome is outcome
    assert judge.auth(reply, "PLAIN", made_up, 0.1).outcome is FAILED


def test_a_missing_starttls_key_is_named() -> None:
    judged = judge.starttls_refused(Reply(454, "4.7.0 TLS not available due to local problem"))
    assert judged.stage is Stage.OFFERED
    assert "key" in judged.summary

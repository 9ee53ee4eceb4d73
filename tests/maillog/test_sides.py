"""The verdict is about the server: what Postfix's own client meets with elsewhere stands beside it."""

import json
from pathlib import Path

import pytest

from maildoctor.maillog.incident import Kind, Verdict
from maildoctor.maillog.masking import without_secrets
from tests.maillog.lines import judged
from tests.maillog.test_command import maildoctor
from tests.maillog.test_judge import broken, campaign, healthy

AT = "2026-11-07T10:16:36+01:00 mail "
QUEUED = "4F1B5A0123: to=<a@example.net>, relay=relay.example.net[192.0.2.25]:587, delay=1, delays=0/0/1/0, "
REFUSED = (
    f"{AT}postfix/smtp[812]: {QUEUED}dsn=4.7.8, status=deferred (SASL authentication failed; server "
    "relay.example.net[192.0.2.25] said: 535 5.7.8 Username and Password not accepted)"
)
NO_MECHANISM = [
    f"{AT}postfix/smtp[812]: warning: SASL authentication failure: No worthy mechs found",
    f"{AT}postfix/smtp[812]: {QUEUED}dsn=4.7.0, status=deferred (SASL authentication failed; cannot "
    "authenticate to server relay.example.net[192.0.2.25]: no mechanism available)",
]


def test_a_relayhost_that_refuses_us_says_nothing_of_the_server() -> None:
    judgement = judged([REFUSED] * 3)
    assert judgement.verdict is Verdict.UNKNOWN
    (incident,) = judgement.incidents
    assert (incident.code, incident.side, incident.kind) == (
        "relayhost-refuses-login",
        "client",
        Kind.BROKEN,
    )
    assert judgement.headline.startswith("Our own login at another server: ")


def test_beside_logins_that_work_nothing_is_wrong_with_the_server() -> None:
    judgement = judged([*healthy(), REFUSED])
    assert judgement.verdict is Verdict.NOTHING_WRONG
    assert "Besides: Our own login at another server: " in judgement.headline


def test_a_broken_server_comes_before_its_client() -> None:
    judgement = judged([*[REFUSED] * 50, *broken()])
    assert judgement.verdict is Verdict.BROKEN
    assert [each.side for each in judgement.incidents] == ["server", "client"]


def test_guesses_stay_the_verdict_beside_a_client_that_is_refused() -> None:
    judgement = judged([*campaign(), *healthy(), REFUSED])
    assert judgement.verdict is Verdict.GUESSING
    assert "Besides: Our own login" in judgement.headline


def test_the_two_lines_of_one_delivery_are_one_attempt() -> None:
    (incident,) = judged(NO_MECHANISM).incidents
    assert (incident.code, incident.attempts) == ("client-modules-missing", 1)


def test_a_client_fault_alone_ends_with_0(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(REFUSED + "\n")
    ran = maildoctor("explain-log", "--format", "json", str(log))
    answer = json.loads(ran.stdout)
    assert (answer["verdict"], ran.returncode) == ("unknown", 0)
    assert (answer["incidents"][0]["side"], answer["incidents"][0]["kind"]) == ("client", "broken")
    assert maildoctor("explain-log", str(log)).stdout.startswith(b"UNKNOWN, CLIENT BROKEN  Our own login")


@pytest.mark.parametrize(
    "line",
    [
        "smtp[7]: xsasl_cyrus_client_first: auth=Bearer eyJ0eXAiOi.eyJhdWQ, host=x",
        "sasl-xoauth2: TokenStore::Read: refresh=eyJ0eXAiOi.eyJhdWQ",
        'sasl-xoauth2: {"access_token": "eyJ0eXAiOi.eyJhdWQ", "expires": 1}',
    ],
)
def test_tokens_are_not_shown(line: str) -> None:
    assert "eyJ" not in without_secrets(line)


def test_a_client_that_answers_in_clear_is_told_from_a_wrong_password() -> None:
    reply = "535 5.7.8 Error: authentication failed: another step is needed in authentication"
    judgement = judged(["334 VXNlcm5hbWU6", "hoge", reply])
    assert judgement.verdict is Verdict.MISTYPED
    assert judgement.incidents[0].code == "client-protocol-error"


def test_what_selinux_denied_stands_in_a_log_without_programs() -> None:
    denied = (
        'type=AVC msg=audit(1700326791.924:28417): avc:  denied  { write } for  pid=379029 comm="auth" '
        "scontext=system_u:system_r:dovecot_auth_t:s0 tclass=sock_file permissive="
    )
    assert judged([denied + "0"]).incidents[0].code == "apparmor-denies"
    assert not judged([denied + "1"]).incidents

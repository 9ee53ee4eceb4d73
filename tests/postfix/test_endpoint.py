"""Programs that smtpd asks, and whether anybody answers there."""

from pathlib import Path

import pytest

from maildoctor.host import NeedsLiveHost
from maildoctor.postfix import endpoint
from maildoctor.postfix.daemon import Listener
from maildoctor.postfix.endpoint import Endpoint, unanswered
from tests.checks.tree import SMTP, SUBMISSION, mail_server, service

POLICY = "policy unix - n n - 0 spawn user=nobody argv=/bin/cat\n"


def test_settings_may_stand_beside_it_in_braces() -> None:
    milter = Endpoint.of("{ inet:localhost:8891, connect_timeout=10s, default_action=accept }")
    assert (milter.text, milter.port) == ("inet:localhost:8891", ("localhost", "8891"))
    assert (milter.setting("default_action", "tempfail"), milter.setting("protocol", "6")) == ("accept", "6")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("inet:127.0.0.1:10023", ""),
        ("inet:localhost:10024", "nobody listens on port 10024"),
        ("inet:policy.example.com:10024", ""),
        ("unix:private/policy", ""),
        ("unix:private/postgrey", "/var/spool/postfix/private/postgrey does not exist"),
        ("unix:private/dead", "nobody listens at /var/spool/postfix/private/dead"),
        ("unix:/run/milter", "/var/spool/postfix/run does not exist"),
    ],
)
def test_who_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str) -> None:
    host = mail_server(
        tmp_path,
        master=SMTP + SUBMISSION + POLICY,
        **{"var/spool/postfix/private/dead": "", "run/milter": ""},
    )
    monkeypatch.setattr(endpoint, "listeners", lambda _: (Listener("127.0.0.1", 10023, 1, 0),))
    monkeypatch.setattr(endpoint, "listened_on", lambda *_: False)
    assert unanswered(host, service(host), Endpoint.of(text)) == why


def test_a_directory_tree_cannot_say(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    with pytest.raises(NeedsLiveHost):
        unanswered(host, service(host), Endpoint.of("inet:127.0.0.1:10023"))

"""Further instances of Postfix are told of; where they have AUTH the host cannot be called healthy."""

from pathlib import Path

import pytest

from maildoctor.diagnosis import Verdict, diagnose
from tests.checks.tree import mail_server

MAIN = "multi_instance_directories = /etc/postfix-out\n"


@pytest.mark.parametrize(
    ("other", "verdict", "told"),
    [
        ("", Verdict.OFF, ["instance-unseen"]),
        ("smtpd_sasl_auth_enable = no\n", Verdict.OFF, ["instance-unseen"]),
        ("smtpd_sasl_auth_enable = yes\n", Verdict.UNKNOWN, []),
    ],
)
def test_other_instances(tmp_path: Path, other: str, verdict: Verdict, told: list[str]) -> None:
    host = mail_server(tmp_path, MAIN, "smtp inet n - y - - smtpd\n", **{"etc/postfix-out/main.cf": other})
    found = diagnose(host, only=("instance-unseen",))
    assert found.verdict is verdict
    assert [each.code for each in found.information] == told
    assert [each.reason for each in found.unjudged] == (
        [] if told else ["/etc/postfix-out: another Postfix with AUTH enabled, which is not looked at"]
    )

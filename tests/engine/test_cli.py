"""The commands: output that matches the schema, exit statuses, one line for what cannot be done."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from maildoctor.check import all_checks
from maildoctor.cli import app

MASTER = """\
smtp       inet n - y - - smtpd
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small Debian 12 host that offers AUTH and has no smtpd.conf, saslauthd or sasldb2."""
    texts = {
        "etc/postfix/main.cf": "compatibility_level = 3.6\n",
        "etc/postfix/master.cf": MASTER,
        "etc/passwd": "root:x:0:0::/root:/bin/sh\npostfix:x:101:102::/:/bin/false\n",
        "etc/group": "root:x:0:\npostfix:x:102:\n",
        "etc/debian_version": "12.5\n",
        "usr/lib/postfix/sbin/master": "",
        "var/lib/dpkg/status": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "var/spool/postfix/etc").mkdir(parents=True)
    return tmp_path


def call(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def schema() -> Any:
    return json.loads(files("maildoctor.report").joinpath("check.schema.json").read_text())


def test_json_matches_the_published_schema(tree: Path) -> None:
    answer = json.loads(call("check", "--root", str(tree), "--format", "json").stdout)
    jsonschema.validate(answer, schema())
    assert {result["code"] for result in answer["results"]} == {check.code for check in all_checks()}
    assert [service["name"] for service in answer["services"]] == ["smtp", "submission"]


def test_an_unjudged_host_matches_the_schema_too(tmp_path: Path) -> None:
    result = call("check", "--root", str(tmp_path), "--format", "json")
    answer = json.loads(result.stdout)
    jsonschema.validate(answer, schema())
    assert (answer["verdict"], result.exit_code) == ("unknown", 3)
    assert "/etc" in answer["unjudged"][0]["reason"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["check", "--root", "/nonesuch"], "/nonesuch"),
        (["check", "--only", "nonesuch"], "nonesuch"),
        (["check", "--output", "/nonesuch/file"], "/nonesuch/file"),
        (["explain", "nonesuch"], "nonesuch"),
        (["check", "--fail-on", "sometimes"], "sometimes"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(tree: Path, words: list[str], named: str) -> None:
    if words[0] == "check" and "--root" not in words:
        words = [*words, "--root", str(tree)]
    result = call(*words)
    assert result.exit_code == 2
    assert named in result.output


def test_a_service_can_be_named_by_its_port(tree: Path) -> None:
    answer = json.loads(call("check", "--root", str(tree), "--service", "587", "--format", "json").stdout)
    assert [service["name"] for service in answer["services"]] == ["submission"]
    assert call("check", "--root", str(tree), "--service", "imap").exit_code == 2


def test_quiet_is_one_line(tree: Path) -> None:
    assert len(call("check", "--root", str(tree), "-q").stdout.splitlines()) == 1


def test_a_report_is_written_to_a_file_and_never_through_a_link(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "report"
    call("check", "--root", str(tree), "--format", "json", "--output", str(target))
    jsonschema.validate(json.loads(target.read_text()), schema())
    assert target.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    assert call("check", "--root", str(tree), "--output", str(link)).exit_code == 2
    assert not (tmp_path / "elsewhere").exists()


def test_colour_is_for_those_who_want_it(tree: Path) -> None:
    assert "\x1b[" not in call("check", "--root", str(tree)).stdout
    assert "\x1b[" in call("check", "--root", str(tree), "--color", "always").stdout


def test_hostile_names_reach_no_terminal(tree: Path) -> None:
    master = tree / "etc/postfix/master.cf"
    master.write_text(MASTER + "  -o smtpd_sasl_security_options=no\x1b[31m\u202eplain\n", encoding="utf-8")
    for words in (["-v"], ["-v", "--color", "always"], ["--format", "json"]):
        output = call("check", "--root", str(tree), *words).stdout
        assert "\x1b[31mp" not in output
        assert "\u202e" not in output


def test_every_check_has_a_page() -> None:
    for check in all_checks():
        assert call("explain", check.code).exit_code == 0

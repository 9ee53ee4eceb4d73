"""The command: its options, its reports, its exit status."""

import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.commands import probe as command
from maildoctor.commands.probe import ProbeOptions, exit_status
from maildoctor.probe import Credentials, Password, ProbeResult, Target, Tls, Verdict, probe
from maildoctor.report import probe_json, probe_text
from tests.probe.conftest import Serve
from tests.probe.scripted import Talk, polite

SCHEMA = json.loads(files("maildoctor.report").joinpath("probe.schema.json").read_text())
LOGGED_IN = "235 2.7.0 Authentication successful"


def maildoctor(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program itself, away from any terminal."""
    return subprocess.run(
        [sys.executable, "-m", "maildoctor", "probe", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def at(port: int) -> list[str]:
    """Options for the scripted server."""
    return ["--host", "127.0.0.1", "--port", str(port), "--timeout", "3"]


def valid(text: str) -> Any:
    """Parse a report and hold it against the published schema."""
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
    return document


def test_a_login_that_works(serve: Serve, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    server = serve(polite(auth=LOGGED_IN))
    ran = maildoctor(*at(server.port), "--user", "hoge", "--password-file", str(secret))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("WHOLE  hoge logs in on 127.0.0.1 port ")
    assert "AUTH PLAIN aG9nZQ" not in ran.stdout
    assert "AUTH PLAIN AGhvZ2UAY29ycmVjdCBob3JzZQ==" in server.heard


@pytest.mark.parametrize(
    ("words", "stdin"),
    [(["--password-file", "-"], "correct horse\n"), ([], "correct horse\r\n"), ([], "correct horse")],
)
def test_a_password_from_stdin(words: list[str], stdin: str, serve: Serve) -> None:
    server = serve(polite(auth=LOGGED_IN))
    ran = maildoctor(*at(server.port), "--user", "hoge", *words, "--format", "json", stdin=stdin)
    document = valid(ran.stdout)
    assert (ran.returncode, document["verdict"]) == (0, "whole")
    assert "AUTH PLAIN AGhvZ2UAY29ycmVjdCBob3JzZQ==" in server.heard
    assert "horse" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("auth", "words", "verdict", "status"),
    [
        ("535 5.7.8 no", [], "nothing-wrong-found", 0),
        ("454 4.7.0 no", [], "broken", 1),
        (LOGGED_IN, [], "broken", 1),
        ("535 5.7.8 no", ["--user", "hoge"], "broken", 1),
        (LOGGED_IN, ["--user", "hoge"], "whole", 0),
        (LOGGED_IN, ["--user", "hoge", "--mechanism", "cram-md5"], "broken", 1),
    ],
)
def test_exit_status(auth: str, words: list[str], verdict: str, status: int, serve: Serve) -> None:
    server = serve(polite(auth=auth))
    ran = maildoctor(*at(server.port), *words, "--format", "json", stdin="correct horse")
    assert (ran.returncode, valid(ran.stdout)["verdict"]) == (status, verdict)


def test_a_foreign_relay_that_cannot_be_asked_leaves_it_unjudged(serve: Serve) -> None:
    def script(talk: Talk) -> None:
        talk.greet("250-mail.example.com", "250 AUTH PLAIN")
        talk.rest({"AUTH": LOGGED_IN, "RCPT": "451 4.3.0 later"})

    ran = maildoctor(*at(serve(script).port), "--user", "hoge", "--format", "json", stdin="x")
    assert (ran.returncode, valid(ran.stdout)["verdict"]) == (3, "unknown")


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "0"],
        ["--port", "70000"],
        ["--host", ""],
        ["--host", "a b"],
        ["--host", "192.0.2.1", "--service", "submission"],
        ["--host", "192.0.2.1", "--mechanism", "SCRAM-SHA-1"],
        ["--host", "192.0.2.1", "--timeout", "0"],
        ["--host", "192.0.2.1", "--timeout", "nan"],
        ["--host", "192.0.2.1", "--from", "a b@example.com"],
        ["--host", "192.0.2.1", "--rcpt", "<a@example.com>"],
        ["--host", "192.0.2.1", "--rcpt", "a@example.com\r\nDATA"],
        ["--host", "192.0.2.1", "--password-file", "/dev/null"],
        ["--host", "192.0.2.1", "--user", "hoge", "--password-file", "/dev/null"],
        ["--host", "192.0.2.1", "--user", "hoge", "--password-file", "/dev/zero"],
        ["--host", "192.0.2.1", "--user", "hoge", "--password-file", "/nonexistent"],
        ["--host", "192.0.2.1", "--user", "hoge", "--password-file", "/"],
        ["--host", "192.0.2.1", "--user", "", "--password-file", "/etc/hostname"],
        ["--host", "192.0.2.1", "--user", "hoge"],
        ["--tls", "sometimes"],
    ],
)
def test_wrong_usage(words: list[str]) -> None:
    ran = maildoctor(*words)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_a_password_on_the_command_line_does_not_exist() -> None:
    assert not re.search(r"--password(?!-file)", maildoctor("--help").stdout)


def test_the_prompt_does_not_echo(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "correct horse"

    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", answer)
    server = serve(polite(auth=LOGGED_IN))
    options = ProbeOptions(host="127.0.0.1", port=server.port, user="hoge", timeout=3)
    assert command.run(options) is ExitStatus.FINE
    assert asked == ["Password of hoge: "]


@pytest.mark.parametrize("password", ["", "a\0b", "two\nlines", "x" * 5000])
def test_passwords_that_cannot_be(password: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(password)
    with pytest.raises(WrongUsage) as error:
        command.run(ProbeOptions(host="192.0.2.1", user="hoge", password_file=str(secret)))
    assert not password or password not in str(error.value)


def test_output_goes_to_a_file(serve: Serve, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    ran = maildoctor(*at(serve(polite()).port), "--format", "json", "--output", str(report))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert valid(report.read_text())["targets"][0]["made_up"] is True


def test_colour(serve: Serve) -> None:
    port = serve(polite()).port
    assert "\x1b[" in maildoctor(*at(port), "--color", "always").stdout
    assert "\x1b" not in maildoctor(*at(port)).stdout


def test_interrupted(serve: Serve) -> None:
    import signal
    import time

    server = serve(polite("banner", Talk.hang))
    words = [sys.executable, "-m", "maildoctor", "probe", "--host", "127.0.0.1", "--port", str(server.port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not server.connections:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.WHOLE, 0),
        (Verdict.NOTHING_WRONG_FOUND, 0),
        (Verdict.DEGRADED, 1),
        (Verdict.BROKEN, 1),
        (Verdict.UNKNOWN, 3),
    ],
)
def test_exit_status_of_each_verdict(verdict: Verdict, status: int) -> None:
    assert exit_status(verdict) == status


def result_of(serve: Serve, **changes: Any) -> ProbeResult:
    """A real result, of a server with STARTTLS and a self-signed certificate for mail.example.com."""
    target = Target("127.0.0.1", serve(polite(**changes)).port, name="smtp.example.net", own=True)
    return probe(target, Credentials("hoge", Password(b"x")), 3, port_25=False)


def text_of(result: ProbeResult) -> str:
    """The report for people, unpainted."""
    lines = probe_text.render(result.verdict, [result])
    return "\n".join("".join(part for part, _ in line) for line in lines)


def test_certificate_in_both_reports(serve: Serve) -> None:
    result = result_of(serve, auth=LOGGED_IN)
    later = datetime.now(UTC) + timedelta(days=60)
    document = probe_json.document(result.verdict, [result], None, later)
    found = document["targets"][0]["certificate"]
    facts = {name: found[name] for name in ("self_signed", "expired", "names_host", "expected_name")}
    assert facts == {
        "self_signed": True,
        "expired": True,
        "names_host": False,
        "expected_name": "smtp.example.net",
    }
    text = "\n".join(
        "".join(part for part, _ in line) for line in probe_text.render(result.verdict, [result])
    )
    assert "certificate of O=Example, CN=mail.example.com, self-signed" in text
    assert "it was not made for smtp.example.net" in text
    assert "expired" not in text


def test_repeated_answers_are_folded_in_the_text_alone(serve: Serve) -> None:
    result = result_of(serve, auth=LOGGED_IN)
    assert [line.text for line in result.transcript].count("250 STARTTLS") == 2
    assert probe_json.render(result.verdict, [result]).count('"250 STARTTLS"') == 2
    text = text_of(result)
    assert text.count("S: 250 STARTTLS") == 1
    assert "S: 250-mail.example.com ... the same 3 lines as before" in text


def test_tls_from_the_first_byte_is_the_default_on_465_alone() -> None:
    assert Target("192.0.2.1", 465).implicit_tls
    assert not Target("192.0.2.1", 465, Tls.STARTTLS).implicit_tls
    assert Target("192.0.2.1", 10465, Tls.IMPLICIT).implicit_tls
    assert not Target("192.0.2.1", 587).implicit_tls

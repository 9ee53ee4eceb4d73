"""The commands as an admin calls them: exit status, JSON against its schema, harmless output."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from maildoctor.maillog.masking import without_secrets
from tests.maillog.test_judge import broken, campaign, healthy, line, logged_in, refused

SCHEMA = json.loads(files("maildoctor.report").joinpath("log.schema.json").read_text(encoding="utf-8"))
LOGS: dict[str, tuple[Callable[[], Iterable[str]], int]] = {
    "broken": (broken, 1),
    "guessing": (lambda: [*healthy(), *campaign()], 0),
    "nothing-wrong": (healthy, 0),
    "mistyped": (
        lambda: [
            *healthy(),
            line(700, refused("dsl5.example.net[198.51.100.5]", "alice")),
            line(720, logged_in("dsl5.example.net[198.51.100.5]", "alice")),
        ],
        0,
    ),
    "unknown": (lambda: [line(1, refused("localhost[127.0.0.1]", "hoge", "PLAIN"))], 0),
}


def maildoctor(*words: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "maildoctor", *words]
    return subprocess.run(command, input=input, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize("verdict", LOGS)
def test_verdict_exit_status_and_schema(tmp_path: Path, verdict: str) -> None:
    lines, status = LOGS[verdict]
    log = tmp_path / "mail.log"
    log.write_text("\n".join(lines()) + "\n")
    ran = maildoctor("explain-log", "--format", "json", str(log))
    answer = json.loads(ran.stdout)
    jsonschema.validate(answer, SCHEMA)
    assert (answer["verdict"], ran.returncode) == (verdict, status)
    text = maildoctor("explain-log", str(log))
    assert text.returncode == status
    assert text.stdout.decode().startswith(verdict.upper().replace("-", " "))


def test_standard_input() -> None:
    ran = maildoctor("explain-log", "-", input="\n".join(broken()).encode())
    assert ran.returncode == 1
    assert b"postfix-not-in-group-sasl" in ran.stdout


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    ran = maildoctor("explain-log", str(tmp_path / "none.log"))
    assert ran.returncode == 3
    assert b"Nothing could be read." in ran.stdout
    assert b"no such file" in ran.stdout
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "too little"),
        ("root:x:0:0:root:/root:/bin/bash\n", "too little"),
        ("2026-11-07 10:00:00 mail nginx[1]: x\n", "Postfix wrote none"),
    ],
)
def test_no_log_of_postfix_proves_nothing(tmp_path: Path, text: str, said: str) -> None:
    log = tmp_path / "x.log"
    log.write_text(text)
    ran = maildoctor("explain-log", str(log))
    assert ran.returncode == 0
    assert ran.stdout.startswith(b"UNKNOWN")
    assert said in ran.stdout.decode()


def test_what_matches_no_filter_proves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("\n".join([*healthy(), *broken()]))
    ran = maildoctor("explain-log", "--user", "nobody", str(log))
    assert (ran.returncode, ran.stdout[:7]) == (0, b"UNKNOWN")


@pytest.mark.parametrize("words", [["--since", "soon"], ["--top", "0"], ["--follow", "--format", "json"]])
def test_wrong_usage(words: list[str]) -> None:
    ran = maildoctor("explain-log", *words, "-")
    assert ran.returncode == 2
    assert b"Traceback" not in ran.stderr


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    hostile = "a\x1b[31mred\x9b2J\u202eevil\u200b[bold]x[/bold]"
    log = tmp_path / "mail.log"
    log.write_text(
        "\n".join([*broken(), line(90, refused("evil\x1b]0;x\x07[203.0.113.9]", hostile))]), "utf-8"
    )
    for words in ([], ["--format", "json"], ["--color", "always"]):
        out = maildoctor("explain-log", *words, str(log)).stdout.decode("utf-8")
        out = re.sub(r"\x1b\[[0-9;]*m", "", out) if "always" in words else out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b]", out)


def test_a_heap_of_accents_does_not_cover_the_lines_around(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(line(1, refused("x[203.0.113.9]", "a" + "\u0301" * 40 + "b\u0301\u0302")) + "\n", "utf-8")
    out = maildoctor("explain-log", str(log)).stdout.decode("utf-8")
    assert "a\u0301\u0301\u0301\\u0301" in out
    assert not re.search("[\u0300-\u036f]{4}", out)


@pytest.mark.parametrize("words", [[], ["--format", "json"]])
def test_a_report_that_cannot_be_written_has_a_reason_or_an_end(tmp_path: Path, words: list[str]) -> None:
    log = tmp_path / "mail.log"
    for lines, status in (LOGS["broken"], LOGS["nothing-wrong"]):
        log.write_text("\n".join(lines()) + "\n")
        command = [sys.executable, "-m", "maildoctor", "explain-log", *words, str(log)]
        with open("/dev/full", "w") as full:
            ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert (ran.returncode, ran.stderr) == (2, b"maildoctor: standard output: No space left on device\n")
        reader, writer = os.pipe()
        os.close(reader)
        ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert (ran.returncode, ran.stderr) == (status, b"")


def test_a_client_that_is_no_utf_8_can_be_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_bytes(line(1, refused("\udce4[203.0.113.9]", "x")).encode("utf-8", "surrogateescape") + b"\n")
    ran = maildoctor("explain-log", "--format", "json", "--client", "\udce4", str(log))
    assert json.loads(ran.stdout)["totals"]["failed"] == 1


def test_passwords_never_appear(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    secrets = [
        line(1, "< client.example.com[203.0.113.25]: AUTH PLAIN AGFsaWNlAHNlY3JldA=="),
        line(2, "warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: c2VjcmV0cGFzc3dvcmQ="),
        line(3, "warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"),
        "Nov  7 10:16:36 mail dovecot: auth: sql(alice,203.0.113.25): "
        "Password mismatch (given password: opensesame)",
        "Nov  7 10:16:36 mail saslauthd[7]: DEBUG: auth_shadow: pw = opensesame",
        line(4, "improper command pipelining after AUTH from unknown[203.0.113.9]: opensesame"),
        line(5, "warning: unknown[203.0.113.9]: SASL LOGIN authentication aborted: c2VjcmV0cGFzc3dvcmQ="),
        line(6, "xsasl_dovecot_server_first: sasl_method PLAIN, init_response AGFsaWNlAHNlY3JldA=="),
        line(7, "xsasl_cyrus_server_next: decoded response: opensesame"),
        line(8, "sasl odd word AGFsaWNlAHNlY3JldA== in the middle"),
        line(9, "warning: non-SMTP command from unknown[203.0.113.9]: c2VjcmV0cGFzc3dvcmQ="),
        "Nov  7 10:16:36 mail dovecot: auth: Debug: client in: AUTH\t1\tPLAIN\tresp=AGFsaWNlAHNlY3JldA==",
        "Nov  7 10:16:36 mail dovecot: auth: Debug: client in: CONT\t1\tc2VjcmV0cGFzc3dvcmQ=",
        "Nov  7 10:16:36 mail dovecot: auth: Error: odd SHA512-CRYPT(opensesame) != 'opensesame'",
        "Nov  7 10:16:36 mail dovecot: auth: Error: odd url ldap://alice:opensesame@ldap.example.com",
        "Nov  7 10:16:36 mail saslauthd[7]: odd auth SELECT 1 WHERE pass = 'opensesame'",
        'Nov  7 10:16:36 mail saslauthd[7]: odd auth {"password": "opensesame"}',
        "Nov  7 10:16:36 mail saslauthd[7]: odd auth user_password=opensesame",
        "Nov  7 10:16:36 mail postfix/smtp[8]: maps_find: smtp_sasl_password_maps: "
        "hash:/etc/postfix/sasl_passwd(0,lock|fold_fix): [mail.example.com]:587 = alice:opensesame",
    ]
    log.write_text("\n".join(secrets))
    for words in ([], ["--format", "json"]):
        out = maildoctor("explain-log", "--top", "20", *words, str(log)).stdout.decode()
        assert not re.search("opensesame|AGFsaWNl|c2VjcmV0", out)
    assert "Password query must return a field named 'password'" in without_secrets(
        "Error: Password query must return a field named 'password'"
    )
    for kept in ("passwd: user not found", "AUTH PLAIN LOGIN", "/var/spool/postfix/private/auth", "pass=yes"):
        assert without_secrets(kept) == kept
    assert '"Password:"' in out.replace('\\"', '"')


def test_why_lays_one_users_attempts_along_the_path(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("\n".join([*healthy(), *broken(700)]))
    ran = maildoctor("why", "hoge", str(log))
    assert ran.returncode == 1
    first, *rest = ran.stdout.decode().splitlines()
    assert first.startswith(
        "hoge, 1 try failed since 2026-11-07 10:11:40 on submission, stopped at reachable"
    )
    assert any("reachable ✗" in each for each in rest)
    assert maildoctor("why", "user3", str(log)).returncode == 0
    assert maildoctor("why", "nobody", str(log)).returncode == 3


def test_a_cause_that_no_check_looks_for_has_a_page_too() -> None:
    ran = maildoctor("explain", "relayhost-refuses-login")
    assert ran.returncode == 0
    assert b"What to do" in ran.stdout
    assert b"postfix-not-in-group-sasl" in maildoctor("explain", "postfix-not-in-group-sasl").stdout
    assert maildoctor("explain", "relayhost-refuses-logins").returncode == 2


def test_ctrl_c_gives_what_was_found_so_far() -> None:
    command = [sys.executable, "-m", "maildoctor", "explain-log", "--format", "json", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    text = ("\n".join([*healthy(), *campaign()]) + "\n").encode()
    for _ in range(2 * 1024 * 1024 // len(text)):
        process.stdin.write(text)
    process.stdin.flush()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    answer = json.loads(process.stdout.read())
    assert process.wait(20) == 130
    assert answer["interrupted"] is True
    assert answer["totals"]["failed"] > 0


def reads_from_the_end(pid: int, log: Path) -> bool:
    for opened in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            position = Path(f"/proc/{pid}/fdinfo/{opened.name}").read_text().split()[1]
            if opened.samefile(log) and int(position) == log.stat().st_size:
                return True
    return False


def followed(log: Path, lines: Iterable[str], answers: int) -> list[str]:
    """Give so many lines of what --follow says of ``lines`` that come while it runs; Ctrl-C ends it."""
    log.write_text("what was there before\n")
    command = [sys.executable, "-m", "maildoctor", "explain-log", "--follow", str(log)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    assert b"Following" in process.stdout.readline()
    deadline = time.monotonic() + 20
    while not reads_from_the_end(process.pid, log):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with log.open("a") as more:
        more.write("\n".join(lines) + "\n")
    said = [process.stdout.readline().decode() for _ in range(answers)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    return said


def test_following_explains_an_attempt_as_it_ends(tmp_path: Path) -> None:
    said = followed(tmp_path / "mail.log", broken(), answers=3)
    assert "hoge stopped at reachable" in said[0]
    assert "postfix-not-in-group-sasl" in said[2]


def test_why_tells_what_the_verifier_wrote_into_its_own_log(tmp_path: Path) -> None:
    mail, auth = tmp_path / "mail.log", tmp_path / "auth.log"
    client = "dsl3.example.net[198.51.100.3]"
    mail.write_text(
        "\n".join([line(1, logged_in(client, "hoge")), line(700, refused(client, "hoge"))]) + "\n"
    )
    head = "2026-11-07T10:11:40+01:00 mail saslauthd[713]: "
    failed = ": auth failure: [user=hoge] [service=smtp] [realm=] [mech=pam] [reason=PAM acct error]"
    expired = "pam_unix(smtp:account): account hoge has expired (account expired)"
    auth.write_text(f"{head}{expired}\n{head}{failed}\n")
    alone = maildoctor("why", "hoge", str(mail)).stdout.decode()
    both = maildoctor("why", "hoge", str(mail), str(auth)).stdout.decode()
    assert "account-expired" not in alone
    assert both.index("account-expired") < both.index("wrong-password")


def test_following_tells_what_the_verifier_said_and_what_worked_before(tmp_path: Path) -> None:
    client, head = "dsl3.example.net[198.51.100.3]", "2026-11-07T10:11:40+01:00 mail saslauthd[713]: "
    gone = [each.replace("Permission denied", "No such file or directory") for each in broken(720)]
    expired = "pam_unix(smtp:account): account hoge has expired (account expired)"
    wrong = line(700, refused(client, "hoge"))
    lines = [line(1, logged_in(client, "hoge")), head + expired, wrong, *gone]
    said = followed(tmp_path / "syslog", lines, answers=7)
    assert ("hoge logged in" in said[0], "hoge stopped at verifying" in said[1]) == (True, True)
    assert "account-expired" in said[3]
    assert "hoge stopped at reachable" in said[4]
    assert "saslauthd-not-running" in said[6]

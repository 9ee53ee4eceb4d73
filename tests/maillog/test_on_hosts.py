"""Logs of working hosts, file and journal alike. The logs of faults: tests/hosts/test_faults.py."""

import json
import time
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import wait_for_login
from tests.hosts.machine import Host

pytestmark = pytest.mark.host
SCHEMA = json.loads(files("maildoctor.report").joinpath("log.schema.json").read_text(encoding="utf-8"))
RELEASES = ("bookworm", "trixie")


def explained(host: Host, *words: str) -> tuple[dict[str, Any], int]:
    """Give what explain-log says on the host, and its exit status."""
    ran = host.run(["maildoctor", "explain-log", "--format", "json", *words], check=False, timeout=60)
    answer = json.loads(ran.stdout)
    jsonschema.validate(answer, SCHEMA)
    return answer, ran.status


@pytest.mark.parametrize("release", RELEASES)
def test_a_working_host_has_nothing_wrong_in_file_and_journal(release: str) -> None:
    arrangement = ARRANGEMENTS["saslauthd-chroot"]
    with arranged(release, "saslauthd-chroot") as host:
        wait_for_login(host, arrangement)
        host.sh("truncate -s 0 /var/log/mail.log; journalctl --rotate; journalctl --vacuum-time=1s")
        assert arrangement.login(host).works
        time.sleep(1)
        for words in ((), ("--journal",)):
            answer, status = explained(host, *words)
            assert (answer["verdict"], status) == ("nothing-wrong", 0), answer
            assert answer["totals"]["failed"] == 0
            assert answer["totals"]["lines"] > 0


@pytest.mark.parametrize("release", RELEASES)
def test_a_wrong_password_on_a_working_host_is_no_fault(release: str) -> None:
    arrangement = ARRANGEMENTS["saslauthd-chroot"]
    with arranged(release, "saslauthd-chroot") as host:
        wait_for_login(host, arrangement)
        assert not arrangement.login(host, password="wrong").works
        time.sleep(1)
        for words in ((), ("--journal",)):
            answer, status = explained(host, *words)
            assert status == 0, answer
            assert answer["verdict"] in ("mistyped", "guessing", "unknown"), answer
            assert answer["totals"]["failed"] >= 1
        ran = host.run(["maildoctor", "why", "hoge"], check=False, timeout=60)
        assert "stopped at verifying" in ran.stdout


FORMS = (
    "short", "short-full", "short-iso", "short-precise", "short-unix", "with-unit", "export", "json",
    "json-pretty", "json-seq", "json-sse", "verbose", "cat",
)  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
def test_the_journal_says_the_same_in_every_form(release: str) -> None:
    arrangement = ARRANGEMENTS["saslauthd-chroot"]
    with arranged(release, "saslauthd-chroot") as host:
        wait_for_login(host, arrangement)
        assert not arrangement.login(host, password="wrong").works
        assert arrangement.login(host).works
        time.sleep(1)
        journal = "journalctl --no-pager -q SYSLOG_FACILITY=2 + SYSLOG_FACILITY=4 + SYSLOG_FACILITY=10"
        counts = {}
        for form in FORMS:
            host.sh(f"{journal} -o {form} >/root/saved")
            totals = explained(host, "/root/saved")[0]["totals"]
            counts[form] = (totals["failed"], totals["logins"])
        assert counts["export"][0] >= 1
        assert counts == dict.fromkeys(FORMS, counts["export"])
        once, _ = explained(host, "/var/log/mail.log")
        twice, _ = explained(host, "--journal", "/var/log/mail.log")
        assert twice["totals"]["failed"] == once["totals"]["failed"]


@pytest.mark.parametrize(("release", "start"), [("bookworm", "dovecot"), ("trixie", "saslauthd-chroot")])
def test_an_expired_account_is_named_and_is_no_fault_of_the_server(release: str, start: str) -> None:
    arrangement = ARRANGEMENTS[start]
    with arranged(release, start) as host:
        wait_for_login(host, arrangement)
        host.sh("chage --expiredate 2020-01-01 hoge; systemctl try-restart saslauthd dovecot postfix")
        host.sh("truncate --size 0 /var/log/mail.log /var/log/auth.log")
        assert not arrangement.login(host).works
        assert not arrangement.login(host, mechanism="LOGIN").works
        time.sleep(1)
        for words in ((), ("--journal",), ("--no-check",)):
            answer, status = explained(host, *words)
            assert (answer["incidents"][0]["code"], status) == ("account-expired", 0), answer
            assert (answer["totals"]["failed"], answer["unknown_messages"]) == (2, []), answer
        assert "account-expired" in host.run(["maildoctor", "why", "hoge"], check=False, timeout=60).stdout

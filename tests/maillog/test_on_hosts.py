"""On real hosts: a fault is made, its logs are explained there, and the incident carries the cause's code."""

import json
import time
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arrange
from tests.hosts.doctor import wait_for_login
from tests.hosts.faults import FAULTS, Fault
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


@pytest.mark.parametrize(
    ("release", "fault"),
    [pytest.param(each, fault, id=f"{fault.name}-{each}") for fault in FAULTS for each in fault.releases],
)
def test_the_log_of_a_fault_names_its_cause(release: str, fault: Fault) -> None:
    arrangement = ARRANGEMENTS[fault.start]
    with Host(release) as host:
        arrange(host, fault.start)
        wait_for_login(host, arrangement)
        host.sh("truncate -s 0 /var/log/mail.log")
        host.sh(fault.script)
        if arrangement.login(host).works:
            pytest.skip("an smtpd older than the change still lets everybody in")
        time.sleep(1)
        answer, status = explained(host)
        assert status == 1, answer
        assert answer["verdict"] == "broken"
        assert answer["incidents"][0]["code"] in fault.codes
        assert answer["incidents"][0]["confirmed_by_check"]
        assert not answer["unknown_messages"]


@pytest.mark.parametrize("release", RELEASES)
def test_a_working_host_has_nothing_wrong_in_file_and_journal(release: str) -> None:
    arrangement = ARRANGEMENTS["saslauthd-chroot"]
    with Host(release) as host:
        arrange(host, "saslauthd-chroot")
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
    with Host(release) as host:
        arrange(host, "saslauthd-chroot")
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

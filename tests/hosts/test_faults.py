"""The whole story of a fault on a real host: a login that worked fails; ``check`` names the causes and no
others; ``explain-log`` says the same of the log; ``check --fix`` mends it, as a real login proves; a second
look finds nothing; ``undo`` brings every byte back.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tests.hosts import smtp
from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import Answer, ask, wait_for_login
from tests.hosts.faults import FAULTS, Fault
from tests.hosts.machine import Host, wait_until
from tests.hosts.repair import differences, fix, inventory, undo

pytestmark = pytest.mark.host

WITHIN_TLS = "noplaintext"
"""In the name of faults whose recommended repair leaves logins within TLS alone."""


@pytest.mark.parametrize(
    ("release", "fault"),
    [pytest.param(each, fault, id=f"{fault.name}-{each}") for fault in FAULTS for each in fault.releases],
)
def test_named_explained_mended_and_taken_back(release: str, fault: Fault) -> None:
    arrangement = ARRANGEMENTS[fault.start]
    with arranged(release, fault.start) as host:
        wait_for_login(host, arrangement)
        host.sh("truncate -s 0 /var/log/mail.log")
        host.sh(fault.script)
        assert not arrangement.login(host).works
        answer = ask(host)
        assert_named(answer, fault)
        assert_explained(host, fault)
        if all(cause["remedy"]["safety"] != "manual" for cause in answer.document["root_causes"]):
            assert_mended_and_taken_back(host, fault, answer)


def assert_named(answer: Answer, fault: Fault) -> None:
    assert sorted(answer.causes) == sorted(fault.codes), answer
    assert answer.causes[0] == fault.codes[0], answer
    assert answer.status == 1


def assert_explained(host: Host, fault: Fault) -> None:
    """What the log says comes to the same; the last lines may still be on their way into it."""
    wait_until(lambda: _explained(host)["verdict"] == "broken", "the log to tell of the fault", timeout=10)
    answer = _explained(host)
    assert answer["incidents"][0]["code"] in fault.codes, answer
    assert answer["incidents"][0]["confirmed_by_check"], answer
    assert not answer["unknown_messages"], answer


def _explained(host: Host) -> dict[str, Any]:
    ran = host.run(["maildoctor", "explain-log", "--format", "json"], check=False, timeout=60)
    answer: dict[str, Any] = json.loads(ran.stdout)
    jsonschema.validate(answer, _log_schema())
    assert ran.status == (1 if answer["verdict"] == "broken" else 0)
    return answer


@cache
def _log_schema() -> Any:
    return json.loads(files("maildoctor.report").joinpath("log.schema.json").read_text(encoding="utf-8"))


def assert_mended_and_taken_back(host: Host, fault: Fault, answer: Answer) -> None:
    causes = answer.document["root_causes"]
    accepted = [f"--accept={each['code']}" for each in causes if each["remedy"]["safety"] == "choice"]
    before = inventory(host)
    done = fix(host, "--yes", *accepted)
    assert set(done["mended"]) >= set(answer.causes), done
    assert (done["taken_back"], done["problems"]) == ([], [])
    assert_logins_work(host, fault)
    assert ask(host).causes == []
    assert fix(host, "--yes")["status"] == "nothing-to-do"
    undo(host)
    assert differences(before, inventory(host)) == []


def assert_logins_work(host: Host, fault: Fault) -> None:
    arrangement = ARRANGEMENTS[fault.start]
    if WITHIN_TLS in fault.name:
        assert smtp.login(host, port=arrangement.port or 587, tls="starttls").works
    else:
        assert arrangement.login(host).works

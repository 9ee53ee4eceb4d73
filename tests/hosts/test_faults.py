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

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import Answer, ask, wait_for_login
from tests.hosts.faults import FAULTS, Fault
from tests.hosts.machine import Host, wait_until
from tests.hosts.story import Keep, Story

pytestmark = pytest.mark.host


@pytest.mark.parametrize(
    ("release", "fault"),
    [pytest.param(each, fault, id=f"{fault.name}-{each}") for fault in FAULTS for each in fault.releases],
)
def test_named_explained_mended_and_taken_back(release: str, fault: Fault, record_property: Keep) -> None:
    arrangement, story = ARRANGEMENTS[fault.start], Story(fault.name, release, record_property)
    with arranged(release, fault.start) as host:
        wait_for_login(host, arrangement)
        host.sh("truncate -s 0 /var/log/mail.log")
        host.sh(fault.script)
        assert not arrangement.login(host).works
        story.reached("broken")
        answer = ask(host)
        assert_named(answer, fault)
        assert_explained(host, fault)
        story.reached("named")
        story.tell(host, arrangement, answer.document["root_causes"])


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

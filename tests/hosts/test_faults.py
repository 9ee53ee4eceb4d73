"""Faults of many kinds on real hosts: a login that worked fails; ``check`` names the causes and no others."""

import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import ask, wait_for_login
from tests.hosts.faults import FAULTS, Fault

pytestmark = pytest.mark.host


@pytest.mark.parametrize(
    ("release", "fault"),
    [pytest.param(each, fault, id=f"{fault.name}-{each}") for fault in FAULTS for each in fault.releases],
)
def test_the_causes_are_named(release: str, fault: Fault) -> None:
    arrangement = ARRANGEMENTS[fault.start]
    with arranged(release, fault.start) as host:
        wait_for_login(host, arrangement)
        host.sh(fault.script)
        assert not arrangement.login(host).works
        answer = ask(host)
        assert sorted(answer.causes) == sorted(fault.codes), answer
        assert answer.causes[0] == fault.codes[0], answer
        assert answer.status == 1

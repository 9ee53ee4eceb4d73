"""What README says of the tests is what the tests count."""

import re
from pathlib import Path

from maildoctor.check import all_checks
from maildoctor.page import parse
from tests.hosts.arrangements import ARRANGEMENTS
from tests.hosts.doctor import RELEASES
from tests.hosts.faults import FAULTS

README = (Path(__file__).parents[2] / "README.md").read_text()
CLAIM = re.compile(r"silent on (\d+) working hosts, names (\d+) of (\d+) faults")


def test_the_counts_are_those_of_the_host_tests() -> None:
    """One arrangement or fault on one release is one; each is a test of its own that passed, or CI is red."""
    working = sum(len(each.releases) for each in ARRANGEMENTS.values())
    pages = [parse(check.documentation) for check in all_checks()]
    broken = sum(bool(page.section("Break", number)) for page in pages for number in RELEASES.values())
    faults = broken + sum(len(fault.releases) for fault in FAULTS)
    claim = CLAIM.search(README)
    assert claim, "README says how far to trust the check"
    assert [int(number) for number in claim.groups()] == [working, faults, faults]

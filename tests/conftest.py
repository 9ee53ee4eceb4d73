"""Which tests run where: those marked `host` boot real Debian hosts and need root."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.hosts.story import table
from tests.hosts.tree import RELEASES, why_none

# In CI a run must say the same of the same commit; elsewhere every run tries new examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know ``--table FILE``: where to write how far each fault's repair came."""
    parser.addoption("--table", help="write a table of faults, and how far the repair of each came")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write that table, of the tests that tell a fault's story."""
    if path := config.getoption("--table"):
        reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
        stories = [dict(report.user_properties) for report in reports]
        Path(path).write_text(table([each for each in stories if "fault" in each]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests of real hosts where there can be none; in CI that is a failure."""
    if item.get_closest_marker("host") and (reason := why_none()):
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each Debian release that real hosts are built of."""
    name: str = request.param
    return name

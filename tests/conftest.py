"""Which tests run where: those marked `host` boot real Debian hosts and need root."""

import os

import pytest

from tests.hosts.tree import RELEASES, why_none


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

"""Entry points: read as importlib.metadata reads them; a stranger's package of checks takes part."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from maildoctor.entry_points import packages

STRANGER = '''
from maildoctor.check import check
from maildoctor.finding import Finding, Stage

@check(Stage.HYGIENE)
def strangers_opinion(host):
    """A stranger has an opinion."""
    yield Finding(summary="an opinion", subject="host")
'''
LIST = "from maildoctor.check import all_checks; print(*(check.code for check in all_checks()))"


@pytest.mark.parametrize("group", ["maildoctor.checks", "console_scripts", "pytest11"])
def test_it_agrees_with_importlib_metadata(group: str) -> None:
    expected = {
        point.value.partition(":")[0].partition("[")[0].strip() for point in entry_points(group=group)
    }
    assert packages(group) == sorted(expected)


def install(directory: Path, code: str) -> None:
    (directory / "stranger-1.dist-info").mkdir()
    (directory / "stranger-1.dist-info/METADATA").write_text("Name: stranger\nVersion: 1\n")
    (directory / "stranger-1.dist-info/entry_points.txt").write_text("[maildoctor.checks]\nx = stranger\n")
    (directory / "stranger").mkdir()
    (directory / "stranger/__init__.py").write_text("")
    (directory / "stranger/opinions.py").write_text(code)


def codes(directory: Path) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(directory)!r}); {LIST}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout.split()


def test_a_strangers_checks_are_found(tmp_path: Path) -> None:
    install(tmp_path, STRANGER)
    assert {"strangers-opinion", "open-relay"} <= set(codes(tmp_path))


def test_a_package_that_cannot_be_imported_is_a_check_that_crashes(tmp_path: Path) -> None:
    install(tmp_path, "import nonesuch")
    assert {"stranger.opinions", "open-relay"} <= set(codes(tmp_path))

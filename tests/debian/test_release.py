"""Which release, and what starts at boot, from the files of many releases."""

import os
from pathlib import Path

import pytest

from maildoctor.debian.release import debian_release, system
from maildoctor.debian.units import masked, native_unit, starts_at_boot
from maildoctor.host import TreeHost
from maildoctor.remedy import System
from maildoctor.source import Source

STATUS = "Package: postfix\nStatus: install ok installed\nVersion: {}-1\n"


def tree(root: Path, **files: str) -> TreeHost:
    """Make a tree; a text that begins with ``->`` makes a link."""
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            os.symlink(text[2:], place)
        else:
            place.write_text(text)
    return TreeHost(str(root))


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({"/etc/debian_version": "6.0.10\n"}, 6),
        ({"/etc/os-release": 'ID=debian\nVERSION_ID="12"\n', "/etc/debian_version": "12.11\n"}, 12),
        (
            {
                "/usr/lib/os-release": "ID=debian\nVERSION_ID=13\n",
                "/etc/os-release": "->../usr/lib/os-release",
            },
            13,
        ),
        (
            {"/etc/os-release": "ID=debian\nVERSION_CODENAME=forky\n", "/etc/debian_version": "forky/sid\n"},
            14,
        ),
        ({"/etc/os-release": "ID=ubuntu\nVERSION_ID=24.04\n", "/etc/debian_version": "trixie/sid\n"}, None),
        ({}, None),
    ],
)
def test_release(tmp_path: Path, files: dict[str, str], number: int | None) -> None:
    assert debian_release(tree(tmp_path, **files)) == number


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"/var/lib/dpkg/status": STATUS.format("2.7.1"), "/etc/debian_version": "6.0\n"},
            System(systemd=False, postfix=(2, 7, 1)),
        ),
        (
            {"/var/lib/dpkg/status": STATUS.format("3.10.13"), "/usr/lib/systemd/systemd": ""},
            System(systemd=True, postfix=(3, 10, 13)),
        ),
    ],
)
def test_system(tmp_path: Path, files: dict[str, str], expected: System) -> None:
    assert system(tree(tmp_path, **files)) == expected


UNIT = {"/usr/lib/systemd/systemd": "", "/usr/lib/systemd/system/postfix.service": "[Service]\n"}
WANTED = "/etc/systemd/system/multi-user.target.wants/postfix.service"
ADMIN = "/etc/systemd/system/postfix.service"


@pytest.mark.parametrize(
    ("files", "link"),
    [
        ({**UNIT, WANTED: "->/usr/lib/systemd/system/postfix.service"}, WANTED),
        (UNIT, None),
        ({**UNIT, "/etc/rc2.d/S01postfix": "->../init.d/postfix"}, None),
        ({**UNIT, ADMIN: "->/dev/null", WANTED: "->/usr/lib/systemd/system/postfix.service"}, None),
        ({"/etc/rc2.d/S20postfix": "->../init.d/postfix"}, "/etc/rc2.d/S20postfix"),
        ({"/etc/rc2.d/K80postfix": "->../init.d/postfix"}, None),
        ({"/etc/rc2.d/S20postfix-policyd": "->../init.d/postfix-policyd"}, None),
        ({}, None),
    ],
)
def test_starts_at_boot(tmp_path: Path, files: dict[str, str], link: str | None) -> None:
    assert starts_at_boot(tree(tmp_path, **files), "postfix") == (Source(link) if link else None)


def test_a_masked_unit(tmp_path: Path) -> None:
    host = tree(tmp_path, **UNIT, **{ADMIN: "->/dev/null"})
    assert masked(host, "postfix.service") == Source(ADMIN)
    assert native_unit(host, "postfix.service") == ADMIN
    assert native_unit(host, "saslauthd.service") is None

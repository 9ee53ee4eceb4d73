"""dpkg's status file: only the paragraphs asked for, and a damaged file is never "not installed"."""

import time
from pathlib import Path

import pytest

from maildoctor.debian.packages import Package, package, postfix_version
from maildoctor.host import Missing, TreeHost, Unreadable

POSTFIX = """\
Package: postfix
Status: install ok installed
Priority: optional
Architecture: amd64
Version: 3.7.11-0+deb12u1
Conffiles:
 /etc/init.d/postfix 0123456789abcdef0123456789abcdef
Description: High-performance mail transport agent
 Package: decoy

"""
OTHERS = """\
Package: sasl2-bin
Status: deinstall ok config-files
Version: 2.1.28+dfsg-10

Package: libsasl2-2
Status: install ok not-installed

Package: libsasl2-2
Status: install ok half-configured
Version: 1:2.1.28+dfsg-10

Package: last
Status: hold ok installed
Version: 1-1
"""


def host(tmp_path: Path, status: bytes) -> TreeHost:
    place = tmp_path / "var/lib/dpkg/status"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(status)
    return TreeHost(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("postfix", Package("postfix", "3.7.11-0+deb12u1", "install", "installed")),
        ("sasl2-bin", Package("sasl2-bin", "2.1.28+dfsg-10", "deinstall", "config-files")),
        ("libsasl2-2", Package("libsasl2-2", "1:2.1.28+dfsg-10", "install", "half-configured")),
        ("last", Package("last", "1-1", "hold", "installed")),
        ("decoy", None),
        ("libsasl2", None),
    ],
)
def test_package(tmp_path: Path, name: str, found: Package | None) -> None:
    assert package(host(tmp_path, (POSTFIX + OTHERS).encode()), name) == found


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("3.7.11-0+deb12u1", (3, 7, 11)),
        ("1:2.1.28+dfsg-10", (2, 1, 28)),
        ("3.10~rc1", (3, 10)),
        ("unknown", ()),
        ("", ()),
    ],
)
def test_upstream_version(version: str, numbers: tuple[int, ...]) -> None:
    assert Package("a", version, "install", "installed").upstream == numbers


@pytest.mark.parametrize(
    ("state", "usable"),
    [
        ("installed", True),
        ("triggers-pending", True),
        ("config-files", False),
        ("half-configured", False),
        ("unpacked", False),
    ],
)
def test_usable(state: str, usable: bool) -> None:
    assert Package("a", "1", "install", state).usable is usable


def test_not_debian(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="/var/lib/dpkg/status: no such file"):
        package(TreeHost(str(tmp_path)), "postfix")
    assert postfix_version(TreeHost(str(tmp_path))) is None


@pytest.mark.parametrize("contents", [b"", b"\0" * 1000, b"\xff\xfeP\0a\0"])
def test_a_file_without_packages(tmp_path: Path, contents: bytes) -> None:
    with pytest.raises(Unreadable, match="holds no package"):
        package(host(tmp_path, contents), "postfix")


def test_a_file_cut_off_inside_the_package(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"status: is cut off in line 2, at package postfix"):
        package(host(tmp_path, POSTFIX[:25].encode()), "postfix")


def test_a_file_cut_off_before_the_package(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"status: is cut off in line 4, so sasl2-bin cannot be looked up"):
        package(host(tmp_path, POSTFIX[:70].encode()), "sasl2-bin")


def test_ten_thousand_packages_take_no_time(tmp_path: Path) -> None:
    many = "".join(POSTFIX.replace("postfix", f"package{number}") for number in range(10_000))
    tree = host(tmp_path, (many + OTHERS).encode())
    package(tree, "warm up")
    begun = time.monotonic()
    assert package(tree, "last") == Package("last", "1-1", "hold", "installed")
    assert time.monotonic() - begun < 0.2

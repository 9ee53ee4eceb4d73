"""Access: the first component that refuses, judged by reading modes and proved by a child."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from maildoctor.access import may
from maildoctor.debian.accounts import Account
from maildoctor.host import TreeHost

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, which needs root")
USER = Account("postfix", 5001, 5002, frozenset({5002, 5003}))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "q"
    (directory / "run/saslauthd").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / "run/saslauthd/mux"))
        server.listen()
        (directory / "run/saslauthd/mux").chmod(0o777)
        yield directory


def ask(tree: Path, **kwargs: str) -> tuple[bool, str, str, str]:
    access = may(TreeHost(str(tree)), "/run/saslauthd/mux", "connect", account=USER)
    return access.granted, access.errno, access.refuses.path if access.refuses else "", access.lacking


@as_root
def test_an_open_way_is_granted(queue: Path) -> None:
    os.chmod(queue, 0o755)
    assert ask(queue) == (True, "", "", "")


@as_root
@pytest.mark.parametrize(("gid", "granted"), [(5003, True), (5004, False)])
def test_a_group_opens_a_directory(queue: Path, gid: int, granted: bool) -> None:
    os.chown(queue / "run/saslauthd", 0, gid)
    os.chmod(queue / "run/saslauthd", 0o710)
    refuses = ("", "", "") if granted else ("EACCES", "/run/saslauthd", "x")
    assert ask(queue) == (granted, *refuses)


@as_root
def test_the_first_of_several_that_refuse_is_named(queue: Path) -> None:
    for directory in ("run", "run/saslauthd"):
        os.chmod(queue / directory, 0o700)
    assert ask(queue) == (False, "EACCES", "/run", "x")


@as_root
def test_the_group_class_beats_other(queue: Path) -> None:
    os.chown(queue / "run", 0, 5003)
    os.chmod(queue / "run", 0o705)
    assert ask(queue) == (False, "EACCES", "/run", "x")


def test_a_missing_component_is_named(queue: Path) -> None:
    (queue / "run/saslauthd/mux").unlink()
    access = may(TreeHost(str(queue)), "/run/saslauthd/mux", "connect", account=USER)
    assert (access.errno, access.missing) == ("ENOENT", "/run/saslauthd/mux")


def test_a_directory_is_no_socket(queue: Path) -> None:
    access = may(TreeHost(str(queue)), "/run/saslauthd", "connect", account=USER)
    assert (access.granted, access.errno) == (False, "ENOTSOCK")


@as_root
def test_an_acl_opens_what_the_mode_closes(queue: Path) -> None:
    directory = queue / "run/saslauthd"
    os.chmod(directory, 0o700)
    # setfacl -m u:5001:x
    entries = [(0x01, 7, 0), (0x02, 1, 5001), (0x04, 0, 0), (0x10, 1, 0), (0x20, 0, 0)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(directory, "system.posix_acl_access", acl)
    assert ask(queue) == (True, "", "", "")

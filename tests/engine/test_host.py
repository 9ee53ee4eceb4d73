"""Hosts: paths walked component by component, files read with care, commands with a limit."""

import os
import socket
import time
from pathlib import Path

import pytest

from maildoctor.host import (
    CommandHung,
    CommandMissing,
    LinkLoop,
    LiveHost,
    Missing,
    NeedsLiveHost,
    NotADirectory,
    NotRegular,
    TooLarge,
    TreeHost,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/file").write_text("inside\n")
    (tmp_path / "var/chroot/etc").mkdir(parents=True)
    (tmp_path / "var/chroot/etc/file").write_text("in the chroot\n")
    return tmp_path


def test_absolute_links_mean_the_tree(tree: Path) -> None:
    (tree / "link").symlink_to("/etc/file")
    assert TreeHost(str(tree)).text("/link") == "inside\n"


def test_links_inside_a_chroot_mean_the_chroot(tree: Path) -> None:
    (tree / "var/chroot/link").symlink_to("/etc/file")
    host = TreeHost(str(tree))
    assert host.text("/link", "/var/chroot") == "in the chroot\n"
    assert host.resolve("/link", "/var/chroot") == "/var/chroot/etc/file"


def test_nothing_leads_out_of_the_root(tree: Path) -> None:
    (tree / "up").symlink_to("../../../../../etc/file")
    assert TreeHost(str(tree)).text("/up") == "inside\n"
    assert TreeHost(str(tree)).text("/../../etc/file", "/var/chroot") == "in the chroot\n"


def test_what_is_no_regular_file_is_not_opened(tree: Path) -> None:
    host = TreeHost(str(tree))
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "socket"))
    for path, kind in (("/fifo", "a FIFO"), ("/socket", "a socket"), ("/etc", "a directory")):
        with pytest.raises(NotRegular, match=kind):
            host.read(path)


def test_trouble_names_the_path(tree: Path) -> None:
    host = TreeHost(str(tree))
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises(LinkLoop):
        host.read("/a")
    with pytest.raises(Missing, match="/etc/none"):
        host.read("/etc/none")
    with pytest.raises(NotADirectory, match="/etc/file: is a regular file"):
        host.read("/etc/file/more")
    (tree / "large").write_bytes(b"x" * 11)
    with pytest.raises(TooLarge, match="10 bytes"):
        host.read("/large", limit=10)
    with pytest.raises(NeedsLiveHost):
        host.run("true")


def test_bytes_that_are_no_utf8_survive(tree: Path) -> None:
    (tree / "etc/file").write_bytes(b"\xff\x00")
    assert TreeHost(str(tree)).text("/etc/file").encode("utf-8", "surrogateescape") == b"\xff\x00"


def test_a_command_that_was_started_is_collected() -> None:
    host = LiveHost()
    host.start("printf", "early")
    assert host.run("printf", "early").stdout == "early"


def test_a_command_that_hangs_costs_its_limit_once() -> None:
    host, begun = LiveHost(), time.monotonic()
    for _ in range(5):
        with pytest.raises(CommandHung, match="sleep"):
            host.run("sleep", "60", timeout=0.2)
    assert time.monotonic() - begun < 1


def test_a_command_that_never_stops_talking_is_stopped() -> None:
    with pytest.raises(CommandHung, match="yes"):
        LiveHost().run("yes", timeout=5)


def test_a_missing_command_is_named() -> None:
    with pytest.raises(CommandMissing, match="no-such-program"):
        LiveHost().run("no-such-program")

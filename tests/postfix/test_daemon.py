"""The kernel's tables read as text, and master judged by its pid file on this machine."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maildoctor.host import LiveHost, NeedsLiveHost
from maildoctor.postfix import daemon
from maildoctor.postfix.daemon import Listener, Master, listeners_now, parse_listeners, socket_inodes, started
from maildoctor.source import Sourced
from tests.postfix.conftest import MakeHost

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = HEAD + (
    "   0: 00000000:024B 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 139487 1 0\n"
    "   1: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 138157 1 0\n"
    "   2: 0100007F:0019 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 138158 1 0\n"
    "   3: cut off in the mid\n"
)
TCP6 = HEAD + (
    "   0: 00000000000000000000000001000000:024B 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000     0        0 7 1 0\n"
)


@pytest.mark.skipif(sys.byteorder != "little", reason="the tables hold words in the machine's byte order")
def test_listeners() -> None:
    assert list(parse_listeners(TCP)) == [
        Listener("0.0.0.0", 587, 139487, 2),
        Listener("127.0.0.1", 25, 138157, 0),
    ]
    assert list(parse_listeners(TCP6)) == [Listener("::1", 587, 7, 0)]


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.0.1.1", True), ("::1", True), ("0.0.0.0", False), ("192.0.2.1", False)],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert Listener(address, 25, 1, 0).loopback is loopback


def test_a_real_socket_with_a_client_that_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        port = server.getsockname()[1]
        (found,) = [each for each in listeners_now(LiveHost()) if each.port == port]
        assert (found.address, found.waiting, found.loopback) == ("127.0.0.1", 1, True)
        assert found.inode in socket_inodes(os.getpid())
        assert daemon.holder(LiveHost(), found.inode) == (os.getpid(), _name(os.getpid()))


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_started_to_a_hundredth() -> None:
    before = time.time()
    with subprocess.Popen(["sleep", "10"]) as process:
        assert before - 0.05 < started(process.pid) < time.time() + 0.05
        process.kill()


def test_a_tree_has_no_processes(make_host: MakeHost) -> None:
    for fact in (daemon.master, daemon.listeners, daemon.smtpds):
        with pytest.raises(NeedsLiveHost):
            fact(make_host())


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A queue directory on this machine, with pid/."""
    (tmp_path / "pid").mkdir()
    monkeypatch.setattr(daemon, "parameter", lambda host, name: Sourced(str(tmp_path)))
    return tmp_path / "pid/master.pid"


def test_no_pid_file(queue: Path) -> None:
    assert daemon.master(LiveHost()) == Master(str(queue), None)


@pytest.mark.parametrize("text", ["", "garbage", "12345678901234567890"])
def test_a_pid_file_without_a_pid(queue: Path, text: str) -> None:
    queue.write_text(text)
    assert daemon.master(LiveHost()) == Master(str(queue), None)


def test_a_number_that_nobody_bears_any_more(queue: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    queue.write_text(f"{process.pid:>10}\n")
    assert daemon.master(LiveHost()) == Master(str(queue), None, process.pid)


def test_a_number_that_another_process_bears(queue: Path) -> None:
    queue.write_text(f"{os.getpid()}\n")
    expected = Master(str(queue), None, os.getpid(), _name(os.getpid()))
    assert daemon.master(LiveHost()) == expected
    assert daemon.master_pid(LiveHost()) is None


def test_a_process_named_master(queue: Path, tmp_path: Path) -> None:
    program = tmp_path / "master"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "10"]) as process:
        queue.write_text(f"{process.pid}\n")
        found = daemon.master(LiveHost())
        process.kill()
    assert (found.pid, found.written, found.bearer) == (process.pid, process.pid, None)

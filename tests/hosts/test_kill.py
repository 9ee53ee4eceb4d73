"""Kill -9 before and after every system call that changes something: undo makes the host whole again."""

import json
from pathlib import Path

import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arrange
from tests.hosts.machine import Host
from tests.hosts.repair import fix

pytestmark = pytest.mark.host

PROGRAM = Path(__file__).with_name("killing.py")
REMEDIES = {
    "line": 40,
    "line-in-place": 20,
    "postconf": 25,
    "group": 40,
    "statoverride": 30,
    "owner-and-directory": 20,
    "move": 30,
    "drop-in": 20,
    "boot": 20,
}
"""Each with a number of kills below which the test would not have tested much."""


def kill_everywhere(host: Host, name: str, what: str) -> int:
    """Give the number of kills; each must have left a host that undo made whole."""
    host.write("/root/killing.py", PROGRAM.read_text())
    ran = host.run(["python3", "/root/killing.py", name, what], timeout=600)
    answer = json.loads(ran.stdout)
    assert answer["wrong"] == []
    return int(answer["kills"])


@pytest.mark.parametrize("name", REMEDIES)
def test_killed_repair_can_be_undone(name: str) -> None:
    with Host("bookworm" if len(name) % 2 else "trixie") as host:
        arrange(host, "stock")
        assert kill_everywhere(host, name, "repair") >= REMEDIES[name]


@pytest.mark.parametrize("name", ["line-in-place", "postconf", "group", "move"])
def test_refused_call_leaves_the_host_as_it_was(name: str) -> None:
    """ENOSPC, EROFS, EPERM and EIO in turn, at each call of the repair and of the programs that it starts."""
    with Host("trixie" if len(name) % 2 else "bookworm") as host:
        arrange(host, "stock")
        assert kill_everywhere(host, name, "fail") >= 15


@pytest.mark.parametrize("name", ["line-in-place", "move", "group"])
def test_killed_undo_can_be_undone(name: str) -> None:
    with Host("trixie" if len(name) % 2 else "bookworm") as host:
        arrange(host, "stock")
        assert kill_everywhere(host, name, "undo") >= 10


def test_next_run_says_that_a_repair_was_interrupted(release: str) -> None:
    """Killed for real, in the middle of ``check --fix``; check, --fix and undo all say so."""
    with Host(release) as host:
        arrange(host, "saslauthd-chroot")
        host.sh("gpasswd -d postfix sasl; systemctl restart postfix")
        before = host.read("/etc/group")
        kill = "strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:signal=SIGKILL:when=9"
        killed = host.sh(f"{kill} maildoctor check --fix --yes", check=False, timeout=120)
        assert killed.status != 0
        said = host.run(["maildoctor", "check"], check=False).stderr
        assert "was interrupted" in said
        assert "maildoctor undo" in said
        unanswered = host.run(["maildoctor", "check", "--fix"], check=False)
        assert "interrupted" in unanswered.stdout
        undone = host.run(["maildoctor", "undo", "--yes"])
        assert "Taken back" in undone.stdout
        assert host.read("/etc/group") == before
        assert "interrupted" not in host.run(["maildoctor", "check"], check=False).stderr
        host.sh(f"{kill} maildoctor check --fix --yes", check=False, timeout=120)
        finished = fix(host, "--yes")
        assert finished["interrupted_run"]
        assert finished["mended"] == ["postfix-not-in-group-sasl"]
        assert ARRANGEMENTS["saslauthd-chroot"].login(host).works

"""The harness itself: hosts are apart from each other, survive a reboot, and leave nothing behind."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hosts.layer import CHECKOUT
from tests.hosts.machine import Host, wait_until

pytestmark = pytest.mark.host


def test_a_host_keeps_its_disk_over_a_reboot(release: str) -> None:
    with Host(release) as host:
        host.write("/etc/kept", "bytes\n")
        before = host.read("/proc/sys/kernel/random/boot_id"), host.read("/etc/machine-id")
        host.sh("touch /run/lost")
        host.reboot()
        assert host.read("/etc/kept") == "bytes\n"
        assert host.read("/etc/machine-id") == before[1]
        assert host.sh("test -e /run/lost", check=False).status == 1


def test_hosts_do_not_see_each_other(release: str) -> None:
    with Host(release) as one, Host(release) as other:
        one.sh("systemctl stop 'postfix*.service'")
        other.sh("pgrep -x master")
        assert one.sh("pgrep -x master", check=False).status == 1
        with pytest.raises(ConnectionRefusedError):
            one.connect(25)
        other.connect(25).close()


def test_maildoctor_is_installed_as_pip_would(release: str) -> None:
    with Host(release) as host:
        packages = "from importlib.metadata import entry_points as e; print(e(group='maildoctor.checks'))"
        assert "maildoctor_checks" in host.run(["python3", "-c", packages]).stdout
        compiled = "import maildoctor, os; print(os.path.exists(maildoctor.__cached__))"
        assert host.run(["python3", "-c", compiled]).stdout == "True\n"


def test_a_command_that_hangs_is_ended() -> None:
    with Host("bookworm") as host:
        with pytest.raises(subprocess.TimeoutExpired):
            host.sh("sleep 1000 & sleep 1000", timeout=0.2)
        assert host.sh("pgrep -x sleep", check=False).status == 1


def test_a_killed_test_run_leaves_nothing_behind() -> None:
    script = (
        "from tests.hosts.machine import Host\nwith Host('bookworm') as h: print(h.name, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        name = run.stdout.readline().strip()
        assert _processes(name)
        run.kill()
    wait_until(lambda: not _processes(name), "the host to end")


def _processes(name: str) -> list[str]:
    """Those in the cgroup of that host."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):
            found += [path.parent.name] if f"/{name}/" in path.read_text() else []
    return found

"""The cradle of a host: one process that holds all that belongs to it, so that nothing can be left behind.

It is a shell under `unshare`, with mounts, a process table, a network and a cgroup of its own, and it reads
commands from a pipe. systemd-nspawn runs as its child. When the pipe closes, because the test is over or
was killed, the shell ends and the kernel takes everything down with it. The cradle's network is also the
place where the foreign mail client lives, at the other end of the host's cable.
"""

import ctypes
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

GATEWAY = "192.0.2.1"
CLIENT = "198.51.100.7"

# Debian's systemd wants the unified cgroups, and loses sight of dead processes under those of version 1.
# Several hosts in one cgroup would take each other's processes for their own.
MOUNT = """
set -eu
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /sys/fs/cgroup
until mkdir -p {name} && echo 0 > {name}/cgroup.procs; do sleep 0.1; done
mount -t tmpfs tmpfs /run
mkdir /run/disk /run/work /run/root
{restore}
mount -t overlay -o lowerdir={lower},upperdir=/run/disk,workdir=/run/work overlay /run/root
"""

BOOT = """
wait
systemd-nspawn --quiet --directory=/run/root --machine=mail --register=no --keep-unit \\
    --network-veth --resolv-conf=off --console=pipe {init} < /dev/null &
"""
SYSTEMD = "--boot"

# What an init without systemd does at boot; postfix and the rest are its services.
SYSVINIT = """--as-pid2 sh -c '
ifup -a
for name in rsyslog saslauthd dovecot postfix; do
    ls /etc/rc2.d/S*$name && service $name start
done
touch /run/booted
exec sleep infinity
'"""

CABLE = f"""
ip link set ve-mail up
ip address replace {CLIENT}/32 dev ve-mail
ip address replace {GATEWAY}/24 dev ve-mail
"""

SWEEP = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
for group in /sys/fs/cgroup/maildoctor-*; do
    grep -qs 'populated 0' "$group/cgroup.events" || continue
    find "$group" -depth -type d -exec rmdir {} \\;
done
:
"""

TAR = ["tar", "--xattrs", "--xattrs-include=*", "--acls", "--directory=/run/disk"]


class Cradle:
    """Holds one host, from its first mount to its end."""

    def __init__(self, name: str, lower: Sequence[Path], disk: Path | None) -> None:
        self._console = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._process = subprocess.Popen(
            ["unshare", *namespaces, "--propagation=private", "sh"],
            stdin=subprocess.PIPE,
            stdout=self._console,
            stderr=self._console,
            start_new_session=True,
        )
        restore = shlex.join([*TAR, "-xf", str(disk)]) if disk else ""
        layers = ":".join(str(path) for path in lower)
        self._tell(MOUNT.format(name=name, restore=restore, lower=layers))

    def boot(self, *, systemd: bool) -> None:
        """Start the host's init, systemd or a plain one; it is not there yet when this returns."""
        self._tell(BOOT.format(init=SYSTEMD if systemd else SYSVINIT))

    def connect_cable(self) -> None:
        """Give the foreign client its address; the host made its own end of the cable when it booted."""
        self._enter(["--net"], ["sh", "-ec", CABLE])

    def save_disk(self, archive: Path) -> None:
        """Keep what the host wrote, which is all that tells it from a fresh one."""
        self._enter(["--mount"], [*TAR, "-cf", str(archive), "."])

    def close(self) -> None:
        """End the host at once, as if its plug were pulled."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._console.close()
        sweep_cgroups()

    @property
    def init(self) -> int | None:
        """The process id, as seen from outside, of the host's init, if it runs."""
        for nspawn in _children(self._shell):
            for child in _children(nspawn):
                return child
        return None

    @property
    def console(self) -> str:
        """The last that the host, or what runs it, wrote to its console."""
        self._console.seek(0)
        return self._console.read().decode(errors="replace")[-4000:]

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Sockets made in this block belong to the foreign client's network."""
        with open("/proc/thread-self/ns/net") as here, open(f"/proc/{self._shell}/ns/net") as there:
            _enter_network(there.fileno())
            try:
                yield
            finally:
                _enter_network(here.fileno())

    @property
    def _shell(self) -> int:
        return next(iter(_children(self._process.pid)), -1)

    def _tell(self, commands: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(commands.encode())
        self._process.stdin.flush()

    def _enter(self, namespaces: list[str], words: list[str]) -> None:
        enter = ["nsenter", f"--target={self._shell}", *namespaces, "--"]
        ran = subprocess.run([*enter, *words], capture_output=True, text=True)
        if ran.returncode != 0:
            raise RuntimeError(f"{shlex.join(words)} ended with {ran.returncode}\n{ran.stderr}")


def sweep_cgroups() -> None:
    """Remove the cgroups of hosts that are gone, also of killed test runs.

    Only whole hosts without a process: in one that runs, a service's cgroup is empty for a moment as well.
    """
    subprocess.run(["unshare", "--mount", "sh", "-c", SWEEP], check=True, stderr=subprocess.DEVNULL)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _enter_network(namespace: int) -> None:
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), "setns")

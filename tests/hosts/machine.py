"""A booted Debian host: its own systemd, Postfix, journal and network, and a foreign mail client beside it.

One `unshare` process, the cradle, holds everything that belongs to a host: the mounts, the network of the
client, the cgroup and, as its children, systemd-nspawn and the host's processes. It reads commands from a
pipe; when the pipe closes, because the test is over or was killed, the kernel takes everything down with it.
"""

import ctypes
import itertools
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from tests.hosts.layer import maildoctor_layer
from tests.hosts.tree import base_tree

ADDRESS = "192.0.2.10"
GATEWAY = "192.0.2.1"
CLIENT = "198.51.100.7"

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUPS = [Path("/sys/fs/cgroup", name) for name in ("", "systemd", "unified")]

MOUNT = """
set -eu
for group in {cgroups}; do mkdir -p "$group"; echo 0 > "$group/cgroup.procs"; done
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay -o lowerdir={lower},upperdir=/run/upper,workdir=/run/work overlay /run/root
"""

BOOT = """
wait
{environment} systemd-nspawn --quiet --directory=/run/root --machine=mail --boot --register=no --keep-unit \
    --network-veth --resolv-conf=off --console=pipe {arguments} < /dev/null &
"""

CLIENT_NETWORK = f"""
ip link set ve-mail up
ip address replace {CLIENT}/32 dev ve-mail
ip address replace {GATEWAY}/24 dev ve-mail
"""

_numbers = itertools.count(1)


class Ran(NamedTuple):
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str


class Host:
    """One throw-away host of a release. As a context manager it is booted on entry, gone on exit."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.name = f"maildoctor-{os.getpid()}-{next(_numbers)}"
        self._lower = [maildoctor_layer(release), base_tree(release)]
        self._cgroups = [path / self.name for path in CGROUPS if (path / "cgroup.procs").exists()]
        self._console = tempfile.TemporaryFile()  # noqa: SIM115  (closed by stop)
        self._cradle: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Power on: mount the root file system and boot it."""
        _sweep()
        namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._cradle = subprocess.Popen(
            ["unshare", *namespaces, "--propagation=private", "sh"],
            stdin=subprocess.PIPE,
            stdout=self._console,
            stderr=self._console,
            start_new_session=True,
        )
        cgroups = " ".join(shlex.quote(str(path)) for path in self._cgroups)
        lower = ":".join(str(path) for path in self._lower)
        self._tell(MOUNT.format(cgroups=cgroups, lower=lower))
        self._boot()

    def stop(self) -> None:
        """Pull the plug and forget everything."""
        if self._cradle and self._cradle.stdin:
            with suppress(BrokenPipeError):
                self._cradle.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._cradle.wait(10)
            self._cradle.kill()
            self._cradle.wait()
            self._cradle = None
            self._console.close()
        _sweep()

    def reboot(self) -> None:
        """Shut down in good order and boot again from the same disk."""
        init = self.init
        os.kill(init, signal.SIGRTMIN + 3)
        wait_until(lambda: not Path(f"/proc/{init}").exists(), "the host to shut down", timeout=60)
        self._boot()

    def run(self, words: Sequence[str], *, check: bool = True, input: str = "", timeout: float = 60) -> Ran:
        """Run a command on the host as root. Raises on a status other than 0, unless `check` is off."""
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        enter = ["nsenter", f"--target={self.init}", *namespaces, "--"]
        clean = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"]
        ran = _run([*enter, *clean, *words], input, timeout)
        if check and ran.status != 0:
            raise AssertionError(f"{shlex.join(words)} ended with {ran.status}\n{ran.stdout}{ran.stderr}")
        return ran

    def sh(self, script: str, *, check: bool = True, input: str = "", timeout: float = 60) -> Ran:
        """Run a shell script on the host; it ends at its first command that fails."""
        return self.run(["sh", "-ec", script], check=check, input=input, timeout=timeout)

    def read(self, path: str) -> str:
        """The text of a file on the host."""
        return self.run(["cat", path]).stdout

    def write(self, path: str, text: str) -> None:
        """Make or overwrite a file on the host, in place."""
        self.run(["sh", "-c", 'cat > "$1"', "sh", path], input=text)

    @property
    def init(self) -> int:
        """The process id, as seen from here, of the host's init."""
        for nspawn in _children(self._shell):
            for child in _children(nspawn):
                return child
        raise ProcessLookupError(f"{self.name} is not running")

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Sockets made in this block belong to the foreign client's network."""
        with open("/proc/self/ns/net") as here, open(f"/proc/{self._shell}/ns/net") as there:
            _enter_network(there.fileno())
            try:
                yield
            finally:
                _enter_network(here.fileno())

    def connect(self, port: int, timeout: float = 5) -> socket.socket:
        """A TCP connection from the foreign client to a port of the host."""
        with self.outside():
            return socket.create_connection((ADDRESS, port), timeout, source_address=(CLIENT, 0))

    @property
    def _shell(self) -> int:
        """The process id of the cradle's shell, whose children are what the host runs in."""
        assert self._cradle
        return next(iter(_children(self._cradle.pid)), -1)

    def _tell(self, commands: str) -> None:
        assert self._cradle
        assert self._cradle.stdin
        self._cradle.stdin.write(commands.encode())
        self._cradle.stdin.flush()

    def _boot(self) -> None:
        legacy = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
        environment = "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0" if legacy else ""
        arguments = "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" if legacy else ""
        self._tell(BOOT.format(environment=environment, arguments=arguments))
        try:
            wait_until(self._is_up, f"{self.name} ({self.release}) to boot", timeout=60)
        except AssertionError as error:
            raise RuntimeError(f"{error}\n{self._console_text()}") from None
        enter = ["nsenter", f"--target={self._shell}", "--net", "sh", "-ec", CLIENT_NETWORK]
        subprocess.run(enter, check=True)

    def _is_up(self) -> bool:
        assert self._cradle
        if self._cradle.poll() is not None:
            raise AssertionError("the cradle ended")
        try:
            state = self.run(["systemctl", "is-system-running"], check=False, timeout=10)
        except ProcessLookupError:
            return False
        return state.stdout.strip() in ("running", "degraded")

    def _console_text(self) -> str:
        self._console.seek(0)
        return self._console.read().decode(errors="replace")[-4000:]


def wait_until(true: Callable[[], bool], what: str, timeout: float = 30) -> None:
    """Ask every 20 ms until `true` says so."""
    deadline = time.monotonic() + timeout
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(0.02)


def _run(words: list[str], input: str, timeout: float) -> Ran:
    """Run words; files instead of pipes, because a daemon that the command starts may keep them open."""
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(input.encode())
        stdin.seek(0)
        process = subprocess.Popen(
            words, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True, cwd="/"
        )
        try:
            status = process.wait(timeout)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Ran(status, *texts)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _enter_network(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000
    if libc.setns(namespace, clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _sweep() -> None:
    """Remove the cgroups of hosts that are gone, those of killed test runs too; busy ones refuse."""
    for top in CGROUPS:
        for group in top.glob("maildoctor-*"):
            for path in sorted(group.rglob("*/"), reverse=True):
                with suppress(OSError):
                    path.rmdir()
            with suppress(OSError):
                group.rmdir()

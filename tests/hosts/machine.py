"""A booted Debian host with its own systemd, Postfix, journal and network."""

import itertools
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from tests.hosts.cradle import CLIENT, Cradle, sweep_cgroups
from tests.hosts.layer import maildoctor_layer
from tests.hosts.tree import base_tree

ADDRESS = "192.0.2.10"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_numbers = itertools.count(1)


class Ran(NamedTuple):
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str


class Host:
    """One throw-away host of a release. As a context manager it is booted on entry, gone on exit.

    `disk` is what `save_disk` kept of another host of the same release; without it the host is stock. Without
    `systemd` its init is one that knows scripts in /etc/init.d alone.
    """

    def __init__(self, release: str, disk: Path | None = None, *, systemd: bool = True) -> None:
        self.release = release
        self.systemd = systemd
        self.name = f"maildoctor-{os.getpid()}-{next(_numbers)}"
        self._lower = [maildoctor_layer(release), base_tree(release)]
        self._disk = disk
        self._cradle: Cradle | None = None

    def __enter__(self) -> Self:
        sweep_cgroups()
        self._cradle = Cradle(self.name, self._lower, self._disk)
        try:
            self._boot()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Pull the plug and forget everything."""
        if self._cradle:
            self._cradle.close()
        self._cradle = None

    def shut_down(self) -> None:
        """Shut down in good order; the disk stays."""
        init = self.init
        os.kill(init, signal.SIGRTMIN + 3)
        wait_until(lambda: not Path(f"/proc/{init}").exists(), f"{self.name} to shut down", timeout=60)

    def reboot(self) -> None:
        """Shut down and boot again from the same disk."""
        self.shut_down()
        self._boot()

    def save_disk(self, archive: Path) -> None:
        """Shut down and keep the disk in a file, for other hosts to start from."""
        self.shut_down()
        self.cradle.save_disk(archive)

    def run(self, words: Sequence[str], *, check: bool = True, input: str = "", timeout: float = 60) -> Ran:
        """Run a command on the host as root. Raises on a status other than 0, unless `check` is off."""
        ran = _run(self.entering(words), input, timeout)
        if check and ran.status != 0:
            raise AssertionError(f"{shlex.join(words)} ended with {ran.status}\n{ran.stdout}{ran.stderr}")
        return ran

    def entering(self, words: Sequence[str]) -> list[str]:
        """The words that run a command on the host, as typed on this machine."""
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        enter = ["nsenter", f"--target={self.init}", *namespaces, "--"]
        clean = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"]
        return [*enter, *clean, *words]

    def sh(self, script: str, *, check: bool = True, input: str = "", timeout: float = 60) -> Ran:
        """Run a shell script on the host; it ends at its first command that fails."""
        return self.run(["sh", "-ec", script], check=check, input=input, timeout=timeout)

    def read(self, path: str) -> str:
        """The text of a file on the host."""
        return self.run(["cat", path]).stdout

    def write(self, path: str, text: str) -> None:
        """Make or overwrite a file on the host, in place."""
        self.run(["sh", "-c", 'cat > "$1"', "sh", path], input=text)

    def connect(self, port: int, timeout: float = 5) -> socket.socket:
        """A TCP connection from the foreign client to a port of the host."""
        with self.cradle.outside():
            return socket.create_connection((ADDRESS, port), timeout, source_address=(CLIENT, 0))

    @property
    def cradle(self) -> Cradle:
        assert self._cradle, f"{self.name} is not running"
        return self._cradle

    @property
    def init(self) -> int:
        """The process id, as seen from here, of the host's init."""
        init = self.cradle.init
        assert init, f"{self.name} is not running"
        return init

    def _boot(self) -> None:
        self.cradle.boot(systemd=self.systemd)
        try:
            wait_until(self._is_up, f"{self.name} ({self.release}) to boot", timeout=120)
        except AssertionError as error:
            raise RuntimeError(f"{error}\n{self.cradle.console}") from None
        self.cradle.connect_cable()

    def _is_up(self) -> bool:
        assert self.cradle.alive, f"{self.name} ended while it booted"
        if self.cradle.init is None:
            return False
        if not self.systemd:
            return self.run(["test", "-e", "/run/booted"], check=False).status == 0
        state = self.run(["systemctl", "is-system-running"], check=False, timeout=10)
        return state.stdout.strip() in ("running", "degraded")


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
        stdout.seek(0)
        stderr.seek(0)
        return Ran(status, stdout.read().decode(errors="replace"), stderr.read().decode(errors="replace"))

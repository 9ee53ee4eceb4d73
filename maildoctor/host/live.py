"""The host on which maildoctor runs. The one place that runs commands: a list of words, never a shell."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from functools import cache
from typing import NamedTuple

from maildoctor.host.base import Host
from maildoctor.host.errors import CommandHung, CommandMissing

PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
OUTPUT_LIMIT = 8 * 1024 * 1024
TOTAL_SECONDS = 4.0
"""All commands together may keep the admin waiting this long."""


class Output(NamedTuple):
    """What a command answered; ``status`` is its exit status."""

    status: int
    stdout: str
    stderr: str


class LiveHost(Host):
    """This machine."""

    live = True

    def __init__(self) -> None:
        """Begin with no command under way."""
        super().__init__()
        self._started: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}
        self._hung: dict[str, float] = {}
        self._waited = 0.0

    def here(self, path: str) -> str:
        """Give ``path`` itself."""
        return path

    def start(self, *command: str) -> None:
        """Start a command whose answer ``run`` will be asked for soon, so that it works meanwhile."""
        with contextlib.suppress(CommandMissing):
            self._started[command] = _popen(command)

    def run(self, *command: str, timeout: float = 3.0) -> Output:
        """Run a read-only command, or collect the one that ``start`` began; see ``Host.run``."""
        program = command[0]
        if program in self._hung:
            raise CommandHung(program, self._hung[program])
        process = self._started.pop(command, None) or _popen(command)
        limit = max(0.1, min(timeout, TOTAL_SECONDS - self._waited))
        begun = time.monotonic()
        output = _collect(process, limit)
        self._waited += time.monotonic() - begun
        if output is None:
            self._hung[program] = limit
            raise CommandHung(program, limit)
        return output

    def close(self) -> None:
        """End the commands that nobody asked for."""
        for process in self._started.values():
            _kill(process)
        self._started.clear()


@cache
def this_host() -> LiveHost:
    """Give the one LiveHost of this process, so that what was started early is found later."""
    return LiveHost()


def _popen(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    program = shutil.which(command[0], path=PATH)
    if program is None:
        raise CommandMissing(command[0])
    try:
        return subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"LC_ALL": "C", "PATH": PATH},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise CommandMissing(f"{command[0]} ({error.strerror})") from error


def _collect(process: subprocess.Popen[bytes], seconds: float) -> Output | None:
    """Read both outputs to their end; None when the time or the size ran out (the process is then killed)."""
    assert process.stdout is not None
    assert process.stderr is not None
    end = time.monotonic() + seconds
    taken = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector, process.stdout, process.stderr:
        for stream in taken:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready or sum(map(len, taken.values())) > OUTPUT_LIMIT:
                _kill(process)
                return None
            for key, _ in ready:
                block = os.read(key.fd, 65536)
                taken[key.fileobj].extend(block)  # type: ignore[index]
                if not block:
                    selector.unregister(key.fileobj)
        try:
            status = process.wait(max(0.05, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(process)
            return None
    stdout, stderr = (bytes(data).decode("utf-8", "surrogateescape") for data in taken.values())
    return Output(status, stdout, stderr)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

"""The saslauthd processes that run, and whether they are started at boot."""

import contextlib
import os
import time
from typing import NamedTuple

from maildoctor.debian.units import starts_at_boot
from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, Missing, NeedsLiveHost
from maildoctor.pattern import pattern
from maildoctor.postfix.daemon import socket_inodes
from maildoctor.sasl import saslauthd_arguments
from maildoctor.sasl.saslauthd_arguments import Arguments
from maildoctor.sasl.saslauthd_unit import NAME, unit

LOCK = pattern(r"setlk|lock")
BOOT_LINK = pattern(r"S\d\dsaslauthd")
IN_SERVICE = pattern(r"(?m)/([^/\n]+)\.service$")
CONNECTED = "03"
"""SS_CONNECTED in /proc/net/unix."""
HANGING = 4.0
"""Seconds after which a request is taken to hang."""
STOPPED = ("T", "t", "D", "Z", "X")
"""States of proc(5) in which a process answers nobody; D, waiting for a disk, may pass."""


class Daemon(NamedTuple):
    """All processes of one saslauthd: the workers share its command line."""

    pids: tuple[int, ...]
    words: tuple[str, ...]
    arguments: Arguments
    started: float
    """In seconds of the epoch."""
    states: str
    """One letter a process, as in proc(5)."""
    waits: tuple[str, ...] = ()
    """The kernel's function in which each process sleeps (proc(5), wchan); empty where it is not shown."""
    unit: str = ""
    """The systemd service of which it is part, without ``.service``; empty where none shows."""

    @property
    def stopped(self) -> bool:
        """Tell whether none of its processes can answer: they are stopped, or wait for one that is.

        The workers take turns by a lock on mux.accept; a worker that is stopped in its turn keeps it, even
        from a saslauthd that was started after.
        """
        waits = zip(self.states, self.waits or [""] * len(self.states), strict=True)
        return all(state in STOPPED or (LOCK.search(wait) and self._any_stopped) for state, wait in waits)

    @property
    def _any_stopped(self) -> bool:
        return any(state in "Tt" for state in self.states)


class UnitState(NamedTuple):
    """What systemctl(1) says of saslauthd, such as active and running, or activating and start."""

    active: str
    sub: str
    result: str


@fact
def daemons(host: Host) -> tuple[Daemon, ...]:
    """Give this host's saslauthds; those of its containers are left out. Raises NeedsLiveHost."""
    if not host.live:
        raise NeedsLiveHost("saslauthd's processes")
    import psutil

    alike: dict[tuple[str, ...], list[tuple[int, float]]] = {}
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "saslauthd" and _is_ours(process.pid):
            with contextlib.suppress(psutil.Error):
                words = tuple(process.cmdline()[1:])
                alike.setdefault(words, []).append((process.pid, process.create_time()))
    found = (_daemon(words, *zip(*same, strict=True)) for words, same in sorted(alike.items()))
    return tuple(each for each in found if each.states.strip("ZX"))


def _daemon(words: tuple[str, ...], pids: tuple[int, ...], started: tuple[float, ...]) -> Daemon:
    states = "".join(map(_state, pids))
    arguments = saslauthd_arguments.parse(words)
    return Daemon(pids, words, arguments, min(started), states, tuple(map(_wait, pids)), _unit_of(pids[0]))


def _unit_of(pid: int) -> str:
    """Name the systemd service of a process by the last component of its cgroup: cgroups(7)."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            found = IN_SERVICE.search(file.read(65536))
    except OSError:
        return ""
    return found[1] if found else ""


def _wait(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/wchan", encoding="ascii", errors="replace") as file:
            return file.read(64)
    except OSError:
        return ""


def _is_ours(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return True  # Without root nobody may look there, and the name must do.


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return chr(file.read().rpartition(b")")[2].split()[0][0])
    except (OSError, IndexError):
        return "X"


@fact
def hang(host: Host) -> bool:
    """Tell whether every worker is stuck with a request: each keeps the same connections for HANGING seconds.

    Costs a look into /proc unless all of them are busy at this moment. A PAM module that refuses a password
    takes up to three seconds on purpose. With ``-n 0`` a new process serves each client, and none is stuck
    for the others.
    """
    pids = [pid for daemon in daemons(host) for pid in daemon.pids]
    before = _requests(pids)
    end = time.monotonic() + HANGING
    while before and time.monotonic() < end:
        time.sleep(HANGING / 8)
        now = _requests(pids)
        if now is None or any(not mine & now[pid] for pid, mine in before.items()):
            return False
    return bool(before)


def _requests(pids: list[int]) -> dict[int, frozenset[int]] | None:
    """Give the connections that each process has accepted; None where one of them has none."""
    held: dict[int, frozenset[int]] = {}
    for pid in pids:
        held[pid] = socket_inodes(pid) & _accepted(pid)
        if not held[pid]:
            return None
    return held


def _accepted(pid: int) -> frozenset[int]:
    """Give the connected sockets that bear mux's path, as accepted ones do: proc(5), net/unix."""
    try:
        with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="replace") as table:
            rows = [line.split() for line in table.readlines()[1:]]
    except OSError:
        return frozenset()
    return frozenset(
        int(row[6]) for row in rows if len(row) == 8 and row[5] == CONNECTED and row[7].endswith("/mux")
    )


@fact
def has_unit_of_the_admin(host: Host) -> bool:
    """Tell whether one runs that a service with another name started, and starts at boot."""
    names = {each.unit for each in daemons(host)} if host.live else set()
    return any("sasl" in name and f"{name}.service" != NAME and starts_at_boot(host, name) for name in names)


@fact
def at_boot(host: Host) -> bool:
    """Tell whether it is started at boot: a unit's ``wants`` link, or a start link of the init script."""
    if has_unit_of_the_admin(host):
        return True
    if unit(host) is not None:
        base = "/etc/systemd/system"
        wanting = [f"{base}/{name}" for name in _names(host, base) if name.endswith((".wants", ".requires"))]
        return any(NAME in _names(host, directory) for directory in wanting)
    levels = [f"/etc/rc{level}.d" for level in (2, 3, 4, 5)]
    return any(BOOT_LINK.fullmatch(name) for level in levels for name in _names(host, level))


def _names(host: Host, directory: str) -> list[str]:
    try:
        return host.names(directory)
    except Missing:
        return []


@fact
def unit_state(host: Host) -> UnitState | None:
    """Ask systemd about saslauthd; None where it cannot be asked."""
    try:
        output = host.run("systemctl", "show", NAME, "--property=ActiveState,SubState,Result")
    except CannotLook:
        return None
    values = dict(line.partition("=")[::2] for line in output.stdout.splitlines())
    return UnitState(values.get("ActiveState", ""), values.get("SubState", ""), values.get("Result", ""))

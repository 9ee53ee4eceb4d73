"""The running Postfix: its master, the sockets that it listens on, its smtpd processes. Live hosts only."""

import contextlib
import ipaddress
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, Missing, NeedsLiveHost, Refused
from maildoctor.host.errors import Unreadable
from maildoctor.postfix.parameters import parameter

if TYPE_CHECKING:
    import psutil

LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp: Linux's net/tcp_states.h."""


class Master(NamedTuple):
    """What pid/master.pid leads to."""

    path: str
    """The pid file."""
    pid: int | None
    """A living master of this host, else None."""
    written: int | None = None
    """The number in the file, whoever bears it today; None where there is none."""
    bearer: str | None = None
    """The name of another process that bears this number now."""
    started: float = 0.0
    """When it started, in seconds of the epoch; a reload does not change that."""


class Listener(NamedTuple):
    """A listening TCP socket of this network namespace."""

    address: str
    port: int
    inode: int
    waiting: int
    """Connections that nobody has accepted yet."""

    @property
    def loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        return ipaddress.ip_address(self.address).is_loopback


class Smtpd(NamedTuple):
    """A living smtpd process."""

    pid: int
    service: str
    """As ``-n`` says: the service's name in master.cf."""
    started: float
    """In seconds of the epoch."""
    groups: frozenset[int]
    """Its group ids, supplementary ones included; those of the moment when it started."""
    command: tuple[str, ...] = ()
    """The words of its command line; master adds ``-n``, ``-t``, ``-u``, ``-c`` (chroot) to master.cf's."""


@fact
def master(host: Host) -> Master:
    """Look for Postfix's master by its pid file, which a master that died leaves behind.

    A process of that number is ours if it is called ``master``, and shares this process's pid namespace and
    root directory, so that a container's is not taken for it. Raises NeedsLiveHost, Refused.
    """
    if not host.live:
        raise NeedsLiveHost("Postfix's master")
    path = f"{parameter(host, 'queue_directory').value or '/var/spool/postfix'}/pid/master.pid"
    try:
        number = re.fullmatch(r"\s*(\d{1,10})\s*", host.text(path))
    except Missing:
        number = None
    except Refused:
        return _by_name(path)
    return _bearing(path, int(number[1])) if number else Master(path, None)


def master_pid(host: Host) -> int | None:
    """Give the pid of this host's living master; None where there is none or this process may not look."""
    try:
        return master(host).pid
    except CannotLook:
        return None


def _bearing(path: str, number: int) -> Master:
    import psutil

    try:
        process = psutil.Process(number)
        name = process.name()
        if name == "master" and process.status() != psutil.STATUS_ZOMBIE and _shares_our_world(number):
            return Master(path, number, number, None, started(number))
    except (psutil.Error, OSError, OverflowError):
        return Master(path, None, number)
    return Master(path, None, number, name)


def _by_name(path: str) -> Master:
    """Look for a master without its pid file, which only root may read. Raises Refused where one is found.

    It may be a container's; but where none is seen at all, none runs.
    """
    import psutil

    for process in psutil.process_iter(["name", "uids"]):
        uids = process.info["uids"]
        if process.info["name"] == "master" and uids is not None and uids.real == 0:
            raise Refused(path)
    return Master(path, None)


def _shares_our_world(pid: int) -> bool:
    try:
        return all(
            os.readlink(f"/proc/{pid}/{what}") == os.readlink(f"/proc/self/{what}")
            for what in ("ns/pid", "root")
        )
    except OSError:
        return True  # Without root nobody may look there, and the name must do.


def started(pid: int) -> float:
    """Give when a process started, in seconds of the epoch, to a hundredth: proc(5), stat, field 22.

    psutil adds the boot time in whole seconds, too coarse to compare with a file's time stamp.
    """
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as status:
        ticks = int(status.read().rpartition(")")[2].split()[19])
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK")


@fact
def last_reload(host: Host) -> float:
    """Give when master last read its configuration, in seconds of the epoch; 0 without a living master.

    A reload leaves no time stamp, but it ends qmgr and pickup, and master starts them again at once; neither
    ends by itself before that. Raises as ``master``.
    """
    import psutil

    found = master(host)
    times = [found.started]
    for process in _children(found.pid) if found.pid else ():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() in ("qmgr", "pickup"):
                times.append(started(process.pid))
    return max(times)


@fact
def listeners(host: Host) -> tuple[Listener, ...]:
    """Give the listening TCP sockets of master's network namespace, or else of ours: proc(5), net/tcp.

    Raises NeedsLiveHost, Unreadable.
    """
    return listeners_now(host)


def listeners_now(host: Host) -> tuple[Listener, ...]:
    """Give ``listeners`` of this very moment, for those who look twice."""
    if not host.live:
        raise NeedsLiveHost("listening sockets")
    tables = f"/proc/{master_pid(host) or 'self'}/net"
    found: list[Listener] = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # no tcp6 where the kernel has no IPv6
            found += parse_listeners(_table(f"{tables}/{name}"))
    return tuple(found)


def _table(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as table:
            return table.read(64 * 1024 * 1024)
    except PermissionError as error:
        raise Unreadable(path, "permission denied") from error


def parse_listeners(table: str) -> Iterator[Listener]:
    """Read /proc/net/tcp or tcp6; only listening sockets are given."""
    for line in table.splitlines()[1:]:
        columns = line.split(None, 10)
        if len(columns) > 9 and columns[3] == LISTEN:
            address, _, port = columns[1].partition(":")
            waiting = int(columns[4].partition(":")[2], 16)
            yield Listener(_address(address), int(port, 16), int(columns[9]), waiting)


def _address(digits: str) -> str:
    """Decode an address: words of 32 bits in the machine's byte order, each written as a number."""
    words = (int(digits[start : start + 8], 16) for start in range(0, len(digits), 8))
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return str(ipaddress.ip_address(packed))


@fact
def smtpds(host: Host) -> tuple[Smtpd, ...]:
    """Give master's living smtpd processes. Raises NeedsLiveHost, Refused."""
    return smtpds_now(host)


def smtpds_now(host: Host) -> tuple[Smtpd, ...]:
    """Give ``smtpds`` of this very moment, for those who look twice."""
    pid = master(host).pid
    return tuple(_smtpds(pid)) if pid else ()


def _smtpds(master_pid: int) -> Iterator[Smtpd]:
    import psutil

    for process in _children(master_pid):
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            command = process.cmdline()
            if command and command[0].rpartition("/")[2] == "smtpd" and "-n" in command:
                service = command[command.index("-n") + 1]
                yield Smtpd(process.pid, service, started(process.pid), _groups(process.pid), tuple(command))


def _children(pid: int) -> "Iterator[psutil.Process]":
    """Yield a process's children; the kernel's own list, where it keeps one, spares a walk over all."""
    import psutil

    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            pids = [int(word) for word in children.read().split()]
    except OSError:
        with contextlib.suppress(psutil.Error):
            yield from psutil.Process(pid).children()
        return
    for child in pids:
        with contextlib.suppress(psutil.Error):
            yield psutil.Process(child)


def _groups(pid: int) -> frozenset[int]:
    """Give the effective and the supplementary group ids of a process: proc(5), status."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
        lines = dict(line.partition(":")[::2] for line in status)
    return frozenset(int(word) for word in (lines["Gid"].split()[1], *lines["Groups"].split()))


@fact
def holder(host: Host, inode: int) -> tuple[int, str] | None:
    """Give the pid and name of a process that holds a socket; None where none is found (not as root?).

    Walks over all processes: for the evidence of a fault alone.
    """
    import psutil

    for process in psutil.process_iter(["name"]):
        if inode in socket_inodes(process.pid):
            return process.pid, str(process.info["name"])
    return None


def socket_inodes(pid: int) -> frozenset[int]:
    """Give the sockets that a process holds open; none where this process may not look."""
    inodes = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry.path))
                inodes += [int(match[1])] if match else []
    return frozenset(inodes)

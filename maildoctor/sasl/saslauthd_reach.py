"""Where a service looks for saslauthd's socket, what it meets there, and why."""

import enum
import os
from typing import NamedTuple

from maildoctor.access import Access, may
from maildoctor.fact import fact
from maildoctor.finding import Evidence
from maildoctor.host import CannotLook, Host, LinkLoop, Missing
from maildoctor.postfix.service import Service
from maildoctor.sasl.intention import meant_conf
from maildoctor.sasl.saslauthd import instances
from maildoctor.sasl.saslauthd_daemon import daemons
from maildoctor.source import Source, Sourced


class Fault(enum.StrEnum):
    """What stands between smtpd and saslauthd, seen from the path alone."""

    NONE = "none"
    NOT_RUNNING = "not running"
    """No saslauthd runs, and its socket would be where this service looks."""
    DIRECTORY_GONE = "directory gone"
    """It runs, but its directory was removed under it."""
    SOCKET_GONE = "socket gone"
    """It runs, but its socket was removed or replaced."""
    STALE_MOUNT = "stale mount"
    """The chroot shows an earlier directory, not the one that saslauthd uses now."""
    OUTSIDE_CHROOT = "outside the chroot"
    IN_CHROOT_UNCHROOTED = "in the chroot, seen by an unchrooted service"
    WITHOUT_MUX = "saslauthd_path names the directory"
    WRONG_PATH = "saslauthd_path names no socket"
    ELSEWHERE = "saslauthd listens elsewhere"
    REFUSED = "refused"
    """A component of the path does not let postfix through."""


class Reach(NamedTuple):
    """The answer for one service."""

    fault: Fault
    path: Sourced[str]
    """The socket's path as smtpd asks for it, inside ``root``."""
    root: str
    access: Access
    sockets: tuple[Sourced[str], ...]
    """Where saslauthd listens, or would: paths on the host."""

    @property
    def on_host(self) -> str:
        """Give the socket's path as seen from outside the chroot."""
        return self.path.value if self.root == "/" else f"{self.root.rstrip('/')}{self.path.value}"


@fact
def reach(host: Host, service: Service) -> Reach:
    """Follow this service's way to saslauthd. Raises CannotLook."""
    configured = meant_conf(host, service).saslauthd_path
    path = configured.value if configured.value.startswith("/") else f"/{configured.value}"
    access = may(host, path, "connect", service.root)
    sockets = tuple(running(host) or expected(host))
    asked = Reach(Fault.NONE, Sourced(path, configured.source), service.root, access, sockets)
    return Reach(_fault(host, service, asked), asked.path, asked.root, access, sockets)


@fact
def running(host: Host) -> tuple[Sourced[str], ...]:
    """Give the sockets of the saslauthds that run, by their command lines; none for a directory tree."""
    if not host.live:
        return ()
    return tuple(
        Sourced(daemon.arguments.socket, Source(f"command line of pid {daemon.pids[0]}"))
        for daemon in daemons(host)
    )


@fact
def expected(host: Host) -> tuple[Sourced[str], ...]:
    """Give the sockets that the host's settings would lead to."""
    return tuple(Sourced(each.arguments.socket, each.directory.source) for each in instances(host))


def real(host: Host, path: str, root: str = "/") -> str:
    """Give a path's place on the host, links followed as far as they go; what is missing stays as it is.

    A chrooted smtpd's ``/var/run`` may be a link of its own: it is followed inside the chroot.
    """
    head, missing = path, ""
    while True:
        try:
            return f"{host.resolve(head, root).rstrip('/')}{missing}"
        except (Missing, LinkLoop):
            head, _, name = head.rstrip("/").rpartition("/")
            missing = f"/{name}{missing}"
            if not head:
                return f"{'' if root == '/' else root.rstrip('/')}{missing}"


def _fault(host: Host, service: Service, asked: Reach) -> Fault:
    if asked.access.granted or asked.access.errno == "EAGAIN":
        return Fault.NONE
    here = real(host, asked.path.value, asked.root)
    places = {real(host, socket.value) for socket in asked.sockets}
    if places and here not in places and not _same_directory(host, here, places):
        return _misplaced(host, service, asked, places)
    if asked.access.errno == "EACCES":
        return Fault.REFUSED
    return _absent(host, asked)


def _same_directory(host: Host, here: str, places: set[str]) -> bool:
    """Tell whether the socket's directory is one with saslauthd's, by a bind mount."""
    return any(_same(host, os.path.dirname(here), os.path.dirname(place)) for place in places)


def _same(host: Host, first: str, second: str) -> bool:
    """Compare device and inode; a link at ``first`` would be followed inside the chroot, and is not here."""
    try:
        return os.path.samestat(host.lstat(first), host.stat(second))
    except CannotLook:
        return False


def _misplaced(host: Host, service: Service, asked: Reach, places: set[str]) -> Fault:
    """Say why the service looks elsewhere: its own saslauthd_path, the chroot, or saslauthd's ``-m``."""
    if stale_mount(host, asked):
        return Fault.STALE_MOUNT
    if asked.path.source is not None:
        without_mux = real(host, f"{asked.path.value}/mux", asked.root) in places
        return Fault.WITHOUT_MUX if without_mux else Fault.WRONG_PATH
    if service.chroot and real(host, asked.path.value) in places:
        return Fault.OUTSIDE_CHROOT
    if not service.chroot and real(host, asked.path.value, _queue(service)) in places:
        return Fault.IN_CHROOT_UNCHROOTED
    return Fault.ELSEWHERE


def _queue(service: Service) -> str:
    return service.parameter("queue_directory").value or "/var/spool/postfix"


def _absent(host: Host, asked: Reach) -> Fault:
    """Say why the right path leads to nothing, or to a dead socket."""
    if not running(host):
        return Fault.NOT_RUNNING
    directory = os.path.dirname(real(host, asked.sockets[0].value))
    return Fault.SOCKET_GONE if host.exists(directory) else Fault.DIRECTORY_GONE


def stale_mount(host: Host, asked: Reach) -> Evidence | None:
    """Look for a mount at the socket's directory whose source has been deleted: proc(5), mountinfo."""
    if not host.live:
        return None
    directory = os.path.dirname(real(host, asked.path.value, asked.root))
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            columns = line.split()
            if len(columns) > 4 and columns[4] == directory and columns[3].endswith("//deleted"):
                return Evidence("/proc/self/mountinfo", f"{columns[3]} on {directory}")
    return None

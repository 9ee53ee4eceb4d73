"""May a user reach a path inside a chroot? The first component that refuses, and what it lacks.

Modes are never compared for equality: every component is asked whether it lets this user, with these groups,
through (path_resolution(7), acl(5)). On a running host and as root a child process proves it: it enters
master's mount namespace and the chroot, becomes the user and tries; its errno is the evidence.
"""

import contextlib
import errno
import os
import select
import signal
import socket
import stat
import struct
import sys
from collections.abc import Callable
from typing import Literal, NamedTuple

from maildoctor.debian.accounts import Account
from maildoctor.debian.accounts import account as account_named
from maildoctor.host import Host, LinkLoop, Missing, NotADirectory, Step, Unreadable

Want = Literal["connect", "read", "write", "enter"]

NEEDED = {"connect": "w", "read": "r", "write": "w", "enter": "x"}
BITS = {"r": 4, "w": 2, "x": 1}
PROOF_SECONDS = 2.0
ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK = 0x02, 0x04, 0x08, 0x10


class Access(NamedTuple):
    """What came of it."""

    granted: bool
    path: str
    """The path that was asked for, as seen inside the root."""
    errno: str = ""
    """ENOENT, ENOTDIR, ELOOP, EACCES, ENOTSOCK, ECONNREFUSED, EAGAIN (its queue is full), or empty."""
    refuses: Step | None = None
    """The first component that refuses, or the last one that exists where something is missing."""
    missing: str = ""
    """The component that is not there (ENOENT), as a path on the host."""
    lacking: str = ""
    """What the user lacks there: ``r``, ``w`` or ``x``."""
    proved: bool = False
    """Whether a child process tried it; otherwise by reading the modes."""


def may(host: Host, path: str, want: Want, root: str = "/", account: Account | None = None) -> Access:
    """Ask whether ``account`` (default: postfix with the groups of a new smtpd) gets what it wants.

    ``path`` is absolute and seen from inside ``root``. Raises CannotLook where this process may not look, or
    where there is no user postfix.
    """
    user = account or account_named(host, "postfix")
    if user is None:
        raise Unreadable("/etc/passwd", "has no user postfix")
    read = _by_reading(host, path, want, root, user)
    # A path that leads nowhere needs no proof, and a FIFO or device must not be opened.
    if not (host.live and host.privileged) or read.errno not in ("", "EACCES"):
        return read
    tried = _prove(lambda: _attempt(path, want), root, user, _master_pid(host))
    if tried is None:
        return read
    if tried == 0:
        return Access(True, path, proved=True)
    name = errno.errorcode.get(tried, str(tried))
    return Access(False, path, name, read.refuses, read.missing, read.lacking, proved=True)


def permits(host: Host, step: Step, user: Account, right: str) -> bool:
    """Tell whether ``step`` grants ``user`` the ``right`` (``r``, ``w`` or ``x``), its ACL included."""
    if user.uid == 0:
        return right != "x" or stat.S_ISDIR(step.status.st_mode) or bool(step.status.st_mode & 0o111)
    mode, bit = step.status.st_mode, BITS[right]
    acl = _acl(host.attribute(step.path, "system.posix_acl_access"))
    if step.status.st_uid == user.uid:
        return bool(mode >> 6 & bit)
    mask = acl.get((ACL_MASK, 0), 7)
    if (ACL_USER, user.uid) in acl:
        return bool(acl[ACL_USER, user.uid] & mask & bit)
    in_group = [acl.get((ACL_GROUP_OBJ, 0), mode >> 3 & 7)] if step.status.st_gid in user.groups else []
    in_group += [perm for (tag, number), perm in acl.items() if tag == ACL_GROUP and number in user.groups]
    if in_group:
        return any(perm & mask & bit for perm in in_group)
    return bool(mode & bit)


def _by_reading(host: Host, path: str, want: Want, root: str, user: Account) -> Access:
    last: Step | None = None
    try:
        for step in host.walk(path, root):
            if last and not permits(host, last, user, "x"):
                return Access(False, path, "EACCES", last, lacking="x")
            last = step
    except Missing as error:
        if last and stat.S_ISDIR(last.status.st_mode) and not permits(host, last, user, "x"):
            return Access(False, path, "EACCES", last, lacking="x")
        code = "ENOTDIR" if isinstance(error, NotADirectory) else "ENOENT"
        return Access(False, path, code, last, missing=error.path)
    except LinkLoop:
        return Access(False, path, "ELOOP", last)
    assert last is not None
    if want == "connect" and not stat.S_ISSOCK(last.status.st_mode):
        return Access(False, path, "ENOTSOCK", last)
    if want == "read" and not stat.S_ISREG(last.status.st_mode):
        return Access(False, path, "EISDIR" if stat.S_ISDIR(last.status.st_mode) else "EINVAL", last)
    if not permits(host, last, user, NEEDED[want]):
        return Access(False, path, "EACCES", last, lacking=NEEDED[want])
    return Access(True, path)


def _acl(value: bytes | None) -> dict[tuple[int, int], int]:
    """Take ``system.posix_acl_access`` apart: (tag, id) to permission bits; linux/posix_acl_xattr.h."""
    if not value or len(value) < 4 or (len(value) - 4) % 8:
        return {}
    entries = struct.iter_unpack("<HHI", value[4:])
    return {(tag, number if tag in (ACL_USER, ACL_GROUP) else 0): perm for tag, perm, number in entries}


def _master_pid(host: Host) -> int | None:
    """Give the pid of a running master whose mount namespace differs from ours (Debian 13), else None."""
    from maildoctor.postfix.daemon import master_pid

    pid = master_pid(host)
    try:
        if pid and os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
            return pid
    except OSError:
        pass
    return None


def _attempt(path: str, want: Want) -> int:
    """Try it with this process's rights; give the errno, 0 for success. Nothing is opened for writing."""
    try:
        if want == "connect":
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.setblocking(False)
                client.connect(path)
        elif want == "read":
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
        elif not os.access(path, os.W_OK if want == "write" else os.X_OK, effective_ids=True):
            return errno.EACCES
    except OSError as error:
        return error.errno or errno.ENAMETOOLONG
    return 0


def _prove(attempt: Callable[[], int], root: str, user: Account, namespace: int | None) -> int | None:
    """Let a child become ``user`` inside ``root`` and try; None where the proof itself did not work."""
    answer, question = os.pipe()
    child = os.fork()
    if child == 0:
        status = 255
        with contextlib.suppress(BaseException):
            _become(root, user, namespace)
            status = attempt()
        os.write(question, bytes([min(status, 255)]))
        os._exit(0)
    os.close(question)
    try:
        ready, _, _ = select.select([answer], [], [], PROOF_SECONDS)
        result = os.read(answer, 1) if ready else b""
    finally:
        os.close(answer)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return result[0] if result and result[0] != 255 else None


def _become(root: str, user: Account, namespace: int | None) -> None:
    if namespace is not None:
        _enter_mounts_of(namespace)
    os.chroot(root)
    os.chdir("/")
    os.setgroups(sorted(user.groups))
    os.setgid(user.gid)
    os.setuid(user.uid)


def _enter_mounts_of(pid: int) -> None:
    descriptor = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    if sys.version_info >= (3, 12):
        os.setns(descriptor, os.CLONE_NEWNS)
        return
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")

"""Files whose lines others share: group, gshadow and dpkg's statoverride are undone by their meaning.

Putting the old bytes back would take away what somebody added since; where nobody did, taking the meaning
back gives the old bytes again.
"""

import contextlib
import fcntl
import glob
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from maildoctor.remedy.path_state import PathState, capture
from maildoctor.remedy.restoring import bring_back
from maildoctor.remedy.site import Site
from maildoctor.remedy.thing import Snapshot, Thing
from maildoctor.remedy.trouble import RepairFailed
from maildoctor.remedy.writing import remove, write

GROUP, GSHADOW = "/etc/group", "/etc/gshadow"
PASSWD_LOCK = "/etc/.pwd.lock"
"""lckpwdf(3); shadow's programs take it before everything else."""
STATOVERRIDE = "/var/lib/dpkg/statoverride"
DPKG_LOCK = "/var/lib/dpkg/lock"
LOCK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Membership(Thing):
    """Whether a user is a member of a group: /etc/group and /etc/gshadow, group(5) and gshadow(5)."""

    user: str
    group: str

    def capture(self, site: Site) -> Snapshot:
        """Look at both files, and at the copies that shadow's programs keep of them."""
        names = [name for file in (GROUP, GSHADOW) for name in (file, f"{file}-")]
        paths = {name: capture(site, name) for name in names}
        content = paths[GROUP].content or b""
        return Snapshot(paths, {"member": is_member(content, self.user, self.group)})

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Take the user out again, unless he was in."""
        with locked(site, PASSWD_LOCK):
            # What a killed gpasswd leaves; the lock says that none runs.
            for rest in _left_by_shadow(site):
                remove(site, rest)
            for file in (GROUP, GSHADOW):
                was = before.paths[file]
                self._restore(site, file, was, member=before.facts["member"])
                copy = capture(site, f"{file}-").content or b""
                # Its copy of what was before, perhaps cut off or gone; any other is somebody else's.
                if was.content is not None and was.content.startswith(copy):
                    bring_back(site, f"{file}-", before.paths[f"{file}-"])

    def _restore(self, site: Site, file: str, was: PathState, *, member: bool) -> None:
        now = capture(site, file)
        if now.content is None or was.content is None:
            return
        content = now.content if member else without_member(now.content, self.user, self.group)
        if content == was.content:
            bring_back(site, file, was)
        elif content != now.content:
            write(site, file, content, replace(now, mtime=0))


@dataclass(frozen=True, slots=True)
class Override(Thing):
    """What dpkg keeps as a path's owner, group and mode: dpkg-statoverride(1)."""

    path: str

    def capture(self, site: Site) -> Snapshot:
        """Look at dpkg's file."""
        state = capture(site, STATOVERRIDE)
        return Snapshot({STATOVERRIDE: state}, {"line": _override(state.content, self.path)})

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Give the path its old line, or none."""
        with locked(site, DPKG_LOCK):
            was, now = before.paths[STATOVERRIDE], capture(site, STATOVERRIDE)
            lines = (now.content or b"").splitlines(keepends=True)
            kept = [line for line in lines if _subject(line) != self.path]
            if before.facts["line"]:
                kept.append(before.facts["line"].encode() + b"\n")
            if sorted(kept) == sorted((was.content or b"").splitlines(keepends=True)):
                bring_back(site, STATOVERRIDE, was)
            elif kept != lines:
                write(site, STATOVERRIDE, b"".join(kept), replace(now, mtime=0))


@dataclass(frozen=True, slots=True)
class Overrides(Thing):
    """All that dpkg keeps, where packages come and go with lines of their own."""

    path: str = STATOVERRIDE

    def capture(self, site: Site) -> Snapshot:
        """Look at dpkg's file."""
        return Snapshot({self.path: capture(site, self.path)})

    def left(self, site: Site) -> Snapshot:
        """Look again: the lines that have come and gone by now are the packages' own."""
        return self.capture(site)

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Bring back the lines that went, and take away those that came."""
        with locked(site, DPKG_LOCK):
            now = capture(site, self.path)
            was, left = before.paths[self.path], after.paths[self.path] if after else now
            lines, old, new = (_lines(each) for each in (now, was, left))
            came, gone = set(new) - set(old), [line for line in old if line not in new]
            kept = [line for line in lines if line not in came]
            kept += [line for line in gone if line not in kept]
            if sorted(kept) == sorted(old):
                bring_back(site, self.path, was)
            elif kept != lines:
                write(site, self.path, b"".join(kept), replace(now, mtime=0))


def _lines(state: PathState) -> list[bytes]:
    return (state.content or b"").splitlines(keepends=True)


def _left_by_shadow(site: Site) -> list[str]:
    """Give the temporary files of shadow's programs: ``group+``, and those that hold a process id."""
    found = []
    for file in ("/etc/passwd", "/etc/shadow", GROUP, GSHADOW):
        locks = glob.glob(f"{glob.escape(site.root + file)}.[0-9l]*")
        names = [path.removeprefix(site.root) for path in locks]
        found += [name for name in names if _is_lock(site, name)]
        found.append(f"{file}+")
    return found


def _is_lock(site: Site, name: str) -> bool:
    """Tell whether a file holds a process id, or nothing yet; admins keep their own copies there."""
    state = capture(site, name)
    content = (state.content or b"").strip(b"\0\n")
    return state.kind == "file" and (content.isdigit() or (not content and state.mode == 0o600))


def is_member(content: bytes, user: str, group: str) -> bool:
    """Tell whether the group's line in group(5) names the user."""
    for line in content.splitlines():
        fields = line.split(b":")
        if fields[0] == group.encode() and len(fields) == 4:
            return user.encode() in fields[3].split(b",")
    return False


def without_member(content: bytes, user: str, group: str) -> bytes:
    """Give group(5) or gshadow(5) without the user among the group's members, all else as it is."""
    lines = content.splitlines(keepends=True)
    for index, line in enumerate(lines):
        fields = line.rstrip(b"\n").split(b":")
        if fields[0] == group.encode() and len(fields) == 4:
            members = [name for name in fields[3].split(b",") if name != user.encode()]
            end = line[len(line.rstrip(b"\n")) :]
            lines[index] = b":".join((*fields[:3], b",".join(members))) + end
    return b"".join(lines)


@contextlib.contextmanager
def locked(site: Site, path: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the fcntl(2) lock that a system file's own programs take. Raises RepairFailed after a while."""
    try:
        descriptor = os.open(site.root + path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        _lock(descriptor, path, time.monotonic() + seconds)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: str, end: float) -> None:
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if time.monotonic() > end:
                raise RepairFailed(f"{path}: another program holds this lock") from error
            time.sleep(0.1)


def _override(content: bytes | None, path: str) -> str | None:
    lines = (content or b"").splitlines()
    return next((line.decode("utf-8", "replace") for line in lines if _subject(line) == path), None)


def _subject(line: bytes) -> str:
    words = line.decode("utf-8", "replace").split(maxsplit=3)
    return words[3].strip() if len(words) == 4 else ""

"""What stands at a path, whole: kind, content, mode, owner, group, links, extended attributes and ACLs.

ACLs are extended attributes as well (``system.posix_acl_access``, acl(5)).
"""

import base64
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Any, Protocol

from maildoctor.remedy.site import Place, Site, read_at
from maildoctor.remedy.trouble import RepairFailed

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFSOCK: "socket",
}
KEPT_ATTRIBUTES = ("user.", "trusted.", "system.posix_acl_", "security.capability")
"""Beginnings of the names of extended attributes that people set; labels are the kernel's own business."""


class Contents(Protocol):
    """Where the contents of files are kept beside the journal."""

    def store(self, content: bytes) -> list[int]:
        """Keep ``content``; give its offset and length."""

    def load(self, place: list[int]) -> bytes:
        """Give what ``store`` kept at this offset and length."""


@dataclass(frozen=True, slots=True)
class PathState:
    """One path; ``kind`` is absent, file, directory, link, socket or other."""

    kind: str = "absent"
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Nanoseconds since 1970."""
    device: int = 0
    inode: int = 0
    links: int = 0
    target: str = ""
    attributes: tuple[tuple[str, bytes], ...] = ()
    content: bytes | None = None

    def same(self, other: "PathState") -> bool:
        """Tell whether a program would find the same at both; inode and times do not count."""
        if self.kind != other.kind:
            return False
        if self.kind == "link":
            return (self.target, self.uid, self.gid) == (other.target, other.uid, other.gid)
        return self.access == other.access and self.content == other.content

    @property
    def access(self) -> tuple[int, int, int, tuple[tuple[str, bytes], ...]]:
        """Give who owns it and who may do what with it."""
        return self.mode, self.uid, self.gid, self.attributes

    def is_inode_of(self, other: "PathState") -> bool:
        """Tell whether both are the same file, not only equal."""
        return (self.device, self.inode) == (other.device, other.inode)

    def dump(self, contents: Contents) -> dict[str, Any]:
        """Give plain values for the journal."""
        fields = ("kind", "mode", "uid", "gid", "mtime", "device", "inode", "links", "target")
        plain: dict[str, Any] = {name: getattr(self, name) for name in fields}
        plain["attributes"] = {name: base64.b64encode(value).decode() for name, value in self.attributes}
        if self.content is not None:
            plain["content"] = contents.store(self.content)
            plain["sha256"] = hashlib.sha256(self.content).hexdigest()
        return plain

    @classmethod
    def revive(cls, plain: dict[str, Any], contents: Contents) -> "PathState":
        """Read what ``dump`` gave. Raises RepairFailed where the content was damaged."""
        plain = dict(plain)
        digest = plain.pop("sha256", None)
        plain["attributes"] = tuple(
            (name, base64.b64decode(value)) for name, value in plain["attributes"].items()
        )
        if digest is not None:
            plain["content"] = contents.load(plain["content"])
            if hashlib.sha256(plain["content"]).hexdigest() != digest:
                raise RepairFailed("the journal's copy of a file is damaged")
        return cls(**plain)


ABSENT = PathState()


def capture(site: Site, path: str, *, content: bool = True) -> PathState:
    """Look at ``path`` itself, links not followed in the last place.

    Raises OSError, and RepairFailed for a file that is too large to keep a copy of.
    """
    try:
        with site.place(path, follow=False) as place:
            return _look(place, content)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT


def _look(place: Place, content: bool) -> PathState:
    status = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
    kind = KINDS.get(stat.S_IFMT(status.st_mode), "other")
    return PathState(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime=status.st_mtime_ns,
        device=status.st_dev,
        inode=status.st_ino,
        links=status.st_nlink,
        target=os.readlink(place.name, dir_fd=place.directory) if kind == "link" else "",
        attributes=_attributes(place) if kind in ("file", "directory") else (),
        content=read_at(place) if kind == "file" and content else None,
    )


def _attributes(place: Place) -> tuple[tuple[str, bytes], ...]:
    # O_PATH opens whatever the mode says; /proc gives the inode itself, whatever the name means by now.
    descriptor = os.open(place.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.directory)
    try:
        return attributes_of(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def attributes_of(path: str) -> tuple[tuple[str, bytes], ...]:
    """Give the extended attributes of ``path`` that are kept, by name; none where there can be none."""
    try:
        names = sorted(name for name in os.listxattr(path) if name.startswith(KEPT_ATTRIBUTES))
        return tuple((name, os.getxattr(path, name)) for name in names)
    except OSError:
        return ()

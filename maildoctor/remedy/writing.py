"""The two ways of writing a file: replace by rename, and in place where other links share the inode.

A replacement is made beside the file with its final owner and mode before its first byte. In place, the
new bytes are laid over the old ones and the rest is cut off, so that at no moment the file is empty.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence

from maildoctor.remedy.path_state import ABSENT, PathState, attributes_of, capture
from maildoctor.remedy.site import Place, Site
from maildoctor.remedy.trouble import RepairFailed

# A file that is mounted on its own, as containers do, can only be written in place.
NOT_REPLACEABLE = (errno.EBUSY, errno.EXDEV)


def temporary(name: str) -> str:
    """Give the name of the replacement of ``name``; the dot hides it from what reads whole directories."""
    return f".{name}.maildoctor"


def write(site: Site, path: str, content: bytes, access: PathState) -> None:
    """Write a file with the owner, mode and attributes of ``access``; missing directories are made.

    Raises RepairFailed, OSError.
    """
    for directory in site.missing_directories(path):
        make_directory(site, directory, PathState("directory", 0o755))
    with site.place(path) as place:
        present = capture(site, place.path)
        if present.kind not in ("file", "absent"):
            raise RepairFailed(f"{path}: is not a regular file")
        if present.links > 1:
            overwrite(place, content, access)
        else:
            _replace_or_overwrite(place, content, access)


def _replace_or_overwrite(place: Place, content: bytes, access: PathState) -> None:
    try:
        replace(place, content, access)
    except OSError as error:
        if error.errno not in NOT_REPLACEABLE:
            raise
        overwrite(place, content, access)


def replace(place: Place, content: bytes, access: PathState) -> None:
    """Put a new file at ``place``: the old one stays whole until the new one is on disk."""
    with _temporary(place) as name:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=place.directory)
        try:
            set_access(descriptor, access)
            _write_all(descriptor, content)
            if access.mtime:
                os.utime(descriptor, ns=(access.mtime, access.mtime))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def overwrite(place: Place, content: bytes, access: PathState) -> None:
    """Write into the file at ``place``, so that its other names see the same."""
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(place.name, flags, dir_fd=place.directory)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RepairFailed(f"{place.path}: is not a regular file")
        _write_all(descriptor, content)
        os.ftruncate(descriptor, len(content))
        set_access(descriptor, access)
        if access.mtime:
            os.utime(descriptor, ns=(access.mtime, access.mtime))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_access(descriptor: int, access: PathState) -> None:
    """Give an open file owner, group, mode and extended attributes; chown first, it clears special bits."""
    path = f"/proc/self/fd/{descriptor}"
    status = os.stat(path)
    if (status.st_uid, status.st_gid) != (access.uid, access.gid):
        os.chown(path, access.uid, access.gid)
    wanted = dict(access.attributes)
    present = dict(attributes_of(path))
    for name in present.keys() - wanted.keys():
        os.removexattr(path, name)
    os.chmod(path, access.mode)
    for name, value in wanted.items():
        if present.get(name) != value:
            os.setxattr(path, name, value)


def change_access(site: Site, path: str, access: PathState) -> None:
    """Give what stands at ``path`` another owner, group, mode, attributes and time; links are not followed.

    Raises RepairFailed for a link.
    """
    with site.place(path, follow=False) as place:
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(place.name, flags, dir_fd=place.directory)
        try:
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                raise RepairFailed(f"{path}: is a symbolic link")
            set_access(descriptor, access)
            if access.mtime:
                os.utime(f"/proc/self/fd/{descriptor}", ns=(access.mtime, access.mtime))
        finally:
            os.close(descriptor)
        os.fsync(place.directory)


def make_directory(site: Site, path: str, access: PathState) -> None:
    """Make a directory, or give the one that is there this owner, group, mode and attributes."""
    with site.place(path, follow=False) as place:
        with contextlib.suppress(FileExistsError):
            os.mkdir(place.name, 0o700, dir_fd=place.directory)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(place.name, flags, dir_fd=place.directory)
        try:
            set_access(descriptor, access)
        finally:
            os.close(descriptor)
        os.fsync(place.directory)


def link(site: Site, target: str, path: str) -> None:
    """Make ``path`` another name of the file at ``target``, in one step if something stands there."""
    with site.place(target) as origin, site.place(path, follow=False) as place, _temporary(place) as name:
        os.link(
            origin.name,
            name,
            src_dir_fd=origin.directory,
            dst_dir_fd=place.directory,
            follow_symlinks=False,
        )


def symbolic_link(site: Site, target: str, path: str, access: PathState = ABSENT) -> None:
    """Make ``path`` a symbolic link, in one step if something stands there."""
    with site.place(path, follow=False) as place, _temporary(place) as name:
        os.symlink(target, name, dir_fd=place.directory)
        os.chown(name, access.uid, access.gid, dir_fd=place.directory, follow_symlinks=False)
        if access.mtime:
            os.utime(name, ns=(access.mtime,) * 2, dir_fd=place.directory, follow_symlinks=False)


def dead_socket(site: Site, path: str, access: PathState) -> None:
    """Make a socket on which nobody listens, as a daemon that was killed leaves it behind."""
    with site.place(path, follow=False) as place, _temporary(place) as name:
        with socket.socket(socket.AF_UNIX) as nobody:
            # sun_path holds 108 bytes: the directory's descriptor is shorter than its name.
            nobody.bind(f"/proc/self/fd/{place.directory}/{name}")
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.directory)
        try:
            set_access(descriptor, access)
        finally:
            os.close(descriptor)


def remove(site: Site, path: str) -> None:
    """Remove what stands at ``path``; a directory only when it is empty. Raises OSError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), site.place(path, follow=False) as place:
        status = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.rmdir(place.name, dir_fd=place.directory)
        else:
            os.unlink(place.name, dir_fd=place.directory)
        os.fsync(place.directory)


def sweep(site: Site, paths: Sequence[str]) -> None:
    """Remove the replacements of ``paths`` that a killed run left behind."""
    for path in paths:
        directory, _, name = path.rpartition("/")
        remove(site, f"{directory}/{temporary(name)}")


@contextlib.contextmanager
def _temporary(place: Place) -> Iterator[str]:
    """Give a free name beside ``place``; what was made there takes its place at the end."""
    name = temporary(place.name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place.directory)
    try:
        yield name
        os.rename(name, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory)
        # rename(2) does nothing, not even this, where both are names of one file already.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=place.directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=place.directory)
        raise
    os.fsync(place.directory)


def _write_all(descriptor: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, content[written:], written)

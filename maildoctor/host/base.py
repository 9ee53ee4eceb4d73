"""What every host can be asked: files, links, directories. Paths are those of the host, always absolute.

Symbolic links are followed here, component by component, and never out of ``root``: a directory tree's
absolute links mean the tree, and a chroot's mean the chroot, just as they do for a process inside.
"""

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from maildoctor.host.errors import LinkLoop, Missing, NotADirectory, NotRegular, Refused, TooLarge, Unreadable

if TYPE_CHECKING:
    from maildoctor.host.live import Output

CONFIGURATION_LIMIT = 1024 * 1024
"""Bytes: no configuration file that people write is larger."""
LINK_LIMIT = 40
"""As in Linux: path_resolution(7)."""
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFREG: "a regular file",
}


class Step(NamedTuple):
    """One component of a path that was walked: its real place on the host, and what stands there."""

    path: str
    status: os.stat_result

    @property
    def kind(self) -> str:
        """Say what it is: ``a directory``, ``a socket``, ..."""
        return KINDS.get(stat.S_IFMT(self.status.st_mode), "an unknown kind of file")


class Host(ABC):
    """A machine to be looked at. It is never written to."""

    live = False
    """Whether it runs: only then can processes, sockets and commands be asked."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self.memory: dict[Hashable, Any] = {}
        self.privileged = os.geteuid() == 0
        self.intended: str | None = None
        """What the admin says is meant (``--auth``): ``saslauthd``, ``sasldb``, ``dovecot``, or None."""
        self.intended_user: str | None = None
        """A first user, ``name@realm``, that the admin wants in sasldb2 (``--user``)."""

    @abstractmethod
    def here(self, path: str) -> str:
        """Give the place on this machine where the host's link-free ``path`` lies."""

    @abstractmethod
    def run(self, *command: str, timeout: float = 3.0) -> "Output":
        """Run a read-only ``command`` on the host, at most ``timeout`` seconds.

        Raises NeedsLiveHost for a directory tree, CommandMissing, CommandHung. An exit status other than 0
        is an answer, not an error.
        """

    def walk(self, path: str, root: str = "/", *, follow: bool = True) -> Iterator[Step]:
        """Yield every component from ``root`` to ``path`` as a process chrooted to ``root`` would meet it.

        ``path`` is absolute and seen from inside ``root``; ``root`` is absolute, seen from the host. With
        ``follow`` false a symbolic link in the last place is given as it is. Directories behind links are
        yielded as well. Raises Missing, NotADirectory, LinkLoop, Refused, named by the component concerned.
        """
        base = "" if root == "/" else root.rstrip("/")
        if base:
            base = self.resolve(base)
        here = base
        yield Step(here or "/", self._lstat(here or "/"))
        rest, links = _components(path), 0
        while rest:
            name = rest.pop(0)
            if name == "..":
                here = os.path.dirname(here) if here != base else base
                here = "" if here == "/" else here
                continue
            step = Step(f"{here}/{name}", self._lstat(f"{here}/{name}"))
            if stat.S_ISLNK(step.status.st_mode) and (rest or follow):
                links += 1
                if links > LINK_LIMIT:
                    raise LinkLoop(step.path)
                target = self._readlink(step.path)
                rest = _components(target) + rest
                if target.startswith("/"):
                    here = base
                continue
            if rest and not stat.S_ISDIR(step.status.st_mode):
                raise NotADirectory(step.path, f"is {step.kind}, not a directory")
            here = step.path
            yield step

    def step(self, path: str, root: str = "/", *, follow: bool = True) -> Step:
        """Give the last component of ``path``; errors as in ``walk``."""
        *_, last = self.walk(path, root, follow=follow)
        return last

    def resolve(self, path: str, root: str = "/") -> str:
        """Give the link-free path on the host; errors as in ``walk``."""
        return self.step(path, root).path

    def stat(self, path: str, root: str = "/") -> os.stat_result:
        """Give stat(2) of ``path``, links followed; errors as in ``walk``."""
        return self.step(path, root).status

    def lstat(self, path: str, root: str = "/") -> os.stat_result:
        """Give lstat(2) of ``path``; errors as in ``walk``."""
        return self.step(path, root, follow=False).status

    def exists(self, path: str, root: str = "/") -> bool:
        """Tell whether something is at ``path``. Raises Refused where this process may not look."""
        try:
            self.step(path, root)
        except (Missing, LinkLoop):
            return False
        return True

    def readlink(self, path: str, root: str = "/") -> str | None:
        """Give the target of a symbolic link, None for anything else; errors as in ``walk``."""
        step = self.step(path, root, follow=False)
        return self._readlink(step.path) if stat.S_ISLNK(step.status.st_mode) else None

    def names(self, directory: str, root: str = "/") -> list[str]:
        """List a directory, sorted; errors as in ``walk``."""
        real = self.resolve(directory, root)
        try:
            return sorted(os.listdir(self.here(real)))
        except OSError as error:
            _raise(directory, error)

    def read(self, path: str, root: str = "/", limit: int = CONFIGURATION_LIMIT) -> bytes:
        """Read a regular file of at most ``limit`` bytes.

        Raises NotRegular (nothing else is ever opened), TooLarge, and what ``walk`` raises.
        """
        step = self.step(path, root)
        if not stat.S_ISREG(step.status.st_mode):
            raise NotRegular(path, f"is {step.kind}, not a regular file")
        descriptor = self._open(step.path)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotRegular(path)
            return self._contents(path, descriptor, limit)
        finally:
            os.close(descriptor)

    def text(self, path: str, root: str = "/", limit: int = CONFIGURATION_LIMIT) -> str:
        """Read a file as UTF-8; bytes that are not come through as surrogates. Errors as in ``read``."""
        return self.read(path, root, limit).decode("utf-8", "surrogateescape")

    def attribute(self, path: str, name: str) -> bytes | None:
        """Give an extended attribute of a link-free path, None where there is none."""
        try:
            return os.getxattr(self.here(path), name, follow_symlinks=False)
        except OSError:
            return None

    def _contents(self, path: str, descriptor: int, limit: int) -> bytes:
        blocks, size = [], 0
        try:
            while size <= limit and (block := os.read(descriptor, limit + 1 - size)):
                blocks.append(block)
                size += len(block)
        except OSError as error:
            _raise(path, error)
        if size > limit:
            raise TooLarge(path, f"is larger than {limit} bytes")
        return b"".join(blocks)

    def _open(self, path: str) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            # Reading must leave no trace; O_NOATIME is for root and the file's owner alone.
            return os.open(self.here(path), flags | os.O_NOATIME)
        except PermissionError:
            pass
        except OSError as error:
            _raise(path, error)
        try:
            return os.open(self.here(path), flags)
        except OSError as error:
            _raise(path, error)

    def _lstat(self, path: str) -> os.stat_result:
        try:
            return os.lstat(self.here(path))
        except OSError as error:
            _raise(path, error)

    def _readlink(self, path: str) -> str:
        try:
            return os.readlink(self.here(path))
        except OSError as error:
            _raise(path, error)


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _raise(path: str, error: OSError) -> NoReturn:
    known: dict[int | None, type[Unreadable]] = {
        errno.ENOENT: Missing,
        errno.ENOTDIR: NotADirectory,
        errno.EACCES: Refused,
        errno.EPERM: Refused,
        errno.ELOOP: LinkLoop,
    }
    if error.errno in known:
        raise known[error.errno](path) from error
    raise Unreadable(path, error.strerror) from error

"""The host that is changed: where a path really lies, what stands there, and running a program.

Symbolic links are followed only where root alone could have made them, and a directory is opened component
by component without following any, so that nothing planted in between leads elsewhere.
"""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

from maildoctor.remedy.system import System
from maildoctor.remedy.trouble import PlantedLink, RepairFailed

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SIZE_LIMIT = 32 * 1024 * 1024
"""Bytes: a file that is larger is neither edited nor kept a copy of."""
LINK_LIMIT = 40
"""As in Linux: path_resolution(7)."""
TAIL = 400
"""Characters of a failed program's output that are worth repeating."""


class Place(NamedTuple):
    """An open directory, a name in it, and the link-free path of both."""

    directory: int
    name: str
    path: str


class Site:
    """The host below ``root`` (empty: this machine).

    ``lock`` is a descriptor that programs inherit, so that one which outlives us still holds the lock.
    ``pending`` are contents that a preview would have written: they are read in the place of the files.
    """

    def __init__(
        self,
        system: System | None = None,
        *,
        root: str = "",
        lock: int | None = None,
        password: Callable[[str], str] | None = None,
    ) -> None:
        """Begin; ``password`` is asked for the password of ``user@realm``."""
        self.system = system or System()
        self.root = root.rstrip("/")
        self.lock = lock
        self.pending: dict[str, bytes] = {}
        self._password = password
        self._passwords: dict[str, str] = {}

    def password(self, account: str) -> str:
        """Give the password for ``account``. Raises RepairFailed where nobody can be asked."""
        if self._password is None:
            raise RepairFailed(f"{account}: no password was given")
        # A repair that is done again, without what did not help, must not ask again.
        if account not in self._passwords:
            self._passwords[account] = self._password(account)
        return self._passwords[account]

    def real(self, path: str, *, follow: bool = True) -> str:
        """Give the link-free path; a last component that is a link stays unless ``follow``.

        What does not exist is left as it is. Raises PlantedLink, RepairFailed.
        """
        here, rest, links = "", _components(path), 0
        while rest:
            name = rest.pop(0)
            if name == "..":
                here = here.rpartition("/")[0]
                continue
            step = f"{here}/{name}"
            target = self._target(here, step) if rest or follow else None
            if target is None:
                here = step
                continue
            links += 1
            if links > LINK_LIMIT:
                raise RepairFailed(f"{path}: symbolic links lead in a circle")
            rest = _components(target) + rest
            here = "" if target.startswith("/") else here
        return here or "/"

    @contextlib.contextmanager
    def place(self, path: str, *, follow: bool = True) -> Iterator[Place]:
        """Open the directory of ``path``. Raises what ``real`` raises, and OSError."""
        real = self.real(path, follow=follow)
        directory, _, name = real.rpartition("/")
        descriptor = self._open_directory(directory)
        try:
            yield Place(descriptor, name, real)
        finally:
            os.close(descriptor)

    def read(self, path: str) -> bytes | None:
        """Read a regular file, or what a preview would have made of it; None where there is none.

        Raises RepairFailed for anything else.
        """
        real = self.real(path)
        if real in self.pending:
            return self.pending[real]
        try:
            with self.place(real) as place:
                return read_at(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RepairFailed.at(path, error) from error

    def exists(self, path: str) -> bool:
        """Tell whether something, if only a dangling link, is at ``path``."""
        return os.path.lexists(self.root + self.real(path, follow=False))

    def missing_directories(self, path: str) -> list[str]:
        """Give the directories above ``path`` that do not exist, the uppermost first."""
        missing: list[str] = []
        directory = self.real(path).rpartition("/")[0]
        while directory and not os.path.lexists(self.root + directory):
            missing.insert(0, directory)
            directory = directory.rpartition("/")[0]
        return missing

    def has(self, program: str) -> bool:
        """Tell whether a program is installed."""
        return shutil.which(program, path=PATH) is not None

    def run(self, *command: str, stdin: bytes = b"", seconds: float = 30, daemon: bool = False) -> str:
        """Run a program and give its output. Raises RepairFailed unless it ends with 0 in time.

        A ``daemon`` that it may start does not inherit the lock, which it would hold for ever.
        """
        status, output = self.ask(*command, stdin=stdin, seconds=seconds, daemon=daemon)
        if status:
            said = " ".join(output.split())[-TAIL:] or f"exit status {status}"
            raise RepairFailed(f"{' '.join(command)}: {said}")
        return output

    def ask(
        self, *command: str, stdin: bytes = b"", seconds: float = 30, daemon: bool = False
    ) -> tuple[int, str]:
        """Run a program; give its exit status and all its output. Raises RepairFailed if it hangs."""
        program = shutil.which(command[0], path=PATH)
        if program is None:
            raise RepairFailed(f"{command[0]}: command not found")
        inherited = () if self.lock is None or daemon else (self.lock,)
        with _memory("stdin", stdin) as source, _memory("output") as output:
            process = subprocess.Popen(
                [program, *command[1:]],
                stdin=source,
                stdout=output,
                stderr=output,
                env={"LC_ALL": "C", "PATH": PATH, "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"},
                cwd="/",
                start_new_session=True,
                pass_fds=inherited,
            )
            status = _wait(process, command, seconds)
            said = os.pread(output, SIZE_LIMIT, 0).decode("utf-8", "replace")
        return status, said

    def _target(self, directory: str, path: str) -> str | None:
        """Give the target of the link at ``path``, None for anything else. Raises PlantedLink."""
        try:
            status = os.lstat(self.root + path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISLNK(status.st_mode):
            return None
        around = os.lstat(self.root + (directory or "/"))
        if status.st_uid != 0 or not only_root_writes(around):
            raise PlantedLink(path)
        return os.readlink(self.root + path)

    def _open_directory(self, path: str) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        descriptor = os.open(self.root or "/", flags)
        for name in _components(path):
            try:
                below = os.open(name, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor


def only_root_writes(directory: os.stat_result) -> bool:
    """Tell whether root alone can make links in a directory, or the sticky bit guards root's own."""
    mode = directory.st_mode
    others = bool(mode & stat.S_IWOTH) or (bool(mode & stat.S_IWGRP) and directory.st_gid != 0)
    return directory.st_uid == 0 and (not others or bool(mode & stat.S_ISVTX))


def read_at(place: Place) -> bytes:
    """Read the regular file at ``place``. Raises OSError, and RepairFailed for anything else."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(place.name, flags, dir_fd=place.directory)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RepairFailed(f"{place.path}: is not a regular file")
        content = stream.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise RepairFailed(f"{place.path}: is larger than {SIZE_LIMIT} bytes")
    return content


@contextlib.contextmanager
def _memory(name: str, content: bytes = b"") -> Iterator[int]:
    # Not a pipe: a daemon that keeps it open would keep us waiting. Not a file: the disk may be full.
    descriptor = os.memfd_create(name)
    try:
        os.pwrite(descriptor, content, 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(process: "subprocess.Popen[bytes]", command: tuple[str, ...], seconds: float) -> int:
    try:
        return process.wait(seconds)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise RepairFailed(f"{' '.join(command)}: no answer within {seconds:g} seconds") from error
        raise


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]

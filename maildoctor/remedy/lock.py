"""One repair at a time on a host.

flock(2) belongs to the open file, which the programs that we start inherit: after a kill, an orphaned
adduser or systemctl still holds it.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator

from maildoctor.remedy.journal import STATE, make_state_directory
from maildoctor.remedy.site import Site
from maildoctor.remedy.trouble import RepairFailed, RepairInProgress

LOCK = f"{STATE}/lock"
SECONDS = 5.0


@contextlib.contextmanager
def locked(site: Site, seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lock; ``site`` hands it on to programs. Raises RepairInProgress, RepairFailed."""
    try:
        make_state_directory(site)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(site.root + LOCK, flags, 0o600)
    except OSError as error:
        raise RepairFailed.at(LOCK, error) from error
    try:
        _wait(descriptor, seconds)
        with contextlib.suppress(OSError):  # Only the name of the holder is lost on a full disk.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": time.time()}).encode(), 0)
        site.lock = descriptor
        yield
    finally:
        site.lock = None
        os.close(descriptor)


def holder(site: Site) -> str | None:
    """Say who holds the lock, None if nobody does; opens nothing for writing."""
    try:
        descriptor = os.open(site.root + LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _named(descriptor)
    finally:
        os.close(descriptor)
    return None


def _wait(descriptor: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise RepairInProgress(f"another repair is under way: {_named(descriptor)}") from error
            time.sleep(0.1)


def _named(descriptor: int) -> str:
    try:
        told = json.loads(os.pread(descriptor, 200, 0))
        pid, since = int(told["pid"]), time.strftime("%H:%M:%S", time.localtime(told["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not say its name"
    gone = (
        "" if os.path.exists(f"/proc/{pid}") else ", which was killed; a program that it started still runs"
    )
    return f"process {pid}, since {since}{gone}"

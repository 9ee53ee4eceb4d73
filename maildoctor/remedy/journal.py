"""What a repair was about to do, on disk and synced before it does it.

Under /var/lib/maildoctor, for root alone, each run is a directory: ``journal`` holds lines of JSON, each
written and synced before the change that it announces; ``contents`` holds the old files one after another.
A last line that was cut off announces nothing that was done, and is passed over.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

from maildoctor.remedy import filled, line_file, service_state
from maildoctor.remedy.record import Reader, Record, Status
from maildoctor.remedy.restoring import forget_kept
from maildoctor.remedy.site import Site
from maildoctor.remedy.thing import Snapshot, Thing
from maildoctor.remedy.trouble import RepairFailed

# A run may have touched any kind of thing; those that are not imported could not be read again.
KINDS = (filled, line_file, service_state)
STATE = "/var/lib/maildoctor"
RUNS = f"{STATE}/runs"
RUNS_KEPT = 100
NAME = re.compile(r"\d{8}-\d{6}(-\d+)?")


class Journal:
    """The journal of one run."""

    def __init__(self, site: Site, name: str) -> None:
        """Open the journal of the run ``name``. Raises RepairFailed."""
        self.site = site
        self.name = name
        self.directory = f"{site.root}{RUNS}/{name}"

    @classmethod
    def begin(cls, site: Site) -> "Journal":
        """Begin a run. Raises RepairFailed."""
        try:
            make_state_directory(site)
            _forget_oldest(site)
            journal = cls(site, _free_name(site))
            os.mkdir(journal.directory, 0o700)
            journal.write("begin", time=time.time())
            _sync_directory(f"{site.root}{RUNS}")
        except OSError as error:
            raise RepairFailed.at(STATE, error) from error
        return journal

    def write(self, event: str, **values: Any) -> None:
        """Add a line and wait until it is on disk. Raises OSError."""
        # The newline in front ends a line that a killed run cut off.
        line = b"\n" + json.dumps({"event": event, **values}).encode() + b"\n"
        path = f"{self.directory}/journal"
        new = not os.path.exists(path)
        _append(path, line)
        if new:
            _sync_directory(self.directory)

    def snapshot(self, event: str, seen: dict[Thing, Snapshot], **values: Any) -> None:
        """Write what things were, or have become. Raises OSError."""
        things = [[thing.dump(), snapshot.dump(self)] for thing, snapshot in seen.items()]
        self.write(event, things=things, **values)

    def store(self, content: bytes) -> list[int]:
        """Keep the content of a file; give its offset and length."""
        if not content:
            return [0, 0]
        end = _append(f"{self.directory}/contents", content)
        return [end - len(content), len(content)]

    def load(self, place: list[int]) -> bytes:
        """Give what ``store`` kept."""
        offset, length = place
        if not length:
            return b""
        with open(f"{self.directory}/contents", "rb") as stream:
            return os.pread(stream.fileno(), length, offset)

    def read(self, *, whole: bool = True) -> Record:
        """Tell what the run did; the old files only with ``whole``, and only while undo may need them."""
        record = Record(self.name)
        try:
            events = list(self._events())
            ends = [event["status"] for event in events if event["event"] == "end"]
            gone = bool(ends) and ends[-1] in (Status.UNDONE, Status.TAKEN_BACK)
            reader = Reader(record, self if whole and not gone else None)
            for event in events:
                reader.take(event)
        except (OSError, KeyError, TypeError, ValueError, RepairFailed) as error:
            record.status, record.trouble = Status.DAMAGED, f"{type(error).__name__}: {error}"
        return record

    def forget_contents(self, record: Record) -> None:
        """Let go of the old files, which may hold secrets, when nothing can need them any more."""
        # What cannot be removed is for root alone, and goes with the run when that is forgotten.
        with contextlib.suppress(OSError):
            for snapshot in record.before.values():
                forget_kept(self.site, snapshot.paths.values())
            os.unlink(f"{self.directory}/contents")

    def _events(self) -> Iterator[dict[str, Any]]:
        with open(f"{self.directory}/journal", "rb") as stream:
            for line in stream:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)


def make_state_directory(site: Site) -> None:
    """Make /var/lib/maildoctor for root alone. Raises OSError, and RepairFailed where it is not root's."""
    for path in (STATE, RUNS):
        here = f"{site.root}{path}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(here, 0o700)
        status = os.lstat(here)
        if os.path.islink(here) or status.st_uid != os.geteuid():
            raise RepairFailed(f"{path}: is not a directory of root's own")
        if status.st_mode & 0o077:
            os.chmod(here, 0o700)


def records(site: Site) -> list[Record]:
    """Give all runs that did anything, the latest first, without their old files.

    Raises RepairFailed where the runs cannot be listed (not root).
    """
    begun = (name for name in reversed(_names(site)) if os.path.exists(f"{site.root}{RUNS}/{name}/journal"))
    return [Journal(site, name).read(whole=False) for name in begun]


def _names(site: Site) -> list[str]:
    try:
        names = os.listdir(f"{site.root}{RUNS}")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RepairFailed.at(RUNS, error) from error
    return sorted((name for name in names if NAME.fullmatch(name)), key=_order)


def _order(name: str) -> tuple[str, int]:
    """Give what sorts names by time; those of one second are numbered."""
    date, clock, number = (*name.split("-"), "1")[:3]
    return f"{date}-{clock}", int(number)


def _free_name(site: Site) -> str:
    second = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    numbers = [number for when, number in map(_order, _names(site)) if when == second]
    return f"{second}-{max(numbers) + 1}" if numbers else second


def _forget_oldest(site: Site) -> None:
    import shutil

    for name in _names(site)[:-RUNS_KEPT]:
        if Journal(site, name).read(whole=False).status is not Status.INTERRUPTED:
            shutil.rmtree(f"{site.root}{RUNS}/{name}")


def _append(path: str, content: bytes) -> int:
    """Add to a file, all or nothing, and sync it; give its new length."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        try:
            written = 0
            while written < len(content):
                written += os.pwrite(descriptor, content[written:], end + written)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
        return end + len(content)
    finally:
        os.close(descriptor)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Applies actions: looks at all that they touch, writes it to the journal, then acts; and takes them back."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from maildoctor.remedy.action import Edit
from maildoctor.remedy.difference import between
from maildoctor.remedy.filled import Copies, Runtime
from maildoctor.remedy.journal import Journal
from maildoctor.remedy.path_state import PathState, capture
from maildoctor.remedy.plan import Step
from maildoctor.remedy.record import Record, Status
from maildoctor.remedy.restoring import keep
from maildoctor.remedy.service_state import Packages, Unit
from maildoctor.remedy.site import Site
from maildoctor.remedy.thing import Entry, Snapshot, Thing
from maildoctor.remedy.trouble import ChangedSince, RepairFailed, StepFailed

LAST = (Copies, Runtime)
"""What services fill is brought back when they are as they were."""
Differences = list[tuple[str, list[str]]]


class Repair:
    """One run, from its first change to its end. The caller holds the lock."""

    def __init__(self, site: Site) -> None:
        """Begin a journal. Raises RepairFailed."""
        self.site = site
        self.journal = Journal.begin(site)
        self.record = Record(self.journal.name)

    def mean(self, causes: Sequence[dict[str, str]]) -> None:
        """Write which findings, each with ``code`` and ``summary``, are to be mended. Raises RepairFailed."""
        try:
            self.journal.write("causes", causes=list(causes))
        except OSError as error:
            raise RepairFailed.at("journal", error) from error

    def apply(self, steps: Sequence[Step]) -> None:
        """Do the steps in order. Raises RepairFailed; then ``take_back`` is due."""
        for step in steps:
            with _failing_as(step, self.site):
                self._cover(step.action.touches(self.site))
        for step in steps:
            with _failing_as(step, self.site):
                self._perform(step)

    def take_back(self) -> list[str]:
        """Bring back all that was touched; give what could not be, a line each.

        What somebody else changed meanwhile stays. The journal may be on a full disk: what can be brought
        back is brought back all the same.
        """
        self._note("undo")
        conflicts = sorted(path for path, _ in differences(self.site, self.record))
        self.record.undoing = True
        problems = restore(self.site, self.record, leave=conflicts)
        problems += [f"{path}: changed by somebody else meanwhile; left as it is" for path in conflicts]
        if not problems:
            self._note("taken-back")
            self.record.reset()
        return problems

    def end(self, status: Status, mended: Sequence[str] = ()) -> None:
        """Write how the run ended, and the codes that it mended."""
        self._note("end", status=str(status), mended=list(mended))
        if status is not Status.DONE:
            self.journal.forget_contents(self.record)

    def _perform(self, step: Step) -> None:
        action = step.action
        touched = action.touches(self.site)
        self._cover(touched)
        edits = action.edits(self.site)
        planned = _planned(touched, edits)
        self.journal.snapshot(
            "doing", planned, command=action.command(self.site.system), codes=list(step.codes)
        )
        self.record.begin(touched, {p: state for each in planned.values() for p, state in each.paths.items()})
        action.apply(self.site, edits)
        left = {thing: seen for thing in touched if (seen := thing.left(self.site)) is not None}
        self.record.finish(left)
        self.journal.snapshot("did", left)

    def _cover(self, things: Iterable[Thing]) -> None:
        """Write down what things are that no earlier action touched."""
        things = tuple(things)
        seen = {thing: thing.capture(self.site) for thing in things if thing not in self.record.before}
        if seen:
            self.journal.snapshot("before", seen)
            self.record.before |= seen
        for thing in things:
            if isinstance(thing, Entry) and thing.replaced:
                keep(self.site, thing.path, self.record.before[thing].paths[thing.path])

    def _note(self, event: str, **values: object) -> None:
        # On a full disk the host is whole all the same; at worst undo looks once more at what is as it was.
        with contextlib.suppress(OSError):
            self.journal.write(event, **values)


@contextlib.contextmanager
def _failing_as(step: Step, site: Site) -> Iterator[None]:
    command = step.action.command(site.system)
    try:
        yield
    except RepairFailed as error:
        raise StepFailed(step.codes, command, str(error)) from error
    except OSError as error:
        reason = RepairFailed.at(error.filename or "journal", error)
        raise StepFailed(step.codes, command, str(reason)) from error


def lost(site: Site, name: str) -> list[str]:
    """Say, a line each, what taking the run ``name`` back does not bring back, by its nature."""
    record = Journal(site, name).read()
    begun = [(thing, was) for thing, was in record.before.items() if thing in record.begun]
    return [line for thing, was in begun for line in thing.lost(site, was)]


def undo(site: Site, name: str, *, force: bool = False) -> list[str]:
    """Take the run ``name`` back; give what could not be brought back, a line each.

    Raises ChangedSince where somebody changed what the run left, unless ``force``; RepairFailed.
    """
    journal = Journal(site, name)
    record = journal.read()
    if record.status is Status.DAMAGED:
        raise RepairFailed(
            f"{journal.directory}: the journal is damaged ({record.trouble}); nothing was changed"
        )
    try:
        changed = differences(site, record)
        if changed and not force:
            raise ChangedSince(changed)
        journal.write("undo")
        problems = restore(site, record)
        if not problems:
            journal.write("end", status=str(Status.UNDONE))
            journal.forget_contents(record)
    except OSError as error:
        raise RepairFailed.at(error.filename or journal.directory, error) from error
    return problems


def restore(site: Site, record: Record, *, leave: Iterable[str] = ()) -> list[str]:
    """Bring back what was begun: services stop, files return, services start. Give what failed."""
    problems: list[str] = []
    begun = [(thing, seen) for thing, seen in record.before.items() if thing in record.begun]
    units = [(thing, seen) for thing, seen in begun if isinstance(thing, Unit)]
    for unit, seen in reversed(units):
        _try(problems, unit.quiet, site, seen)
    left = {Entry(path) for path in leave}
    for thing, seen in _in_order(begun):
        if thing not in left and not _is_filled(thing, record):
            _try(problems, thing.restore, site, seen, record.after.get(thing))
    if site.system.systemd and any(_systemd_reads(thing) for thing, _ in begun):
        _try(problems, site.run, "systemctl", "daemon-reload")
    trees = [(thing, seen) for thing, seen in reversed(begun) if isinstance(thing, LAST)]
    for last, seen in (*units, *trees):
        _try(problems, last.restore, site, seen, record.after.get(last))
    return problems


def differences(site: Site, record: Record) -> Differences:
    """Give what somebody changed since, or what cannot be looked at: for each path the lines that show it."""
    found: Differences = []
    for thing, was in record.before.items():
        if not isinstance(thing, Entry) or thing not in record.begun or _is_filled(thing, record):
            continue
        before = was.paths[thing.path]
        left = record.after[thing].paths[thing.path] if thing in record.after else before
        try:
            now = capture(site, thing.path)
        except (RepairFailed, OSError) as error:
            found.append((thing.path, [f"{thing.path}: cannot be looked at: {error}"]))
            continue
        if not _is_ours(now, before, left, record, thing):
            found.append((thing.path, between(thing.path, left, now)))
    return found


def _is_ours(now: PathState, before: PathState, left: PathState, record: Record, thing: Entry) -> bool:
    """Tell whether a path is as it was, as a run left it, or in between where one was interrupted."""
    if now.same(before) or now.same(left):
        return True
    planned = record.planned.get(thing.path)
    if thing in record.doing and planned is None:
        return True
    if thing in record.doing and planned is not None:
        return now.kind == planned.kind and _is_between(now, left, planned)
    return record.undoing and now.kind in (before.kind, left.kind) and _is_between(now, left, before)


def _is_between(now: PathState, old: PathState, new: PathState) -> bool:
    """Tell whether a file is on its way from ``old`` to ``new``, which lays the new bytes over the old."""
    if now.content is None or old.content is None or new.content is None:
        return now.content in (old.content, new.content)
    pairs = enumerate(zip(now.content, new.content, strict=False))
    shorter = min(len(now.content), len(new.content))
    common = next((index for index, (one, other) in pairs if one != other), shorter)
    return any(now.content[k:] == old.content[k:] for k in (common, len(new.content))) or (
        now.content == new.content[:common]
    )


def _is_filled(thing: Thing, record: Record) -> bool:
    """Tell whether a daemon fills the place as well, so that it is brought back when that is quiet."""
    return isinstance(thing, Entry) and any(
        isinstance(each, Runtime) and f"{thing.path}/".startswith(f"{each.path}/") for each in record.begun
    )


def _planned(touched: Iterable[Thing], edits: tuple[Edit, ...]) -> dict[Thing, Snapshot]:
    states = {each.path: replace(each.access, kind="file", content=each.after) for each in edits}
    return {
        thing: Snapshot({thing.path: states[thing.path]})
        if isinstance(thing, Entry) and thing.path in states
        else Snapshot()
        for thing in touched
    }


def _in_order(begun: list[tuple[Thing, Snapshot]]) -> list[tuple[Thing, Snapshot]]:
    """Give packages, then files from the last to the first; services and what they fill come later."""
    packages = [each for each in begun if isinstance(each[0], Packages)]
    return packages + [each for each in reversed(begun) if not isinstance(each[0], (Packages, Unit, *LAST))]


def _systemd_reads(thing: Thing) -> bool:
    place = getattr(thing, "path", "") or getattr(thing, "pattern", "")
    return place.startswith(("/etc/systemd/", "/etc/rc", "/etc/init.d/"))


def _try(problems: list[str], action: Callable[..., object], *arguments: object) -> None:
    try:
        action(*arguments)
    except RepairFailed as error:
        problems.append(str(error))
    except OSError as error:
        place = getattr(getattr(action, "__self__", None), "path", None) or error.filename
        problems.append(str(RepairFailed.at(str(place), error)))

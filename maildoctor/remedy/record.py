"""One run, as its journal tells: what was to be mended, what things were, and how far it got."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from maildoctor.remedy.path_state import Contents, PathState
from maildoctor.remedy.thing import Snapshot, Thing


class Status(StrEnum):
    """How a run stands."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    """It neither ended nor was taken back: killed, or the power went."""
    TAKEN_BACK = "taken back"
    """By itself, since it failed or did not help."""
    UNDONE = "undone"
    """By the admin."""
    DAMAGED = "damaged"
    """Its journal cannot be read."""


@dataclass(slots=True)
class Record:
    """One run, as its journal tells."""

    id: str
    time: float = 0.0
    causes: list[dict[str, str]] = field(default_factory=list)
    """Findings that were to be mended, or at the end those that were: each with ``code`` and ``summary``."""
    commands: list[str] = field(default_factory=list)
    """Of the actions that were begun, in order."""
    before: dict[Thing, Snapshot] = field(default_factory=dict)
    after: dict[Thing, Snapshot] = field(default_factory=dict)
    begun: set[Thing] = field(default_factory=set)
    """What the actions that were begun touch; only this needs to be brought back."""
    planned: dict[str, PathState] = field(default_factory=dict)
    """What the action that was begun last would make of its files."""
    doing: frozenset[Thing] = frozenset()
    """What the action that was begun last, and did not end, touches."""
    status: Status = Status.INTERRUPTED
    trouble: str = ""
    """Why the journal cannot be read."""
    undoing: bool = False
    """Whether bringing back was begun and did not end."""

    def begin(self, touched: Iterable[Thing], planned: dict[str, PathState]) -> None:
        """Take down that an action begins."""
        self.doing, self.planned = frozenset(touched), planned
        self.begun |= self.doing

    def finish(self, left: Mapping[Thing, Snapshot]) -> None:
        """Take down that it ended, and what it ``left``."""
        self.after |= left
        self.doing, self.planned = frozenset(), {}

    def reset(self) -> None:
        """Take down that all is brought back."""
        self.after, self.doing, self.planned, self.undoing = {}, frozenset(), {}, False
        self.begun.clear()
        self.commands.clear()


class Reader:
    """Turns the journal's lines into a record, one after another; without ``contents`` not the old files."""

    def __init__(self, record: Record, contents: Contents | None) -> None:
        """Begin with an empty ``record``."""
        self.record = record
        self.contents = contents

    def take(self, event: dict[str, Any]) -> None:
        """Take in one line. Raises KeyError, ValueError, OSError, RepairFailed where it is damaged."""
        record = self.record
        match event["event"]:
            case "begin":
                record.time = event["time"]
            case "causes":
                record.causes += event["causes"]
            case "before":
                record.before = record.before | {
                    thing: seen for thing, seen in self._things(event).items() if thing not in record.before
                }
            case "doing":
                record.commands.append(event["command"])
                things = self._things(event)
                record.begin(things, {p: s for each in things.values() for p, s in each.paths.items()})
            case "did":
                record.finish(self._things(event))
            case "taken-back":
                record.reset()
            case "undo":
                record.status, record.undoing = Status.INTERRUPTED, True
            case "end":
                record.status = Status(event["status"])
                mended = event.get("mended", [])
                record.causes = [each for each in record.causes if not mended or each["code"] in mended]

    def _things(self, event: dict[str, Any]) -> dict[Thing, Snapshot]:
        if self.contents is None:
            return {}
        return {Thing.revive(thing): Snapshot.revive(seen, self.contents) for thing, seen in event["things"]}

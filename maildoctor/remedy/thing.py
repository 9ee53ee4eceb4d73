"""What an action touches: declared by the action, looked at and put back by the engine.

A thing is named before a change (``capture``) and restored from what was seen then (``restore``); it
knows nothing of the action. Names and classes are written to the journal, so they must stay readable.
"""

import glob
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from maildoctor.remedy.path_state import Contents, PathState, capture
from maildoctor.remedy.restoring import bring_back
from maildoctor.remedy.site import Site
from maildoctor.remedy.writing import remove, sweep

ENTRIES_LIMIT = 2000
"""Things below a directory that are looked at; a chroot holds about fifty."""

PID_FILE_LIMIT = 64
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a thing was: paths, and facts that are not files."""

    paths: Mapping[str, PathState] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def dump(self, contents: Contents) -> dict[str, Any]:
        """Give plain values for the journal."""
        paths = {path: state.dump(contents) for path, state in self.paths.items()}
        return {"paths": paths, "facts": dict(self.facts)}

    @classmethod
    def revive(cls, plain: dict[str, Any], contents: Contents) -> "Snapshot":
        """Read what ``dump`` gave."""
        paths = {path: PathState.revive(state, contents) for path, state in plain["paths"].items()}
        return cls(paths, plain["facts"])


class Thing(ABC):
    """Something on the host that a repair may change."""

    __slots__ = ()
    kinds: ClassVar[dict[str, type["Thing"]]] = {}
    guarded: ClassVar[bool] = False
    """Whether what somebody changed since is left alone; the other things are undone by their meaning."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the class for ``revive``."""
        Thing.kinds[cls.__name__] = cls

    @abstractmethod
    def capture(self, site: Site) -> Snapshot:
        """Look at it. Raises OSError, RepairFailed."""

    @abstractmethod
    def restore(self, site: Site, before: Snapshot) -> None:
        """Make it again what it was; doing so twice does no harm. Raises OSError, RepairFailed."""

    def dump(self) -> dict[str, Any]:
        """Give plain values for the journal."""
        return {"kind": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    @staticmethod
    def revive(plain: dict[str, Any]) -> "Thing":
        """Read what ``dump`` gave."""
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items() if name != "kind"}
        return Thing.kinds[plain["kind"]](**values)


@dataclass(frozen=True, slots=True)
class Entry(Thing):
    """One path itself, without what lies below it; ``path`` is link-free but for its last component.

    ``replaced`` says that the action will put another file in its place: where the old one has other
    names, it must be kept alive as a file, or those names could never be joined to this one again.
    """

    path: str
    replaced: bool = field(default=False, compare=False)
    guarded: ClassVar[bool] = True

    def capture(self, site: Site) -> Snapshot:
        """Look at the path."""
        return Snapshot({self.path: capture(site, self.path)})

    def restore(self, site: Site, before: Snapshot) -> None:
        """Bring the path back."""
        sweep(site, [self.path])
        bring_back(site, self.path, before.paths[self.path])


@dataclass(frozen=True, slots=True)
class Matches(Thing):
    """The paths that a pattern (glob(7)) matches: what enabling a service makes, say."""

    pattern: str

    def capture(self, site: Site) -> Snapshot:
        """Look at all matches."""
        return Snapshot({path: capture(site, path) for path in self._matches(site)})

    def restore(self, site: Site, before: Snapshot) -> None:
        """Remove what has come since and bring back the rest."""
        for path in self._matches(site):
            if path not in before.paths:
                remove(site, path)
        for path, state in before.paths.items():
            bring_back(site, path, state)

    def _matches(self, site: Site) -> list[str]:
        found = glob.glob(glob.escape(site.root) + self.pattern)
        return sorted(path.removeprefix(site.root) for path in found)


@dataclass(frozen=True, slots=True)
class Tree(Thing):
    """A directory and all below it that a daemon or its start-up script fills.

    With ``contents`` files are brought back byte for byte (a chroot); without, only what is missing or too
    much is mended, since a daemon that runs again has written its own process id there.
    """

    path: str
    contents: bool

    def capture(self, site: Site) -> Snapshot:
        """Look at everything below the path."""
        states = {path: capture(site, path) for path in self._entries(site)}
        if not self.contents:
            # What is larger than a process id is a cache, of passwords even.
            states = {path: _without_large_content(state) for path, state in states.items()}
        return Snapshot(states)

    def restore(self, site: Site, before: Snapshot) -> None:
        """Remove what has come since, the deepest first, and bring back the rest."""
        for path in reversed(self._entries(site)):
            if path not in before.paths:
                remove(site, path)
        for path, state in before.paths.items():
            if self.contents or state.kind == "directory" or capture(site, path).kind != state.kind:
                _bring_back_if_known(site, path, state)

    def _entries(self, site: Site) -> list[str]:
        top = site.root + self.path
        if not os.path.lexists(top):
            return []
        found = [self.path]
        for directory, names, files in os.walk(top):
            below = directory.removeprefix(site.root)
            found += [f"{below}/{name}" for name in sorted((*names, *files))]
            if len(found) > ENTRIES_LIMIT:
                return found[:ENTRIES_LIMIT]
        return sorted(found)


def _without_large_content(state: PathState) -> PathState:
    return replace(state, content=None) if len(state.content or b"") > PID_FILE_LIMIT else state


def _bring_back_if_known(site: Site, path: str, state: PathState) -> None:
    if state.kind != "file" or state.content is not None:
        bring_back(site, path, state)


def directories_and(site: Site, path: str, *, replaced: bool = False) -> tuple[Thing, ...]:
    """Give what making ``path`` touches: the directories that do not exist yet, and the path."""
    above = tuple(Entry(directory) for directory in site.missing_directories(path))
    return (*above, Entry(site.real(path, follow=False), replaced))

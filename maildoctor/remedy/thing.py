"""What an action touches: declared by the action, looked at and put back by the engine.

A thing is named before a change (``capture``) and restored from what was seen then (``restore``); it
knows nothing of the action. Names and classes are written to the journal, so they must stay readable.
"""

import glob
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from maildoctor.remedy.path_state import Contents, PathState, capture
from maildoctor.remedy.restoring import bring_back
from maildoctor.remedy.site import Site
from maildoctor.remedy.writing import remove, sweep


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

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the class for ``revive``."""
        Thing.kinds[cls.__name__] = cls

    @abstractmethod
    def capture(self, site: Site) -> Snapshot:
        """Look at it. Raises OSError, RepairFailed."""

    def left(self, site: Site) -> Snapshot | None:
        """Look at it after the action, where undo must know what somebody changed since."""
        return None

    @abstractmethod
    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Make it again what it was, where ``after`` (None: unknown) is what ``left`` gave.

        Doing so twice does no harm. Raises OSError, RepairFailed.
        """

    def lost(self, site: Site, before: Snapshot) -> tuple[str, ...]:
        """Say, a line each, what of ``before`` the action will change and ``restore`` cannot bring back."""
        return ()

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

    def capture(self, site: Site) -> Snapshot:
        """Look at the path."""
        return Snapshot({self.path: capture(site, self.path)})

    def left(self, site: Site) -> Snapshot:
        """Look at the path again."""
        return self.capture(site)

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
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

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Remove what has come since and bring back the rest."""
        for path in self._matches(site):
            if path not in before.paths:
                remove(site, path)
        for path, state in before.paths.items():
            bring_back(site, path, state)

    def _matches(self, site: Site) -> list[str]:
        found = glob.glob(glob.escape(site.root) + self.pattern)
        return sorted(path.removeprefix(site.root) for path in found)


def directories_and(site: Site, path: str, *, replaced: bool = False) -> tuple[Thing, ...]:
    """Give what making ``path`` touches: the directories that do not exist yet, and the path."""
    above = tuple(Entry(directory) for directory in site.missing_directories(path))
    return (*above, Entry(site.real(path, follow=False), replaced))

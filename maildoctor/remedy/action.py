"""What an action is: data that can say itself as a shell command, what it touches, and do it.

An action brings no undo of its own: the engine looks at what it ``touches`` before, and restores that. An
action that writes files computes their new content first (``edits``), for the preview and for real alike.
"""

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from maildoctor.remedy.system import System

if TYPE_CHECKING:
    from maildoctor.remedy.path_state import PathState
    from maildoctor.remedy.site import Site
    from maildoctor.remedy.thing import Thing


class Turn(enum.IntEnum):
    """When an action's turn is, where several root causes are mended in one run."""

    PACKAGES = 0
    FILES = 1
    """Files, owners, groups, overrides."""
    BOOT = 2
    DAEMONS = 3
    POSTFIX = 4
    """Last, when everything that it reads and talks to is in place."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A file's new content; ``access`` holds the owner, group, mode and attributes that it gets."""

    path: str
    before: bytes | None
    after: bytes
    access: "PathState"


class Action(ABC):
    """One change to the host."""

    __slots__ = ()
    turn: ClassVar[Turn] = Turn.FILES

    @abstractmethod
    def command(self, system: System) -> str:
        """Give the shell command that does the same on this ``system``."""

    @abstractmethod
    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Declare what it may change, as things stand now. Raises RepairFailed."""

    def edits(self, site: "Site") -> tuple[Edit, ...]:
        """Give the files that it writes, with their new content. Raises RepairFailed."""
        return ()

    @abstractmethod
    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Do it; ``edits`` are those that ``edits`` gave just now. Raises RepairFailed, OSError."""

    def previewed(self, site: "Site") -> tuple[Edit, ...]:
        """Give those edits that can be told before anything is done."""
        return self.edits(site)

    def described(self, site: "Site") -> tuple[str, ...]:
        """Say what else it changes that the command alone does not show, a line each."""
        return ()


class FileAction(Action):
    """An action that is done when its edits are written."""

    __slots__ = ()

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the files that it writes, and directories that do not exist yet."""
        from maildoctor.remedy.thing import directories_and

        return tuple(thing for path in self.paths for thing in directories_and(site, site.real(path)))

    @property
    @abstractmethod
    def paths(self) -> tuple[str, ...]:
        """Give the paths of the files that it may write."""

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Write the edits that change anything."""
        from maildoctor.remedy.writing import write

        for edit in edits:
            write(site, edit.path, edit.after, edit.access)


def edit(site: "Site", path: str, after: bytes, access: "PathState | None" = None) -> tuple[Edit, ...]:
    """Make the edit of one file, or none where it would change nothing.

    A file keeps its owner, group, mode and attributes unless ``access`` says otherwise, which a new file
    needs at any rate.
    """
    from dataclasses import replace

    from maildoctor.remedy.path_state import PathState, capture

    real = site.real(path)
    present = capture(site, real)
    before = site.read(real)
    if access is None:
        new = PathState("file", mode=0o644)
        access = new if present.kind == "absent" else replace(present, mtime=0, content=None)
    if before == after and (present.kind == "absent" or present.access == access.access):
        return ()
    return (Edit(real, before, after, access),)

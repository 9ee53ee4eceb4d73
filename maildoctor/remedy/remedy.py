"""A remedy: how safe it is, and what would be done."""

import enum

from maildoctor.remedy.action import Action
from maildoctor.remedy.system import System
from maildoctor.value import value


class Safety(enum.StrEnum):
    """Who decides."""

    SAFE = "safe"
    """Can be undone, opens nothing new, and restores what the configuration plainly intends."""
    CHOICE = "choice"
    """Can be done, but the admin must want it."""
    MANUAL = "manual"
    """We only explain."""


@value
class Option:
    """One way to mend a fault."""

    name: str
    """A word for ``--accept CODE=NAME``."""
    meaning: str
    """One sentence: what it means for the host."""
    actions: tuple[Action, ...]

    def commands(self, system: System) -> list[str]:
        """Give the shell commands that an admin would type, in order."""
        return [action.command(system) for action in self.actions]


@value
class Remedy:
    """How a finding is mended; the first option is the recommended one."""

    safety: Safety = Safety.MANUAL
    options: tuple[Option, ...] = ()
    notes: str = ""
    """Prose for people; whatever destroys something stands here and never in an action."""

    @classmethod
    def safe(cls, *actions: Action, notes: str = "") -> "Remedy":
        """Make a remedy that ``--fix --yes`` may take."""
        return cls(Safety.SAFE, (Option("mend", "", actions),), notes)

    @classmethod
    def choice(cls, *options: Option, notes: str = "") -> "Remedy":
        """Make a remedy among whose ``options`` the admin chooses."""
        return cls(Safety.CHOICE, options, notes)

    @classmethod
    def manual(cls, notes: str) -> "Remedy":
        """Make a remedy that only explains."""
        return cls(Safety.MANUAL, (), notes)

    def commands(self, system: System) -> list[str]:
        """Give the commands of the recommended option."""
        return self.options[0].commands(system) if self.options else []

"""Why a repair, or taking one back, did not come about. The text of each is one line for people."""

import errno


class RepairFailed(Exception):
    """Something could not be done; what had been done before it must be taken back."""

    @classmethod
    def at(cls, path: str, error: OSError) -> "RepairFailed":
        """Say which ``path`` the system refused to change, and why."""
        hint = HINTS.get(error.errno or 0)
        return cls(f"{path}: {error.strerror or error}{f' ({hint})' if hint else ''}")


class StepFailed(RepairFailed):
    """One step of a repair failed; ``codes`` are the root causes that asked for it."""

    def __init__(self, codes: tuple[str, ...], command: str, reason: str) -> None:
        """Remember which step it was."""
        self.codes = codes
        super().__init__(reason if reason.startswith(command) else f"{command}: {reason}")


HINTS = {
    errno.EPERM: "not root, or an immutable file: see lsattr",
    errno.EROFS: "mount it read-write first",
    errno.ENOSPC: "make room first",
    errno.EDQUOT: "make room first",
    errno.ELOOP: "a symbolic link stands there that root does not follow",
}


class PlantedLink(RepairFailed):
    """A symbolic link lies where somebody less privileged could have put it."""

    def __init__(self, path: str) -> None:
        """Name the link's ``path``."""
        super().__init__(f"{path}: a symbolic link that somebody other than root could have put there")


class RepairInProgress(RepairFailed):
    """Another repair holds the lock."""


class ChangedSince(RepairFailed):
    """What a repair left has been changed by somebody since."""

    def __init__(self, differences: "list[tuple[str, list[str]]]") -> None:
        """Keep, for each path, the lines that show what was changed since."""
        self.differences = differences
        names = ", ".join(path for path, _ in differences)
        super().__init__(f"changed since the repair: {names}")

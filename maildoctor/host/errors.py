"""Why something could not be looked at. "Could not look" is never "ok"."""


class CannotLook(Exception):
    """Something on the host could not be looked at; the text is one line for people."""


class Unreadable(CannotLook):
    """A path could not be read; ``path`` is the one asked for, ``why`` the reason in a few words."""

    why = "cannot be read"

    def __init__(self, path: str, why: str | None = None) -> None:
        """Remember ``path``; ``why`` takes the place of the class's own reason."""
        self.path = path
        self.why = why or self.why
        super().__init__(f"{path}: {self.why}")


class Missing(Unreadable):
    """Nothing is there (ENOENT)."""

    why = "no such file or directory"


class NotADirectory(Missing):
    """A component on the way is not a directory (ENOTDIR)."""

    why = "a component of the path is not a directory"


class Refused(Unreadable):
    """This process may not look there (EACCES, EPERM): mostly, it is not root."""

    why = "permission denied (not running as root?)"


class NotRegular(Unreadable):
    """It is a directory, a FIFO, a socket or a device where a file should be."""

    why = "is not a regular file"


class TooLarge(Unreadable):
    """It is larger than any sane file of its kind."""

    why = "is too large"


class LinkLoop(Unreadable):
    """Symbolic links lead round in a circle (ELOOP)."""

    why = "symbolic links lead in a circle"


class NeedsLiveHost(CannotLook):
    """The question can only be put to a running system, not to a directory tree."""

    def __init__(self, what: str) -> None:
        """Say ``what`` would have been asked."""
        super().__init__(f"{what}: needs the running host, not a directory tree")


class CommandMissing(CannotLook):
    """A program is not installed."""

    def __init__(self, program: str) -> None:
        """Name the ``program``."""
        self.program = program
        super().__init__(f"{program}: command not found")


class CommandHung(CannotLook):
    """A program did not answer within its time limit and was killed."""

    def __init__(self, program: str, seconds: float) -> None:
        """Name the ``program`` and its limit in ``seconds``."""
        self.program = program
        super().__init__(f"{program}: no answer within {seconds:g} seconds")


class CommandFailed(CannotLook):
    """A program ended with an error where an answer was needed."""

    def __init__(self, program: str, status: int, message: str) -> None:
        """Name the ``program``, its exit ``status`` and the first line that it wrote to stderr."""
        self.program, self.status = program, status
        super().__init__(f"{program}: exit status {status}: {message.strip() or 'no message'}")

"""One file a command: what it asks, in which order, and its exit status."""

import enum


class ExitStatus(enum.IntEnum):
    """What every command ends with."""

    FINE = 0
    FOUND = 1
    """Something at or above what was asked for."""
    USAGE = 2
    UNJUDGED = 3
    """The question itself could not be judged."""
    INTERRUPTED = 130


class WrongUsage(Exception):
    """The command was called in a way that cannot be done; the text is one line for people."""

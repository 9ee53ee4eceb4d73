"""Where a value was read: a file and a line, or a command.

A check never types its evidence again: it hands on the ``Source`` that came with the value.
"""

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Source(NamedTuple):
    """A place on the host: a file (with a line number from 1), or a command that was run."""

    path: str
    line: int | None = None

    def __str__(self) -> str:
        """Give the form that admins and editors understand: ``/etc/postfix/main.cf:17``."""
        return self.path if self.line is None else f"{self.path}:{self.line}"


class Sourced(NamedTuple, Generic[T]):
    """A value and the place it was read from; ``source`` is None for a built-in default."""

    value: T
    source: Source | None = None

    def __str__(self) -> str:
        """Give the value alone, for use in sentences."""
        return str(self.value)

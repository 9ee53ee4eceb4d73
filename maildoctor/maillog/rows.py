"""Attempts as plain rows and columns: what the fast lane makes of many lines at once."""

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

Key = tuple[str, str]
"""What a tally is of: a message of the catalogue, and its detail."""
Row = tuple[Key, str, str, bytes, bytes, str, bytes, bytes]
"""The fields of an ``Attempt``, in their order."""


class Columns(NamedTuple):
    """Lines of one kind in the order of the log: where, by which process, and what to count.

    The process id of an unusual line is empty, and its row means nothing.
    """

    places: list[int]
    pids: list[bytes]
    rows: list[Row]

    def part(self, begin: int, end: int | None) -> "Columns":
        """Give the lines from number ``begin`` to ``end``."""
        if begin == 0 and end is None:
            return self
        return Columns(self.places[begin:end], self.pids[begin:end], self.rows[begin:end])

    def without(self, pids: set[bytes]) -> "Columns":
        """Give the lines of all other processes."""
        return self if pids.isdisjoint(self.pids) else self._where([pid not in pids for pid in self.pids])

    def without_keys(self, keys: set[Key]) -> "Columns":
        """Give the lines that belong to all other tallies."""
        return self._where([row[0] not in keys for row in self.rows]) if keys else self

    def _where(self, kept: Sequence[bool]) -> "Columns":
        return Columns(
            [*compress(self.places, kept)], [*compress(self.pids, kept)], [*compress(self.rows, kept)]
        )

"""Which names come up most, and how many there are, in bounded memory whatever strangers send.

``Top`` is the algorithm of Misra and Gries (1982) in batches: a count shown is at most ``error`` too small,
and ``error`` is at most total / (capacity + 1). While fewer names than that came up, counts are exact.
``Distinct`` keeps the smallest hashes (Bar-Yossef and others, 2002): exact below 1,024 names, about 3 % off
above. What it says does not depend on the order, nor on how a log is cut into parts.
"""

import zlib
from collections import Counter
from collections.abc import Iterable

LONGEST_NAME = 100
"""Bytes of a user name that are kept."""


class Top:
    """The most frequent of a stream of names."""

    def __init__(self, capacity: int = 512) -> None:
        """Keep at least ``capacity`` names, and up to four times as many between two clean-ups."""
        self.capacity = capacity
        self.counts: Counter[bytes] = Counter()
        self.error = 0

    def add(self, names: Iterable[bytes]) -> None:
        """Count ``names``."""
        self.counts.update(names)
        if len(self.counts) > 4 * self.capacity:
            self._reduce()

    def merge(self, other: "Top") -> None:
        """Count in what ``other`` counted."""
        self.counts.update(other.counts)
        self.error += other.error
        if len(self.counts) > 4 * self.capacity:
            self._reduce()

    def most(self, number: int) -> list[tuple[bytes, int]]:
        """Give the ``number`` most frequent names, ties in alphabetical order."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]

    def _reduce(self) -> None:
        cut = sorted(self.counts.values(), reverse=True)[self.capacity]
        self.error += cut
        self.counts = Counter({name: count - cut for name, count in self.counts.items() if count > cut})


class Distinct:
    """About how many different names came up."""

    def __init__(self, kept: int = 1024) -> None:
        """Begin with none; ``kept`` hashes are kept."""
        self._kept = kept
        self._smallest: set[int] = set()
        self._limit = 1 << 32

    def add(self, names: Iterable[bytes]) -> None:
        """Note ``names``."""
        limit, crc32 = self._limit, zlib.crc32
        self._smallest.update([number for name in names if (number := crc32(name)) < limit])
        if len(self._smallest) > 2 * self._kept:
            self._shorten()

    def merge(self, other: "Distinct") -> None:
        """Note what ``other`` noted."""
        self._smallest |= other._smallest
        self._limit = min(self._limit, other._limit)
        self._shorten()

    def about(self) -> int:
        """Give the estimate."""
        self._shorten()
        if len(self._smallest) < self._kept:
            return len(self._smallest)
        return round((self._kept - 1) * (1 << 32) / max(self._smallest))

    def _shorten(self) -> None:
        if len(self._smallest) > self._kept:
            kept = sorted(self._smallest)[: self._kept]
            self._smallest, self._limit = set(kept), kept[-1] + 1

"""Which names come up most, and how many there are, in bounded memory whatever strangers send.

``Top`` is the algorithm of Misra and Gries (1982) in batches: a count shown is at most ``error`` too small,
and ``error`` is at most total / (capacity + 1). While fewer names than that came up, counts are exact.
``Distinct`` is linear counting (Whang and others, 1990): about 1 % off up to a million names, and exact in
practice for small numbers.
"""

import math
import zlib
from collections import Counter
from collections.abc import Iterable

LONGEST_NAME = 200


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

    BITS = 1 << 18

    def __init__(self) -> None:
        """Begin with none; 32 KiB."""
        self._map = bytearray(self.BITS // 8)

    def add(self, names: Iterable[bytes]) -> None:
        """Note ``names``."""
        marks, mask = self._map, self.BITS - 1
        for name in set(names):
            place = zlib.crc32(name) & mask
            marks[place >> 3] |= 1 << (place & 7)

    def merge(self, other: "Distinct") -> None:
        """Note what ``other`` noted."""
        both = int.from_bytes(self._map, "little") | int.from_bytes(other._map, "little")
        self._map = bytearray(both.to_bytes(len(self._map), "little"))

    def about(self) -> int:
        """Give the estimate."""
        empty = self.BITS - int.from_bytes(self._map, "little").bit_count()
        return round(-self.BITS * math.log(max(empty, 1) / self.BITS))

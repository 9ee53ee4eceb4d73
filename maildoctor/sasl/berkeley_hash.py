"""The keys of a Berkeley DB hash file, read without libdb: enough to list who is in /etc/sasldb2.

The values are passwords; they are stepped over and never taken out of the page. The layout is that of libdb's
dbinc/db_page.h, unchanged from Berkeley DB 3.1 (hash version 7) to 5.3 (version 9).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

META_SIZE = 512
HASH_MAGIC = 0x061561
OTHER_MAGICS = {0x053162: "a Berkeley DB btree", 0x042253: "a Berkeley DB queue"}
READABLE_VERSIONS = range(7, 11)
"""Older ones must go through db_upgrade(1) first."""
ENCRYPTION_ALGORITHM = 24
PAGE_HEADER = 26
HASH_PAGES = (2, 13)
"""P_HASH_UNSORTED, P_HASH."""
OVERFLOW_PAGE = 7
KEY_ON_PAGE, KEY_ELSEWHERE = 1, 3
LONGEST_KEY = 65536


class NotAHashFile(ValueError):
    """libdb would not open it as a hash file; the text says why, to follow the file's name."""


@dataclass(frozen=True, slots=True)
class _Pages:
    data: bytes
    order: str
    size: int

    def header(self, number: int) -> tuple[int, int, int, int]:
        """Give a page's next page, number of entries (on overflow pages: of references), offset and type."""
        start = number * self.size
        return struct.unpack_from(f"{self.order}IHHxB", self.data, start + 16)

    def page(self, number: int) -> bytes:
        return self.data[number * self.size : (number + 1) * self.size]

    @property
    def count(self) -> int:
        return len(self.data) // self.size


def keys(data: bytes) -> Iterator[bytes]:
    """Yield each key of the hash file whose whole content is ``data``. Raises NotAHashFile at once."""
    return _keys(_open(data))


def _open(data: bytes) -> _Pages:
    if not data:
        raise NotAHashFile("is empty (0 bytes)")
    if len(data) < META_SIZE:
        raise NotAHashFile("is no Berkeley DB hash file")
    order = _byte_order(data)
    version, size = struct.unpack_from(f"{order}II", data, 16)
    if data[ENCRYPTION_ALGORITHM]:
        raise NotAHashFile("is an encrypted Berkeley DB file")
    if version not in READABLE_VERSIONS:
        raise NotAHashFile(f"is a Berkeley DB hash file of version {version}, which needs db_upgrade")
    if size not in (2**power for power in range(9, 17)):
        raise NotAHashFile("is a Berkeley DB hash file with an impossible page size")
    last = struct.unpack_from(f"{order}I", data, 32)[0]
    if len(data) % size or len(data) // size <= last:
        raise NotAHashFile("is a Berkeley DB hash file that was cut off")
    return _Pages(data, order, size)


def _byte_order(data: bytes) -> str:
    for order in "<>":
        magic = struct.unpack_from(f"{order}I", data, 12)[0]
        if magic == HASH_MAGIC:
            return order
        if magic in OTHER_MAGICS:
            raise NotAHashFile(f"is {OTHER_MAGICS[magic]}, not a hash file")
    if struct.unpack_from("<I", data)[0] == 0x13579ACF:
        raise NotAHashFile("is a GDBM file, not a Berkeley DB hash file")
    raise NotAHashFile("is no Berkeley DB hash file")


def _keys(pages: _Pages) -> Iterator[bytes]:
    for number in range(1, pages.count):
        _, entries, _, kind = pages.header(number)
        if kind in HASH_PAGES:
            yield from _keys_of_page(pages, number, entries)


def _keys_of_page(pages: _Pages, number: int, entries: int) -> Iterator[bytes]:
    """Yield every second item: keys and values alternate, and each ends where the one before begins."""
    page = pages.page(number)
    entries = min(entries, (pages.size - PAGE_HEADER) // 2)
    offsets = struct.unpack_from(f"{pages.order}{entries}H", page, PAGE_HEADER)
    end = pages.size
    for index, start in enumerate(offsets):
        if not PAGE_HEADER + 2 * entries <= start < end:
            return
        if index % 2 == 0 and page[start] == KEY_ON_PAGE:
            yield page[start + 1 : end]
        elif index % 2 == 0 and page[start] == KEY_ELSEWHERE and end - start >= 12:
            first, length = struct.unpack_from(f"{pages.order}II", page, start + 4)
            yield _overflow(pages, first, min(length, LONGEST_KEY))
        end = start


def _overflow(pages: _Pages, number: int, length: int) -> bytes:
    """Collect a key that is too long for a page of its own; it goes on from page to page."""
    key = b""
    while 0 < number < pages.count and len(key) < length:
        following, _, used, kind = pages.header(number)
        part = pages.page(number)[PAGE_HEADER : PAGE_HEADER + used]
        if kind != OVERFLOW_PAGE or not part:
            break
        key, number = key + part, following
    return key[:length]

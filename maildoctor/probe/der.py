"""Reading DER (ITU-T X.690), as far as a certificate needs it: tags, lengths, and names of objects."""

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, OCTET_STRING, OID = 0x02, 0x04, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
TEXT = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""Encodings of the string types."""


class BadDer(ValueError):
    """The bytes are no DER."""


@dataclass(frozen=True, slots=True)
class Item:
    """One tagged value."""

    tag: int
    data: bytes

    def __iter__(self) -> Iterator["Item"]:
        """Give the items inside. Raises BadDer."""
        rest = self.data
        while rest:
            item, rest = first(rest)
            yield item


def first(data: bytes) -> tuple[Item, bytes]:
    """Give the first item of ``data`` and what follows it. Raises BadDer."""
    if len(data) < 2:
        raise BadDer("cut off")
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise BadDer("a length that DER does not know")
        start += count
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise BadDer("cut off")
    return Item(tag, data[start : start + length]), data[start + length :]


def oid(data: bytes) -> str:
    """Give an object identifier in dotted form."""
    arcs, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        return ""
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, [top, arcs[0] - 40 * top, *arcs[1:]]))


def text(item: Item) -> str:
    """Give a string of any type."""
    return item.data.decode(TEXT.get(item.tag, "latin-1"), "replace")

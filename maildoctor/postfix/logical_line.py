"""Logical lines of Postfix's configuration files, with the line number of every piece.

A line that begins with white space continues the one before, even over blank lines and comments between
them; a line whose first visible character is ``#`` is a comment. Source: postconf(5), master(5), and
Postfix's own readlline(3).
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

BLANKS = " \t\r\n\v\f"
UTF16 = "the file is UTF-16 text; Postfix reads ASCII and UTF-8"


@dataclass(slots=True)
class LogicalLine:
    """One logical line; ``text`` is the pieces put together without their line ends."""

    text: str
    starts: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    @property
    def line(self) -> int:
        """Give the number of its first line, from 1."""
        return self.lines[0]

    def line_at(self, offset: int) -> int:
        """Give the number of the line that holds the character at ``offset`` of ``text``."""
        return self.lines[bisect_right(self.starts, offset) - 1]

    def extend(self, number: int, text: str) -> None:
        """Add the piece that stands at line ``number``."""
        self.starts.append(len(self.text))
        self.lines.append(number)
        self.text += text


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """Yield the logical lines of a file; the first one may begin with white space, which is a mistake."""
    current: LogicalLine | None = None
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole.partition("\0")[0]  # Postfix ignores what follows a NUL byte
        visible = line.lstrip(BLANKS)
        if not visible or visible.startswith("#"):
            continue
        if current is None or line[0] not in BLANKS:
            if current is not None:
                yield current
            current = LogicalLine("")
        current.extend(number, line)
    if current is not None:
        yield current


def is_utf16(text: str) -> bool:
    """Tell whether a file (decoded as UTF-8, other bytes as surrogates) is really UTF-16 with its mark."""
    return text.startswith(("\udcff\udcfe", "\udcfe\udcff"))

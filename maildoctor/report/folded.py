"""Folding lines at a terminal's width, so that what goes on stands under what it belongs to."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import TextIO

from maildoctor.report.ink import Line
from maildoctor.report.sanitise import visible

DEEPEST = 16
"""Columns by which a folded line is indented at most."""
NARROWEST = 40


def folded(lines: Iterable[Line], width: int | None) -> Iterator[Line]:
    """Yield ``lines`` with their last part folded at ``width`` columns; None leaves them whole.

    Lines of a log (``dim`` to their end) stay whole, to be copied.
    """
    for line in lines:
        if width is None or not line or line[-1][1] == "dim" or _length(line) <= width:
            yield line
        else:
            yield from _fold(line, max(width, NARROWEST))


def width_of(stream: TextIO) -> int | None:
    """Give the columns of a terminal, None for a file or a pipe, where a line is a line."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def _fold(line: Line, width: int) -> Iterator[Line]:
    *before, (text, style) = line
    plain = visible(text)
    begin = _length(before)
    margin = " " * min(DEEPEST, begin or len(plain) - len(plain.lstrip()))
    first, *rest = textwrap.wrap(
        plain, width, initial_indent=" " * begin, subsequent_indent=margin, break_long_words=False,
        break_on_hyphens=False, drop_whitespace=True,
    ) or [plain]  # fmt: skip
    yield [*before, (first[begin:] if begin else first, style)]
    for part in rest:
        yield [(part, style)]


def _length(line: Line) -> int:
    return sum(len(visible(part)) for part, _ in line)

"""Lines of styled text, painted on a terminal by rich and written plainly everywhere else.

A line is a list of spans (text, style); data never carries markup, so nothing that it holds is interpreted.
"""

import enum
import os
import sys
from collections.abc import Iterable
from typing import TextIO

from maildoctor.report.sanitise import visible

Span = tuple[str, str]
Line = list[Span]


class Colour(enum.StrEnum):
    """The values of ``--color``."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def wanted(colour: Colour, stream: TextIO) -> bool:
    """Tell whether to paint: as asked, else on a terminal unless NO_COLOR is set (no-color.org)."""
    if colour is not Colour.AUTO:
        return colour is Colour.ALWAYS
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write(lines: Iterable[Line], colour: Colour, stream: TextIO | None = None) -> None:
    """Write ``lines``, each span made visible first; unknown characters of the terminal become ``?``."""
    stream = stream or sys.stdout
    text = "".join("".join(visible(part) for part, _ in line).rstrip() + "\n" for line in lines)
    if wanted(colour, stream):
        text = painted(lines)
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))


def painted(lines: Iterable[Line]) -> str:
    """Give the lines with the terminal's colour codes."""
    from rich.style import Style

    rows = []
    for line in lines:
        spans = (
            Style.parse(style).render(visible(part)) if style and part else visible(part)
            for part, style in line
        )
        rows.append("".join(spans).rstrip())
    return "\n".join(rows) + "\n"

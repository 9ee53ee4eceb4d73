"""The page of a check, as its docstring holds it; ``maildoctor explain`` prints it and the host tests run it.

Its first line says what is wrong. Then paragraphs under headings that stand alone on a line and end with a
colon: ``What:``, ``Why:``, ``Start:`` (the working arrangement that the example begins with), ``Break:`` and
``Mend:`` (shell lines; ``Break on 13:`` holds for that Debian release instead), ``Safety:``, ``See:``.
"""

from typing import NamedTuple

from maildoctor.pattern import pattern

HEADING = pattern(r"^(What|Why|Start|Break|Mend|Safety|See)(?: on (\d+))?:[ \t]*(.*)$")


class Page(NamedTuple):
    """A check's page; ``sections`` maps a heading such as ``Break`` or ``Break on 13`` to its text."""

    title: str
    sections: dict[str, str]

    def section(self, heading: str, release: int | None = None) -> str:
        """Give a section's text, the one for that Debian ``release`` first; empty where there is none."""
        return self.sections.get(f"{heading} on {release}") or self.sections.get(heading, "")


def parse(documentation: str) -> Page:
    """Take a docstring (indentation already removed) apart."""
    title, _, rest = documentation.partition("\n")
    sections: dict[str, list[str]] = {}
    heading = ""
    for line in rest.splitlines():
        if match := HEADING.match(line):
            heading = f"{match[1]} on {match[2]}" if match[2] else match[1]
            sections[heading] = [match[3]] if match[3] else []
        elif heading:
            sections[heading].append(line)
    return Page(title.strip(), {name: _dedent(lines) for name, lines in sections.items()})


def _dedent(lines: list[str]) -> str:
    import textwrap

    return textwrap.dedent("\n".join(lines)).strip("\n ")

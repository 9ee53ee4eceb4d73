"""main.cf as text: parameters with their line numbers, and the lines that Postfix cannot use."""

from typing import NamedTuple

from maildoctor.postfix.logical_line import BLANKS, UTF16, is_utf16, logical_lines
from maildoctor.source import Source, Sourced

BYTE_ORDER_MARK = "\ufeff"


class Problem(NamedTuple):
    """A line that Postfix cannot use; ``text`` says why, in a few words."""

    source: Source
    text: str
    fatal: bool = True
    """Whether Postfix refuses to work because of it; otherwise it ignores the line."""


class MainCf(NamedTuple):
    """main.cf as it stands; values are unexpanded and the last setting of a parameter counts."""

    parameters: dict[str, Sourced[str]]
    problems: tuple[Problem, ...] = ()
    overridden: tuple[tuple[str, Sourced[str]], ...] = ()
    """Settings that a later line of the same file overrides."""


def parse(text: str, path: str = "/etc/postfix/main.cf") -> MainCf:
    """Read main.cf's text (bytes that are no UTF-8 as surrogates); ``path`` names it in sources."""
    if is_utf16(text):
        return MainCf({}, (Problem(Source(path, 1), UTF16),))
    parameters: dict[str, Sourced[str]] = {}
    problems: list[Problem] = []
    overridden: list[tuple[str, Sourced[str]]] = []
    for logical in logical_lines(text):
        source = Source(path, logical.line)
        name, equals, value = logical.text.partition("=")
        problem = _refusal(source, logical.text, name, equals)
        if problem:
            problems.append(problem)
            continue
        name = name.strip(BLANKS)
        if name in parameters:
            overridden.append((name, parameters.pop(name)))
        parameters[name] = Sourced(value.strip(BLANKS), source)
    return MainCf(parameters, tuple(problems), tuple(overridden))


def _refusal(source: Source, text: str, name: str, equals: str) -> Problem | None:
    """Say why Postfix's split_nameval(3) refuses a line; None if it takes it."""
    start = text.strip(BLANKS)[:60]
    shown = f'"{start}"' if start.lstrip(BYTE_ORDER_MARK).isprintable() else "binary data"
    if text[0] in BLANKS:
        return Problem(source, f"{shown} begins with white space and so sets nothing", fatal=False)
    if text.startswith(BYTE_ORDER_MARK):
        return Problem(source, f'a byte order mark stands before "{start[1:]}"', fatal=False)
    if not name.strip(BLANKS):
        return Problem(source, f"{shown} has no parameter name before '='")
    if not equals or any(blank in name.strip(BLANKS) for blank in BLANKS):
        return Problem(source, f"{shown} has no '=' right after the parameter's name")
    return None

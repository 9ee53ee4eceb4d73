"""/etc/default/saslauthd: read as its two readers would read it, and never run.

Debian 12 and older: /etc/init.d/saslauthd sources it, so it is shell (dash). Debian 13: the systemd unit
names it as EnvironmentFile, which systemd.exec(5) reads by rules of its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from maildoctor.pattern import pattern
from maildoctor.sasl.shell_words import Command, ShellSyntaxError, Word, commands
from maildoctor.source import Source, Sourced

ASSIGNMENT = pattern(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
CARRIAGE_RETURN = "lines end with a carriage return, which becomes part of each value"
READ = frozenset({"START", "MECHANISMS", "MECH_OPTIONS", "OPTIONS", "THREADS", "NAME", "DESC"})


class Complaint(NamedTuple):
    """A line that does not do what it seems to; ``fatal``: nothing after it is read (a syntax error)."""

    line: int
    text: str
    why: str
    fatal: bool = False


@dataclass(slots=True)
class Defaults:
    """What a reader makes of the file; the last assignment of a name counts."""

    path: str
    variables: dict[str, Sourced[str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    """Names whose value only running the file would tell (``$(...)``, a condition)."""
    complaints: list[Complaint] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> Sourced[str]:
        """Give a variable's value and line, or ``default`` without a source."""
        return self.variables.get(name, Sourced(default))

    @property
    def fatal(self) -> Complaint | None:
        """Give the syntax error that ends the reading."""
        return next((each for each in self.complaints if each.fatal), None)


def read_as_shell(text: str, path: str) -> Defaults:
    """Read assignments as dash would, sourcing the file."""
    defaults = Defaults(path)
    if "\r\n" in text:
        line = text[: text.index("\r")].count("\n") + 1
        defaults.complaints.append(Complaint(line, text.splitlines()[line - 1], CARRIAGE_RETURN))
    try:
        for command in commands(text):
            _take(command, defaults)
    except ShellSyntaxError as error:
        defaults.complaints.append(Complaint(error.line, error.text, error.why, fatal=True))
    return defaults


def _take(command: Command, defaults: Defaults) -> None:
    words = list(command.words)
    exported = bool(words) and words[0].text in ("export", "readonly")
    if exported:
        words.pop(0)
    assigned = []
    while words and (match := ASSIGNMENT.fullmatch(words[0].text)) and words[0].name_is_bare:
        assigned.append((match[1], match[2], words.pop(0)))
    if words and not exported:
        _meet(command, assigned[0][0] if assigned else "", words, defaults)
        return
    for name, value, word in assigned:
        expanded, known = _expand(value, word.is_known and not command.conditional, defaults)
        (defaults.unknown.discard if known else defaults.unknown.add)(name)
        defaults.variables[name] = Sourced(expanded, Source(defaults.path, word.line))


def _meet(command: Command, assigned: str, words: list[Word], defaults: Defaults) -> None:
    """Judge a command where an assignment is expected: most of them are assignments that went wrong."""
    name = words[0].text
    if name in (".", "source", "eval"):
        defaults.unknown |= READ
    elif assigned:
        why = f"without quotes the shell sets {assigned} for a command {name} alone, which it tries to run"
        defaults.complaints.append(Complaint(command.line, command.text, why))
    elif name in READ or (len(words) > 1 and words[1].text.startswith("=")):
        why = f"the shell runs this as a command {name}: an assignment has no space before ="
        defaults.complaints.append(Complaint(command.line, command.text, why))


def _expand(value: str, known: bool, defaults: Defaults) -> tuple[str, bool]:
    """Put in variables that were set earlier in the file; ``shell_words`` marks them with a NUL."""

    def put(match: re.Match[str]) -> str:
        nonlocal known
        known = known and match[1] in defaults.variables and match[1] not in defaults.unknown
        return defaults.get(match[1]).value

    return re.sub("\0([A-Za-z_][A-Za-z0-9_]*)\0", put, value), known


def read_as_environment(text: str, path: str) -> Defaults:
    """Read assignments as systemd's EnvironmentFile= does: systemd.exec(5).

    No substitution, no ``export``; without quotes the value goes to the end of the line; ``;`` and ``#``
    begin a comment only at a line's begin; white space around the name and before the value is dropped.
    """
    defaults = Defaults(path)
    for number, line in _environment_lines(text):
        name, equals, rest = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            defaults.complaints.append(Complaint(number, line, "systemd ignores it: no NAME=value"))
            continue
        value = _unquote(rest.strip(" \t"))
        if "\n" in value:
            why = f"its quote is closed {value.count(chr(10))} lines below, or nowhere"
            defaults.complaints.append(Complaint(number, line.partition("\n")[0], why))
        defaults.variables[name.strip()] = Sourced(value, Source(path, number))
    return defaults


def _environment_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield logical lines: a backslash, or a quote that is still open, carries a line on."""
    logical, begin = "", 0
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not logical and (not line.strip() or line.lstrip()[0] in "#;"):
            continue
        begin, logical = (begin, logical + line) if logical else (number, line)
        if logical.endswith("\\"):
            logical = logical[:-1]
        elif _open_quote(logical):
            logical += "\n"
        else:
            yield begin, logical
            logical = ""
    if logical:
        yield begin, logical


def _open_quote(line: str) -> bool:
    value = line.partition("=")[2].lstrip(" \t")
    return value[:1] in ("'", '"') and _closing(value) is None


def _closing(value: str) -> int | None:
    """Give the place of the quote that closes the one at the value's begin."""
    position = 1
    while position < len(value):
        if value[position] == "\\" and value[0] == '"':
            position += 1
        elif value[position] == value[0]:
            return position
        position += 1
    return None


def _unquote(value: str) -> str:
    if value[:1] not in ("'", '"'):
        return re.sub(r"\\(.)", r"\1", value)
    end = _closing(value)
    inner, rest = (value[1:end], value[end + 1 :].strip()) if end else (value[1:], "")
    return (re.sub(r'\\([\\"$`])', r"\1", inner) if value[0] == '"' else inner) + rest

"""master.cf as text: its services, their ``-o`` options with line numbers, and what master cannot use.

Source of the rules: master(5) and Postfix's master_ent.c.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from maildoctor.pattern import pattern
from maildoctor.postfix.logical_line import BLANKS, UTF16, LogicalLine, is_utf16, logical_lines
from maildoctor.postfix.main_cf import Problem
from maildoctor.source import Source, Sourced

TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")
FIELDS = ("service", "type", "private", "unpriv", "chroot", "wakeup", "maxproc", "command")
_FORMS = {
    "private": pattern(r"[yn-]"),
    "unpriv": pattern(r"[yn-]"),
    "chroot": pattern(r"[yn-]"),
    "wakeup": pattern(r"-|\d+\??"),
    "maxproc": pattern(r"-|\d+"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A service of master.cf: its columns as written, and what its command is given."""

    service: str
    type: str
    private: str
    unpriv: str
    chroot: str
    wakeup: str
    maxproc: str
    command: str
    source: Source
    arguments: tuple[str, ...] = ()
    """As master hands them on: without the braces of ``{ ... }``."""
    options: dict[str, Sourced[str]] = field(default_factory=dict)
    """``-o name=value``; the last one of a name counts."""

    @property
    def name(self) -> str:
        """Give the name as postconf(1) uses it: ``submission/inet``."""
        return f"{self.service}/{self.type}"


class MasterCf(NamedTuple):
    """master.cf as it stands. ``problems`` stop master, ``option_problems`` only that service's process."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()
    option_problems: tuple[tuple[str, Problem], ...] = ()
    """Pairs of an entry's name and what its command cannot use."""
    overridden: tuple[Entry, ...] = ()
    """Entries that a later one of the same name and type takes the place of."""


class _Word(NamedTuple):
    text: str
    line: int


def parse(text: str, path: str = "/etc/postfix/master.cf") -> MasterCf:
    """Read master.cf's text; ``path`` names it in sources. The last entry of a service counts."""
    if is_utf16(text):
        return MasterCf((), (Problem(Source(path, 1), UTF16),))
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    option_problems: list[tuple[str, Problem]] = []
    overridden: list[Entry] = []
    for logical in logical_lines(text):
        words = _words(logical)
        why = _refusal(logical, words)
        if why:
            fatal = logical.text[0] not in BLANKS
            problems.append(Problem(Source(path, logical.line), why, fatal))
            continue
        entry, wrong = _entry(words, path)
        if entry.name in entries:
            overridden.append(entries.pop(entry.name))
        entries[entry.name] = entry
        option_problems += [(entry.name, problem) for problem in wrong]
    return MasterCf(tuple(entries.values()), tuple(problems), tuple(option_problems), tuple(overridden))


def _refusal(logical: LogicalLine, words: list[_Word]) -> str | None:
    """Say why master refuses a line; None if it takes it."""
    columns = dict(zip(FIELDS, (word.text for word in words), strict=False))
    if logical.text[0] in BLANKS:
        return "the first line begins with white space; it continues nothing and is ignored"
    if logical.text.startswith("\ufeff"):
        return "a byte order mark stands before the first service"
    if columns["service"].startswith("-"):
        return f"begins with {columns['service']!r}: an option must be indented, or it is taken for a service"
    if "type" in columns and columns["type"] not in TYPES:
        return f"{columns['service']}: no such type of service: {columns['type']!r}"
    for name, form in _FORMS.items():
        if name in columns and not form.fullmatch(columns[name]):
            return f"{columns['service']}: the column {name} cannot be {columns[name]!r}"
    missing = FIELDS[len(words) :]
    return f"{columns['service']}: the column {missing[0]} is missing" if missing else None


def _entry(words: list[_Word], path: str) -> tuple[Entry, list[Problem]]:
    columns, rest = words[: len(FIELDS)], words[len(FIELDS) :]
    options, problems = _options(rest, path)
    problems = problems or _stray(rest, path, columns[-1].text)
    service, type_, private, unpriv, chroot, wakeup, maxproc, command = (word.text for word in columns)
    source = Source(path, columns[0].line)
    arguments = tuple(_unbraced(word.text) for word in rest)
    entry = Entry(
        service, type_, private, unpriv, chroot, wakeup, maxproc, command, source, arguments, options
    )
    return entry, problems


def _options(words: list[_Word], path: str) -> tuple[dict[str, Sourced[str]], list[Problem]]:
    options: dict[str, Sourced[str]] = {}
    problems: list[Problem] = []
    pending = iter(words)
    for word in pending:
        if not word.text.startswith("-o"):
            continue
        given = _Word(word.text[2:], word.line) if len(word.text) > 2 else next(pending, _Word("", word.line))
        name, equals, value = _unbraced(given.text).partition("=")
        name = name.strip(BLANKS)
        source = Source(path, given.line)
        if equals and name:
            options[name] = Sourced(value.strip(BLANKS), source)
        else:
            problems.append(Problem(source, f"-o {name}: no '=' right after the parameter's name".rstrip()))
    return options, problems


def _stray(words: list[_Word], path: str, command: str) -> list[Problem]:
    """Find a word after smtpd's options that belongs to none: smtpd takes no arguments."""
    if command.rpartition("/")[2] != "smtpd":
        return []
    for before, word in zip(["", *(word.text for word in words)], words, strict=False):
        if before != "-o" and not word.text.startswith("-"):
            why = f"the word {word.text} belongs to no option: a space ended the one before it"
            return [Problem(Source(path, word.line), why)]
    return []


def _unbraced(text: str) -> str:
    return text[1:-1].strip(BLANKS) if text.startswith("{") and text.endswith("}") else text


def _words(logical: LogicalLine) -> list[_Word]:
    """Split at white space; ``{ ... }`` is one word, and braces nest."""
    words, start, depth = [], None, 0
    for offset, character in enumerate(logical.text):
        if character in BLANKS and depth == 0:
            if start is not None:
                words.append(_Word(logical.text[start:offset], logical.line_at(start)))
            start = None
            continue
        start = offset if start is None else start
        depth += (character == "{") - (character == "}" and depth > 0)
    if start is not None:
        words.append(_Word(logical.text[start:].rstrip(BLANKS), logical.line_at(start)))
    return words

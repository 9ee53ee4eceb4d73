"""Dovecot's configuration files, read as text: sections, settings, includes.

This is the syntax that 2.3 and 2.4 share (doc.dovecot.org, "Dovecot configuration syntax"), not what Dovecot
makes of it: ``doveconf`` knows that, but costs a process, and says nothing once a line is refused.
"""

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, Missing
from maildoctor.pattern import pattern
from maildoctor.source import Source, Sourced

DOVECOT_CONF = "/etc/dovecot/dovecot.conf"
INCLUDE_DEPTH = 10
FILE_LIMIT = 200
"""Files that one configuration may consist of before reading stops."""
COMMENT = pattern(r"(?:^|\s)#.*$")
SECTION = pattern(r"""(\w+)(?:\s+("[^"]*"|[^\s{]+))?\s*\{$""")
SETTING = pattern(r"([\w/%.@:*-]+)\s*=\s*(.*)$")
VARIABLE = pattern(r"\$(?:SET:)?(\w+)$")


@dataclass(slots=True)
class Section:
    """``kind name { ... }``; the whole file is a section without kind and name."""

    kind: str
    name: str
    source: Source
    settings: dict[str, Sourced[str]] = field(default_factory=dict)
    sections: list["Section"] = field(default_factory=list)

    def all(self, kind: str, name: str | None = None) -> Iterator["Section"]:
        """Yield the sections directly within, of one kind and perhaps one name."""
        for section in self.sections:
            if section.kind == kind and name in (None, section.name):
                yield section


@dataclass(slots=True)
class Configuration:
    """What the files say; ``includes`` are the patterns that were followed, as absolute paths."""

    top: Section
    includes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Files that are included and could not be read."""

    def setting(self, name: str, default: str = "") -> str:
        """Give a setting of the top level."""
        return self.top.settings.get(name, Sourced(default)).value


@fact
def configuration(host: Host) -> Configuration | None:
    """Read dovecot.conf and all that it includes; None where there is no such file. Raises Refused."""
    found = Configuration(Section("", "", Source(DOVECOT_CONF)))
    try:
        _read(host, DOVECOT_CONF, found, [found.top], 0)
    except Missing:
        return None
    return found


def _read(host: Host, path: str, found: Configuration, opened: list[Section], depth: int) -> None:
    found.files.append(path)
    for number, raw in enumerate(host.text(path).splitlines(), start=1):
        line = COMMENT.sub("", raw).strip()
        if line.startswith("!include"):
            _include(host, path, line, found, opened, depth)
        else:
            _take(line, Source(path, number), opened)


def _take(line: str, source: Source, opened: list[Section]) -> None:
    """Understand one line; ``opened`` holds the sections that are open, the innermost last."""
    if match := SECTION.match(line):
        section = Section(match[1], (match[2] or "").strip('"'), source)
        opened[-1].sections.append(section)
        opened.append(section)
    elif line == "}":
        if len(opened) > 1:
            opened.pop()
    elif match := SETTING.match(line):
        opened[-1].settings[match[1]] = Sourced(match[2].strip().strip('"'), source)


def _include(
    host: Host, path: str, line: str, found: Configuration, opened: list[Section], depth: int
) -> None:
    _, _, pattern = line.partition(" ")
    pattern = pattern.strip().strip('"')
    if not pattern.startswith("/"):
        pattern = f"{path.rpartition('/')[0]}/{pattern}"
    found.includes.append(pattern)
    matching = _matching(host, pattern)
    if not matching and "*" not in pattern and not line.startswith("!include_try"):
        found.unread.append(pattern)
    for each in matching:
        if depth < INCLUDE_DEPTH and len(found.files) < FILE_LIMIT:
            try:
                _read(host, each, found, opened, depth + 1)
            except CannotLook:
                # A file with a database password is root's alone; sockets do not stand there.
                found.unread.append(each)


def _matching(host: Host, pattern: str) -> list[str]:
    directory, _, name = pattern.rpartition("/")
    try:
        return [f"{directory}/{each}" for each in host.names(directory) if fnmatch.fnmatchcase(each, name)]
    except Missing:
        return []


def expanded(found: Configuration, value: str) -> str:
    """Replace ``$name`` (2.3) or ``$SET:name`` (2.4) by that setting's value where the files set it."""
    match = VARIABLE.match(value)
    return found.setting(match[1], value) if match else value

"""saslauthd's systemd unit with its drop-ins, read from the files: systemd.unit(5), systemd.service(5)."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from maildoctor.debian.release import uses_systemd
from maildoctor.fact import fact
from maildoctor.host import Host, Missing
from maildoctor.source import Source, Sourced

NAME = "saslauthd.service"
PLACES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Highest priority first; the SysV generator's units are elsewhere."""


@dataclass(slots=True)
class Unit:
    """A unit as its files describe it; lists hold every value since the last empty assignment."""

    path: str
    settings: dict[str, list[Sourced[str]]] = field(default_factory=dict)

    def last(self, name: str) -> Sourced[str]:
        """Give the value that counts where only one can; empty where none is set."""
        return (self.settings.get(name) or [Sourced("")])[-1]

    @property
    def command(self) -> list[str]:
        """Give the words of ExecStart behind the program."""
        line = self.last("ExecStart").value
        try:
            return shlex.split(line)[1:]
        except ValueError:
            return line.split()[1:]

    @property
    def pidfile(self) -> Sourced[str]:
        """Give PIDFile; a relative one is below /run."""
        value = self.last("PIDFile")
        if not value.value or value.value.startswith("/"):
            return value
        return Sourced(f"/run/{value.value}", value.source)

    @property
    def runtime_directories(self) -> list[str]:
        """Give the directories that systemd makes when it starts the unit, and removes when it stops it."""
        words = [word for value in self.settings.get("RuntimeDirectory", []) for word in value.value.split()]
        return [f"/run/{word}" for word in words]


@fact
def unit(host: Host) -> Unit | None:
    """Give the native unit, None where the init script counts (Debian 12 and older, or without systemd)."""
    if host.live and not uses_systemd(host):
        return None
    for place in PLACES:
        path = f"{place}/{NAME}"
        try:
            if host.readlink(path) == "/dev/null":
                continue
            text = host.text(path)
        except Missing:
            continue
        found = Unit(path)
        _take(found, text, path)
        for drop_in in _drop_ins(host):
            _take(found, host.text(drop_in), drop_in)
        return found
    return None


@fact
def masked(host: Host) -> bool:
    """Tell whether ``systemctl mask`` keeps it from being started at all."""
    try:
        return host.readlink(f"/etc/systemd/system/{NAME}") == "/dev/null"
    except Missing:
        return False


def _drop_ins(host: Host) -> list[str]:
    """Give the drop-ins in the order in which they count: by name, each name once, the highest place's."""
    chosen: dict[str, str] = {}
    for place in PLACES:
        for name in _names(host, f"{place}/{NAME}.d"):
            if name.endswith(".conf"):
                chosen.setdefault(name, f"{place}/{NAME}.d/{name}")
    return [chosen[name] for name in sorted(chosen)]


def _names(host: Host, directory: str) -> list[str]:
    try:
        return host.names(directory)
    except Missing:
        return []


def _take(into: Unit, text: str, path: str) -> None:
    for number, line in _logical(text):
        name, equals, value = line.partition("=")
        if equals and value.strip():
            into.settings.setdefault(name.strip(), []).append(Sourced(value.strip(), Source(path, number)))
        elif equals:
            into.settings[name.strip()] = []


def _logical(text: str) -> Iterator[tuple[int, str]]:
    logical, begin = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip()[:1] in ("#", ";") or (not logical and not line.strip()):
            continue
        begin = begin if logical else number
        logical += line
        if logical.endswith("\\"):
            logical = logical[:-1] + " "
            continue
        yield begin, logical
        logical = ""

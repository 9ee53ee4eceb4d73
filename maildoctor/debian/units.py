"""Whether a service starts at boot, and how systemd sees it. Source: systemd.unit(5), update-rc.d(8)."""

import re

from maildoctor.debian.release import uses_systemd
from maildoctor.fact import fact
from maildoctor.host import CannotLook, CommandFailed, Host, Missing
from maildoctor.source import Source

UNIT_PLACES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Highest priority first."""
RUNLEVELS = ("/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d")


@fact
def native_unit(host: Host, unit: str) -> str | None:
    """Give the path of a unit's file (``postfix.service``); None where only an init script is there."""
    for place in UNIT_PLACES:
        try:
            host.lstat(f"{place}/{unit}")
        except Missing:
            continue
        return f"{place}/{unit}"
    return None


@fact
def masked(host: Host, unit: str) -> Source | None:
    """Give the link to /dev/null that keeps a unit from ever starting; None where there is none."""
    path = native_unit(host, unit)
    return Source(path) if path and host.readlink(path) == "/dev/null" else None


@fact
def starts_at_boot(host: Host, name: str) -> Source | None:
    """Give the link that starts service ``name`` at boot; None where nothing does.

    Read from the links, not asked of systemctl. Raises Refused.
    """
    unit = f"{name}.service"
    if uses_systemd(host) and native_unit(host, unit):
        return None if masked(host, unit) else _wanted(host, unit)
    for directory in RUNLEVELS:
        for entry in _names(host, directory):
            if re.fullmatch(rf"S\d\d{re.escape(name)}", entry):
                return Source(f"{directory}/{entry}")
    return None


def _wanted(host: Host, unit: str) -> Source | None:
    for place in UNIT_PLACES:
        for directory in _names(host, place):
            if directory.endswith((".wants", ".requires")) and unit in _names(host, f"{place}/{directory}"):
                return Source(f"{place}/{directory}/{unit}")
    return None


def _names(host: Host, directory: str) -> list[str]:
    try:
        return host.names(directory)
    except Missing:
        return []


@fact
def unit_states(host: Host, *units: str) -> dict[str, str]:
    """Ask systemd for the states of units, all in one call: ``failed (failed)``, ``active (exited)``.

    Units that are not loaded are left out. Raises NeedsLiveHost, CommandMissing, CommandHung, CommandFailed.
    """
    output = host.run("systemctl", "show", "--property=Id,LoadState,ActiveState,SubState", *units)
    if output.status != 0:
        raise CommandFailed("systemctl show", output.status, output.stderr)
    states = {}
    for block in output.stdout.split("\n\n"):
        state = dict(line.partition("=")[::2] for line in block.splitlines())
        if state.get("LoadState") == "loaded":
            states[state.get("Id", "")] = f"{state.get('ActiveState')} ({state.get('SubState')})"
    return states


def states_or_nothing(host: Host, *units: str) -> dict[str, str]:
    """Give ``unit_states``, or nothing where systemd cannot be asked: for evidence beside other evidence."""
    try:
        return unit_states(host, *units)
    except CannotLook:
        return {}

"""Whether services run, and which packages are installed: things that no file alone brings back."""

import contextlib
from dataclasses import dataclass

from maildoctor.remedy.site import Site
from maildoctor.remedy.thing import Snapshot, Thing
from maildoctor.remedy.trouble import RepairFailed

STEER_SECONDS = 45.0
"""systemd itself gives a service 90 s; an admin at the keyboard is not kept that long."""
APT_SECONDS = 600.0
HALFWAY = ("half-installed", "unpacked", "half-configured")
"""dpkg(1), package states from which setting up goes on."""
OTHER_KINDS = (".mount", ".socket", ".path", ".timer", ".target")
POSTFIX_INSTANCE = "postfix@-.service"
"""The real service where ``postfix.service`` is a dummy: Debian 12 and before."""


@dataclass(frozen=True, slots=True)
class Unit(Thing):
    """Whether a service runs; ``name`` is such as ``postfix`` or ``saslauthd``.

    Restoring has two halves, before and after the files are brought back.
    """

    name: str

    def capture(self, site: Site) -> Snapshot:
        """Ask which of its units are active."""
        return Snapshot({}, {unit: is_active(site, unit) for unit in units(site, self.name)})

    def quiet(self, site: Site, before: Snapshot) -> None:
        """Stop what did not run, and what must start afresh with its old files.

        Not Postfix where it ran before: it would not come back with a broken configuration, which the one
        that runs survives.
        """
        for unit, active in reversed(list(before.facts.items())):
            if not (active and self.name == "postfix") and is_active(site, unit):
                steer(site, "stop", unit)

    def lost(self, site: Site, before: Snapshot) -> tuple[str, ...]:
        """Tell of a mount: it shows what is there now, whatever it showed."""
        mounts = [unit for unit, active in before.facts.items() if active and unit.endswith(".mount")]
        return tuple(f"{unit}: undo does not make it show a deleted directory again" for unit in mounts)

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Start what ran before; let Postfix read its files again."""
        for unit, active in before.facts.items():
            if active and not is_active(site, unit):
                steer(site, "start", unit)
            elif active and self.name == "postfix":
                # What is brought back may be what Postfix refuses to read; it goes on with what it has.
                with contextlib.suppress(RepairFailed):
                    steer(site, "reload", unit)


@dataclass(frozen=True, slots=True)
class Packages(Thing):
    """The packages that installing ``names`` brings along."""

    names: tuple[str, ...]

    def capture(self, site: Site) -> Snapshot:
        """Ask dpkg for the packages that it knows, and the state of each."""
        return Snapshot({}, {"states": package_states(site)})

    def lost(self, site: Site, before: Snapshot) -> tuple[str, ...]:
        """Tell of packages that are set up halfway: dpkg finishes that."""
        states = before.facts["states"]
        halfway = [name for name in self.names if states.get(name) in HALFWAY]
        return tuple(f"{name} is {states[name]}; undo does not bring that back" for name in halfway)

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Purge what was not there before, and remove what was but for its configuration."""
        was, now = before.facts["states"], package_states(site)
        new = sorted(now.keys() - was.keys())
        back = sorted(name for name, state in was.items() if state == "config-files" != now.get(name, state))
        if new or back:
            site.run("dpkg", "--force-confold", "--configure", "-a", seconds=APT_SECONDS)
        # Nothing that was there before needs them: what dpkg would complain of was so before.
        for verb, names in (("--purge", new), ("--remove", back)):
            if names:
                site.run("dpkg", "--force-depends", verb, *names, seconds=APT_SECONDS)


def units(site: Site, name: str) -> tuple[str, ...]:
    """Give the units that make up a service; without systemd its own name."""
    if not site.system.systemd:
        return (name,)
    name = name.removesuffix(".service")
    if name == "postfix" and is_dummy(site):
        return ("postfix.service", POSTFIX_INSTANCE)
    return (name if name.endswith(OTHER_KINDS) else f"{name}.service",)


def is_dummy(site: Site) -> bool:
    """Tell whether ``postfix.service`` itself starts nothing, as on Debian 12."""
    for place in ("/etc", "/usr/lib", "/lib"):
        unit = site.read(f"{place}/systemd/system/postfix.service")
        if unit is not None:
            return b"\nExecStart=/bin/true" in unit
    return False


def is_active(site: Site, unit: str) -> bool:
    """Tell whether a service runs, or at least is not stopped. Raises RepairFailed if nobody answers."""
    if site.system.systemd:
        return site.ask("systemctl", "is-active", "--quiet", unit)[0] == 0
    return site.ask("service", unit, "status")[0] == 0


def steer(site: Site, verb: str, *names: str) -> None:
    """Start, stop, restart or reload. Raises RepairFailed if that fails or takes too long."""
    if site.system.systemd:
        site.run("systemctl", verb, *names, seconds=STEER_SECONDS)
        return
    for name in names:
        # The daemon would inherit the lock and hold it for as long as it runs.
        site.run("service", name, verb, seconds=STEER_SECONDS, daemon=True)


def package_states(site: Site) -> dict[str, str]:
    """Give the packages that are installed or have left files behind, each with dpkg's word for its state."""
    answer = site.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${binary:Package}\n")
    words = (line.split() for line in answer.splitlines())
    return {package: status for status, package in words if status != "not-installed"}

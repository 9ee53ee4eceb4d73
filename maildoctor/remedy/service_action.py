"""Changes to services and packages: what runs, what starts at boot, what is installed."""

import re
from shlex import quote
from typing import TYPE_CHECKING, ClassVar

from maildoctor.remedy.action import Action, Edit, FileAction, Turn, edit
from maildoctor.remedy.system import System
from maildoctor.value import value

if TYPE_CHECKING:
    from maildoctor.remedy.site import Site
    from maildoctor.remedy.thing import Thing

QUEUE = "/var/spool/postfix"
FILLED_AT_START = (f"{QUEUE}/etc", f"{QUEUE}/lib", f"{QUEUE}/usr", f"{QUEUE}/var/lib")
"""What Debian's start of Postfix copies into its chroot."""
SASLAUTHD_DIRECTORIES = ("/run/saslauthd", f"{QUEUE}/var", f"{QUEUE}/run/saslauthd")
SERVICES_OF = {"sasl2-bin": "saslauthd", "dovecot-core": "dovecot", "postfix": "postfix"}
DEFAULTS = "/etc/default/saslauthd"
SOCKET_DIRECTORY = re.compile(rb"^[ \t]*OPTIONS=.*-m[ \t]*(/[^\s\"']+)", re.MULTILINE)
DOVECOT_SOCKETS = (f"{QUEUE}/private/auth", f"{QUEUE}/private/dovecot-auth")


@value
class UnitDropIn(FileAction):
    """Write a drop-in for a systemd unit (``saslauthd.service``) and let systemd read it."""

    unit: str
    content: str
    name: str = "maildoctor.conf"

    @property
    def path(self) -> str:
        """Give the drop-in's path."""
        return f"/etc/systemd/system/{self.unit}.d/{self.name}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Give the drop-in's path."""
        return (self.path,)

    def command(self, system: System) -> str:
        """Give the commands of systemd.unit(5)'s drop-in."""
        lines = " ".join(quote(line) for line in self.content.splitlines())
        return (
            f"mkdir -p {quote(self.path.rpartition('/')[0])} && printf '%s\\n' {lines} > {quote(self.path)} "
            "&& systemctl daemon-reload"
        )

    def edits(self, site: "Site") -> tuple[Edit, ...]:
        """Give the whole drop-in."""
        return edit(site, self.path, self.content.encode())

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Write it and call systemctl."""
        FileAction.apply(self, site, edits)
        site.run("systemctl", "daemon-reload")


@value
class _UnitAction(Action):
    """Something done to a service; ``unit`` is a name such as ``postfix`` or ``saslauthd``."""

    unit: str
    verb: ClassVar[str] = ""
    turn: ClassVar[Turn] = Turn.DAEMONS

    @property
    def name(self) -> str:
        """Give the unit's name without its suffix."""
        return self.unit.removesuffix(".service")

    def command(self, system: System) -> str:
        """Give the systemctl(1) or service(8) call."""
        if system.systemd:
            return f"systemctl {self.verb} {quote(self.unit)}"
        return f"service {quote(self.unit)} {self.verb}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch whether it runs, and the places that it fills when it starts."""
        from maildoctor.remedy.filled import Copies, Runtime
        from maildoctor.remedy.service_state import Unit

        copies = [Copies(path) for path in FILLED_AT_START if self.name == "postfix"]
        return (Unit(self.name), *copies, *map(Runtime, _runtime_places(site, self.name)))

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Call systemctl or service; Postfix's own configuration is checked first."""
        from maildoctor.remedy.service_state import steer, units

        if self.name == "postfix":
            site.run("postfix", "check")
        steer(site, self.verb, *units(site, self.unit))


def _runtime_places(site: "Site", unit: str) -> tuple[str, ...]:
    """Give where a service's sockets may be: the usual places, and what saslauthd's ``-m`` says now."""
    if unit == "dovecot":
        return DOVECOT_SOCKETS
    if unit.partition("-")[0] != "saslauthd":
        return ()
    found = SOCKET_DIRECTORY.findall(site.read(DEFAULTS) or b"")
    told = [directory.decode("utf-8", "surrogateescape") for directory in found]
    return (*SASLAUTHD_DIRECTORIES, *map(site.real, told))


class StartUnit(_UnitAction):
    """Start a service."""

    __slots__ = ()
    verb = "start"


class RestartUnit(_UnitAction):
    """Restart a service."""

    __slots__ = ()
    verb = "restart"


class ReloadUnit(_UnitAction):
    """Let a service read its configuration again."""

    __slots__ = ()
    verb = "reload"


class ContinueUnit(_UnitAction):
    """Let the stopped processes of a service go on: SIGCONT, systemctl(1) kill."""

    __slots__ = ()

    def command(self, system: System) -> str:
        """Give the systemctl(1) or pkill(1) call."""
        return " ".join(quote(word) for word in self._words(system))

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Send the signal."""
        site.run(*self._words(site.system))

    def _words(self, system: System) -> tuple[str, ...]:
        if system.systemd:
            return ("systemctl", "kill", "--signal=CONT", self.unit)
        return ("pkill", "-CONT", "-x", self.unit)


@value
class EnableUnit(Action):
    """Let a service start at boot."""

    unit: str
    turn: ClassVar[Turn] = Turn.BOOT

    def command(self, system: System) -> str:
        """Give the systemctl(1) or update-rc.d(8) call."""
        if system.systemd:
            return f"systemctl enable {quote(self.unit)}"
        return f"update-rc.d {quote(self.unit)} defaults && update-rc.d {quote(self.unit)} enable"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the links that make a service start at boot, systemd's and those of init scripts."""
        from maildoctor.remedy.thing import Entry, Matches

        name = self.unit.removesuffix(".service")
        wants = sorted({f"/etc/systemd/system/{target}.target.wants" for target in ("multi-user", "default")})
        return (
            *(Entry(path) for path in wants),
            Matches(f"/etc/systemd/system/*.wants/{name}.service"),
            Matches(f"/etc/systemd/system/{name}.service"),
            Matches(f"/etc/rc?.d/[SK][0-9][0-9]{name}"),
        )

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Call systemctl, which calls update-rc.d for an init script, or the latter alone."""
        if site.system.systemd:
            site.run("systemctl", "enable", self.unit)
        else:
            # The first makes links where there are none, the second turns those of a disabled service.
            site.run("update-rc.d", self.unit, "defaults")
            site.run("update-rc.d", self.unit, "enable")


@value
class UnmaskUnit(Action):
    """Let a unit be started again that ``systemctl mask`` keeps from it."""

    unit: str
    turn: ClassVar[Turn] = Turn.BOOT

    def command(self, system: System) -> str:
        """Give the systemctl(1) call; only systemd masks."""
        return f"systemctl unmask {quote(self.unit)}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the link to /dev/null."""
        from maildoctor.remedy.thing import Entry

        return (Entry(f"/etc/systemd/system/{self.unit.removesuffix('.service')}.service"),)

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Call systemctl, which reloads systemd as well."""
        site.run("systemctl", "unmask", self.unit)


@value
class InstallPackages(Action):
    """Install Debian packages."""

    names: tuple[str, ...]
    turn: ClassVar[Turn] = Turn.PACKAGES

    def command(self, system: System) -> str:
        """Give the apt-get(8) call."""
        return f"apt-get install {' '.join(map(quote, self.names))}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch dpkg's packages, what they bring to /etc, and the services that they start."""
        from maildoctor.remedy.filled import Copies
        from maildoctor.remedy.line_file import Overrides
        from maildoctor.remedy.service_state import Packages, Unit

        services = [name for package, name in SERVICES_OF.items() if package in self.names]
        return (
            Packages(self.names),
            Overrides(),
            *(Unit(name) for name in services),
            Copies("/etc", purged=True),
        )

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Try it dry, so that a name that apt does not know changes nothing; then install."""
        from maildoctor.remedy.service_state import APT_SECONDS

        site.run("apt-get", "-s", "-q", "install", *self.names, seconds=60)
        options = ("-o", "DPkg::Lock::Timeout=30", "-o", "Acquire::Retries=1")
        limits = ("-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20")
        words = ("-o", "DPkg::Options::=--force-confold", "-y", "-q", "install")
        site.run("apt-get", *options, *limits, *words, *self.names, seconds=APT_SECONDS)

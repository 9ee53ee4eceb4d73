"""The actions: what a remedy can do to a host, as data.

Each shows itself as the shell command that an admin would type (``command``).
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from shlex import quote

from maildoctor.remedy.system import System


class Action(ABC):
    """One change to the host."""

    __slots__ = ()

    @abstractmethod
    def command(self, system: System) -> str:
        """Give the shell command that does the same on this ``system``."""


@dataclass(frozen=True, slots=True)
class SetParameter(Action):
    """Set a main.cf parameter; ``value`` is on one line."""

    name: str
    value: str

    def command(self, system: System) -> str:
        """Give the postconf(1) call."""
        return f"postconf -e {quote(f'{self.name} = {self.value}'.rstrip())}"


@dataclass(frozen=True, slots=True)
class RemoveParameter(Action):
    """Take a parameter out of main.cf, so that Postfix's default holds again."""

    name: str

    def command(self, system: System) -> str:
        """Give the postconf(1) call; ``-X`` exists since 2.10."""
        return f"postconf -{'X' if system.postfix >= (2, 10) else '#'} {quote(self.name)}"


@dataclass(frozen=True, slots=True)
class SetServiceOption(Action):
    """Set ``-o name=value`` of a master.cf service such as ``submission/inet``."""

    service: str
    name: str
    value: str

    def command(self, system: System) -> str:
        """Give the postconf(1) call, or what to write in master.cf by hand."""
        if not system.edits_master:
            return f"# in /etc/postfix/master.cf, below {self.service}: -o {self.name}={self.value}"
        return f"postconf -P {quote(f'{self.service}/{self.name}={self.value}')}"


@dataclass(frozen=True, slots=True)
class RemoveServiceOption(Action):
    """Remove ``-o name=...`` from a master.cf service such as ``submission/inet``."""

    service: str
    name: str

    def command(self, system: System) -> str:
        """Give the postconf(1) call, or what to take out of master.cf by hand."""
        if not system.edits_master:
            return f"# in /etc/postfix/master.cf, below {self.service}: remove -o {self.name}=..."
        return f"postconf -PX {quote(f'{self.service}/{self.name}')}"


@dataclass(frozen=True, slots=True)
class SetServiceField(Action):
    """Set a column of a master.cf service: ``chroot``, ``command``, ``maxproc`` and so on (postconf -F)."""

    service: str
    field: str
    value: str

    def command(self, system: System) -> str:
        """Give the postconf(1) call, or what to write in master.cf by hand."""
        if not system.edits_master:
            return f"# in /etc/postfix/master.cf, {self.service}: set the column {self.field} to {self.value}"
        return f"postconf -F {quote(f'{self.service}/{self.field}={self.value}')}"


@dataclass(frozen=True, slots=True)
class AddService(Action):
    """Add a service to master.cf; ``entry`` is its line, such as ``submission inet n - y - - smtpd``."""

    service: str
    entry: str

    def command(self, system: System) -> str:
        """Give the postconf(1) call, or what to write in master.cf by hand."""
        if not system.edits_master:
            return f"# in /etc/postfix/master.cf, add: {self.entry}"
        return f"postconf -M {quote(f'{self.service}={self.entry}')}"


@dataclass(frozen=True, slots=True)
class SetLine(Action):
    """Set a line of a small text file: ``key`` then ``separator`` then ``value``, as it stands in the file.

    Every line with that key is replaced by the first; without one, the line is added at the end. Serves
    /etc/default/saslauthd (``START=yes``) and smtpd.conf (``pwcheck_method: saslauthd``).
    """

    path: str
    key: str
    separator: str
    value: str

    @property
    def line(self) -> str:
        """Give the new line."""
        return f"{self.key}{self.separator}{self.value}"

    @property
    def pattern(self) -> str:
        """Give the regular expression (extended) that finds the old lines."""
        return rf"^[[:space:]]*{re.escape(self.key)}[[:space:]]*[:=]"

    def command(self, system: System) -> str:
        """Give a sed(1) call that replaces the line or appends it."""
        path, text = quote(self.path), re.sub(r"([\\&|])", r"\\\1", self.line)
        change = quote(f"s|{self.pattern}.*|{text}|")
        return (
            f"grep -qsE {quote(self.pattern)} {path} && sed -i -E {change} {path} "
            f"|| printf '%s\\n' {quote(self.line)} >> {path}"
        )


@dataclass(frozen=True, slots=True)
class WriteFile(Action):
    """Write a whole small text file; it replaces what is there."""

    path: str
    content: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644

    def command(self, system: System) -> str:
        """Give install(1) with the lines from printf(1)."""
        lines = " ".join(quote(line) for line in self.content.splitlines())
        return (
            f"printf '%s\\n' {lines} | install -o {quote(self.owner)} -g {quote(self.group)} "
            f"-m {self.mode:04o} /dev/stdin {quote(self.path)}"
        )


@dataclass(frozen=True, slots=True)
class MoveFile(Action):
    """Move a file; nothing may stand at ``target``."""

    path: str
    target: str

    def command(self, system: System) -> str:
        """Give the mv(1) call."""
        return f"mv -n {quote(self.path)} {quote(self.target)}"


@dataclass(frozen=True, slots=True)
class HardLink(Action):
    """Make ``path`` a hard link to ``target``; a stale copy at ``path`` is replaced."""

    target: str
    path: str

    def command(self, system: System) -> str:
        """Give the ln(1) call."""
        return f"ln -f {quote(self.target)} {quote(self.path)}"


@dataclass(frozen=True, slots=True)
class SymbolicLink(Action):
    """Make ``path`` a symbolic link to ``target``; nothing else may stand at ``path``."""

    target: str
    path: str

    def command(self, system: System) -> str:
        """Give the ln(1) call."""
        return f"ln -s {quote(self.target)} {quote(self.path)}"


@dataclass(frozen=True, slots=True)
class MakeDirectory(Action):
    """Make a directory with this owner, group and mode; an existing one is given them."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755

    def command(self, system: System) -> str:
        """Give the install(1) call."""
        return (
            f"install -d -o {quote(self.owner)} -g {quote(self.group)} -m {self.mode:04o} {quote(self.path)}"
        )


@dataclass(frozen=True, slots=True)
class ChangeOwner(Action):
    """Give a path another owner, group and mode, all three together."""

    path: str
    owner: str
    group: str
    mode: int

    def command(self, system: System) -> str:
        """Give chown(1) and chmod(1); in this order, since chown clears special bits."""
        path = quote(self.path)
        return f"chown {quote(f'{self.owner}:{self.group}')} {path} && chmod {self.mode:04o} {path}"


@dataclass(frozen=True, slots=True)
class StatOverride(Action):
    """Make dpkg keep a path's owner, group and mode, now and at upgrades (dpkg-statoverride(1))."""

    path: str
    owner: str
    group: str
    mode: int

    def command(self, system: System) -> str:
        """Give the two calls: an override that is there already must go first."""
        path = quote(self.path)
        return (
            f"dpkg-statoverride --remove {path} 2>/dev/null; dpkg-statoverride --update --add "
            f"{quote(self.owner)} {quote(self.group)} {self.mode:04o} {path}"
        )


@dataclass(frozen=True, slots=True)
class AddUserToGroup(Action):
    """Make a user a member of a group."""

    user: str
    group: str

    def command(self, system: System) -> str:
        """Give Debian's adduser(8) call."""
        return f"adduser {quote(self.user)} {quote(self.group)}"


@dataclass(frozen=True, slots=True)
class UnitDropIn(Action):
    """Write a drop-in for a systemd unit (``saslauthd.service``) and let systemd read it."""

    unit: str
    content: str
    name: str = "maildoctor.conf"

    @property
    def path(self) -> str:
        """Give the drop-in's path."""
        return f"/etc/systemd/system/{self.unit}.d/{self.name}"

    def command(self, system: System) -> str:
        """Give the commands of systemd.unit(5)'s drop-in."""
        lines = " ".join(quote(line) for line in self.content.splitlines())
        return (
            f"mkdir -p {quote(self.path.rpartition('/')[0])} && printf '%s\\n' {lines} > {quote(self.path)} "
            "&& systemctl daemon-reload"
        )


@dataclass(frozen=True, slots=True)
class _UnitAction(Action):
    """Something done to a service; ``unit`` is a name such as ``postfix`` or ``saslauthd``."""

    unit: str


@dataclass(frozen=True, slots=True)
class StartUnit(_UnitAction):
    """Start a service."""

    def command(self, system: System) -> str:
        """Give the systemctl(1) or service(8) call."""
        return _steer(system, "start", self.unit)


@dataclass(frozen=True, slots=True)
class RestartUnit(_UnitAction):
    """Restart a service."""

    def command(self, system: System) -> str:
        """Give the systemctl(1) or service(8) call."""
        return _steer(system, "restart", self.unit)


@dataclass(frozen=True, slots=True)
class ReloadUnit(_UnitAction):
    """Let a service read its configuration again."""

    def command(self, system: System) -> str:
        """Give the systemctl(1) or service(8) call."""
        return _steer(system, "reload", self.unit)


@dataclass(frozen=True, slots=True)
class EnableUnit(_UnitAction):
    """Let a service start at boot."""

    def command(self, system: System) -> str:
        """Give the systemctl(1) or update-rc.d(8) call."""
        if system.systemd:
            return f"systemctl enable {quote(self.unit)}"
        return f"update-rc.d {quote(self.unit)} defaults"


@dataclass(frozen=True, slots=True)
class InstallPackages(Action):
    """Install Debian packages."""

    names: tuple[str, ...]

    def command(self, system: System) -> str:
        """Give the apt-get(8) call."""
        return f"apt-get install {' '.join(map(quote, self.names))}"


@dataclass(frozen=True, slots=True)
class SetSaslPassword(Action):
    """Give a user a password in sasldb2; the password is asked for when the action runs, never kept here."""

    user: str
    realm: str
    path: str = "/etc/sasldb2"

    def command(self, system: System) -> str:
        """Give the saslpasswd2(8) call, which asks for the password."""
        return f"saslpasswd2 -c -u {quote(self.realm)} -f {quote(self.path)} {quote(self.user)}"


def _steer(system: System, verb: str, unit: str) -> str:
    return f"systemctl {verb} {quote(unit)}" if system.systemd else f"service {quote(unit)} {verb}"

"""How saslauthd is set up: its instances, as this host's init script or systemd unit would start them."""

import re
from typing import NamedTuple

from maildoctor.debian.packages import package
from maildoctor.fact import fact
from maildoctor.host import Host, Missing
from maildoctor.pattern import pattern
from maildoctor.sasl import saslauthd_arguments
from maildoctor.sasl.defaults import Defaults, read_as_environment, read_as_shell
from maildoctor.sasl.saslauthd_arguments import Arguments
from maildoctor.sasl.saslauthd_unit import unit
from maildoctor.source import Sourced

PROGRAM = "/usr/sbin/saslauthd"
SCRIPT = "/etc/init.d/saslauthd"
DEFAULTS = "/etc/default/saslauthd"
INSTANCE_FILE = pattern(r"saslauthd[_a-zA-Z0-9\\-]*")
"""As the init script's find(1) has it."""


class Instance(NamedTuple):
    """One saslauthd that the host would start, and with which arguments."""

    defaults: Defaults
    words: tuple[str, ...]
    """The command line behind the program's name."""
    arguments: Arguments
    starts: bool
    """Whether its starter would start it (START=yes where that is read)."""
    refused: str = ""
    """Why its starter would not, though START says so."""

    @property
    def path(self) -> str:
        """Give the path of its file below /etc/default."""
        return self.defaults.path

    @property
    def directory(self) -> Sourced[str]:
        """Give the directory of its socket and what sets it."""
        return Sourced(self.arguments.directory, self.defaults.get("OPTIONS").source)

    @property
    def mechanism(self) -> Sourced[str]:
        """Give its mechanism and what sets it."""
        return Sourced(self.arguments.mechanism, self.defaults.get("MECHANISMS").source)

    @property
    def known(self) -> bool:
        """Tell whether the file says it all, without being run."""
        return not self.defaults.unknown & {"START", "MECHANISMS", "MECH_OPTIONS", "OPTIONS"}


@fact
def installed(host: Host) -> bool:
    """Tell whether the program is there, or by dpkg's word should be: a recorded tree has no programs."""
    if host.exists(PROGRAM):
        return True
    found = None if host.live else package(host, "sasl2-bin")
    return found is not None and found.usable


@fact
def reads_start(host: Host) -> bool:
    """Tell whether START must be yes: the init script asks for it and no native unit takes its place."""
    if unit(host) is not None:
        return False
    try:
        return '"$START"' in host.text(SCRIPT)
    except Missing:
        return False


@fact
def instances(host: Host) -> tuple[Instance, ...]:
    """Give what would be started. Debian 13's unit reads one file alone; the init script every one."""
    if unit(host) is not None:
        return tuple(_of_unit(host) for path in instance_files(host) if path == DEFAULTS)
    return tuple(_of_script(host, path) for path in instance_files(host))


@fact
def main_instance(host: Host) -> Instance | None:
    """Give the instance of /etc/default/saslauthd, None where that file is missing."""
    return next((each for each in instances(host) if each.path == DEFAULTS), None)


@fact
def instance_files(host: Host) -> tuple[str, ...]:
    """Give /etc/default/saslauthd and its further instances' files."""
    try:
        names = host.names("/etc/default")
    except Missing:
        return ()
    return tuple(f"/etc/default/{name}" for name in names if INSTANCE_FILE.fullmatch(name))


def _of_script(host: Host, path: str) -> Instance:
    """Read one file as /etc/init.d/saslauthd does."""
    defaults = read_as_shell(host.text(path), path)
    options = defaults.get("OPTIONS").value or "-c -m /var/run/saslauthd"
    mechanisms, extra = defaults.get("MECHANISMS").value, defaults.get("MECH_OPTIONS").value
    threads = defaults.get("THREADS").value
    words = ["-a", *mechanisms.split(), *(["-O", *extra.split()] if extra else []), *options.split()]
    words += ["-n", *threads.split()] if threads else []
    starts = not reads_start(host) or defaults.get("START").value == "yes"
    return Instance(
        defaults, tuple(words), saslauthd_arguments.parse(words), starts, _script_refuses(defaults, options)
    )


def _script_refuses(defaults: Defaults, options: str) -> str:
    """Say why the init script would not start it; it looks for ``-m`` as a word of its own."""
    words = options.split()
    if defaults.fatal:
        return defaults.fatal.why
    if options.startswith("-d"):
        return "OPTIONS begins with -d (debugging in the foreground)"
    if "-m" not in words or words[-1] == "-m":
        return "OPTIONS has no -m with a directory behind it, as a word of its own"
    if not defaults.get("MECHANISMS").value:
        return "MECHANISMS is not set"
    return ""


def _of_unit(host: Host) -> Instance:
    """Read /etc/default/saslauthd as the unit's EnvironmentFile, and put it into its ExecStart."""
    defaults = read_as_environment(host.text(DEFAULTS), DEFAULTS)
    started = unit(host)
    assert started is not None
    words = [part for word in started.command for part in _expand(word, defaults)]
    return Instance(defaults, tuple(words), saslauthd_arguments.parse(words), starts=True)


def _expand(word: str, defaults: Defaults) -> list[str]:
    """Expand ``$NAME`` as systemd.service(5) does: alone it becomes its words, ``${NAME}`` is one."""
    if alone := re.fullmatch(r"\$([A-Za-z_]\w*)", word):
        return defaults.get(alone[1]).value.split()
    return [re.sub(r"\$\{([A-Za-z_]\w*)\}", lambda match: defaults.get(match[1]).value, word)]

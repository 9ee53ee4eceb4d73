"""What several checks of saslauthd share: evidence, and how it is moved, started and let through."""

import re
import stat

from maildoctor.debian.accounts import account, groups
from maildoctor.debian.release import uses_systemd
from maildoctor.finding import Evidence, Impact
from maildoctor.host import CannotLook, Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import (
    AddUserToGroup,
    EnableUnit,
    MoveFile,
    ReloadUnit,
    RestartUnit,
    SetLine,
    StatOverride,
    UnitDropIn,
)
from maildoctor.remedy.action import Action
from maildoctor.sasl.method import method
from maildoctor.sasl.saslauthd import DEFAULTS, Instance, main_instance
from maildoctor.sasl.saslauthd_daemon import at_boot, daemons
from maildoctor.sasl.saslauthd_unit import NAME, unit
from maildoctor.source import Sourced

CONSEQUENCES = (
    "saslauthd-not-running",
    "saslauthd-socket-dead",
    "saslauthd-directory-missing",
    "saslauthd-not-enabled",
)
"""What is there because no saslauthd runs."""
DROP_IN = """\
[Service]
PIDFile={directory}/saslauthd.pid
ExecStartPre=/usr/bin/install -d {parent}
ExecStartPre=/usr/bin/install -d -o root -g sasl -m 0710 {directory}
"""

EXEC_START = """\
ExecStart=
ExecStart=/usr/sbin/saslauthd -a $MECHANISMS $MECH_OPTIONS $OPTIONS -n $THREADS
"""
"""As Debian's unit has it, where another drop-in put fixed options in its place."""


def impact(host: Host, service: Service) -> Impact:
    """Give what a saslauthd that cannot be reached costs: where other verifiers follow, some logins."""
    return Impact.ALL_LOGINS if method(host, service).only("saslauthd") else Impact.SOME_LOGINS


def process_evidence(host: Host) -> list[Evidence]:
    """Give each saslauthd that runs, as ps(1) shows it; nothing for a directory tree."""
    if not host.live:
        return []
    shown = [(daemon.pids[0], " ".join(daemon.words)) for daemon in daemons(host)]
    return [Evidence(f"ps {pid}", f"saslauthd {words}") for pid, words in shown] or [
        Evidence("ps", "no saslauthd")
    ]


def listen_in(host: Host, directory: str) -> list[Action]:
    """Give the actions that make saslauthd put its socket into ``directory``, on this release, for good."""
    options = with_directory(main_instance(host), directory)
    actions: list[Action] = [SetLine(DEFAULTS, "OPTIONS", "=", f'"{options}"')]
    actions += [*clear(host, directory), *clear(host, f"{directory}/mux")]
    if unit(host) is not None:
        actions += unit_for(host, directory)
    return [*actions, RestartUnit("saslauthd")]


def listen_under_unit(host: Host, directory: str) -> list[Action]:
    """Do the same with the unit of Debian 13 where that is not installed yet."""
    options = with_directory(main_instance(host), directory)
    drop_in = DROP_IN.format(directory=directory, parent=directory.rpartition("/")[0])
    return [SetLine(DEFAULTS, "OPTIONS", "=", f'"{options}"'), UnitDropIn(NAME, drop_in)]


def unit_for(host: Host, directory: str) -> list[Action]:
    """Give the drop-in that Debian 13's unit needs for a directory other than its own."""
    found = unit(host)
    if found is None:
        return []
    fixed = "$OPTIONS" not in found.command
    if found.pidfile.value == f"{directory}/saslauthd.pid" and not fixed:
        return []
    content = DROP_IN.format(directory=directory, parent=directory.rpartition("/")[0])
    name = drop_in_name(found.pidfile, found.last("ExecStart"))
    return [UnitDropIn(NAME, content + (EXEC_START if fixed else ""), name)]


def drop_in_name(*settings: Sourced[str]) -> str:
    """Give a file name that outranks the drop-ins in which these settings stand."""
    paths = [each.source.path for each in settings if each.source and ".d/" in each.source.path]
    last = max((path.rpartition("/")[2] for path in paths), default="")
    return f"z-{last}" if last > "maildoctor.conf" else "maildoctor.conf"


def with_directory(instance: Instance | None, directory: str) -> str:
    """Give OPTIONS with another directory behind ``-m``; other options stay, if saslauthd knows them."""
    options = instance.defaults.get("OPTIONS").value if instance else "-c"
    kept = re.findall(r"(?:^|(?<=\s))-(?:[crlV]+|[st] *\d+|O *\S+)(?=\s|$)", options)
    return " ".join([*kept, "-m", directory])


def clear(host: Host, path: str) -> list[Action]:
    """Give the action that moves a link or directory away from where saslauthd makes its own."""
    try:
        kind = host.lstat(path).st_mode
    except CannotLook:
        return []
    in_the_way = stat.S_ISLNK(kind) or (path.endswith("/mux") and stat.S_ISDIR(kind))
    return [MoveFile(path, f"{path}.away")] if in_the_way else []


def let_in(host: Host) -> list[Action]:
    """Give the actions that make postfix a member of group sasl, if it is none yet."""
    user, sasl = account(host, "postfix"), groups(host).get("sasl")
    if user is None or sasl is None or sasl[0] in user.groups:
        return []
    return [AddUserToGroup("postfix", "sasl"), ReloadUnit("postfix")]


def keep_directory(host: Host, directory: str) -> list[Action]:
    """Give the action by which owner and mode of the directory survive the next start (Debian 12)."""
    return [StatOverride(directory, "root", "sasl", 0o710)] if unit(host) is None else []


def boot(host: Host) -> list[Action]:
    """Give the action that starts saslauthd at boot, if nothing does yet."""
    return [] if at_boot(host) else [EnableUnit("saslauthd")]


def is_running(host: Host) -> bool:
    """Tell whether a saslauthd runs; False for a directory tree."""
    try:
        return bool(daemons(host))
    except CannotLook:
        return False


def log_command(host: Host) -> str:
    """Give the command that shows what saslauthd said when it started."""
    return "journalctl -u saslauthd -n 20" if uses_systemd(host) else "grep saslauthd /var/log/auth.log"

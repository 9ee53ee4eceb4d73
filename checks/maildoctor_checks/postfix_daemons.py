"""Listening: can the daemons that smtpd rests on work? Their programs, entries and directories."""

import grp
import pwd
import stat
from collections.abc import Callable, Iterator
from shlex import quote
from typing import NamedTuple

from maildoctor.access import permits
from maildoctor.check import check
from maildoctor.debian.accounts import account, group_name, groups, user_name
from maildoctor.finding import Evidence, Finding, Impact, Stage
from maildoctor.host import Host, Missing, Step
from maildoctor.postfix import tls
from maildoctor.postfix.configuration import MASTER_CF, all_services, login_services, parameter
from maildoctor.postfix.service import Service
from maildoctor.remedy import (
    Action,
    AddService,
    ChangeOwner,
    Option,
    Remedy,
    RemoveParameter,
    RestartUnit,
)

QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace")
"""Below the queue directory, 0700 and owned by mail_owner: postfix-files."""
SOCKETS = {"private": ("root", 0o700), "public": ("postdrop", 0o710)}
"""Where master makes the daemons' sockets, as mail_owner; the group and mode that Debian gives them."""
STOPPED = (
    "postfix-not-running",
    "service-not-listening",
    "service-throttled",
    "dovecot-socket-unreachable",
    "dovecot-socket-missing",
)
MOVED = (
    "saslauthd-socket-elsewhere",
    "saslauthd-directory-missing",
    "sasldb-missing-in-chroot",
    "daemon-program-unusable",
    "queue-directory-impassable",
)
"""What is looked for in the wrong place then."""
GROUND = {
    "mail_owner": "user",
    "setgid_group": "group",
    "queue_directory": "directory",
    "daemon_directory": "directory",
    "command_directory": "directory",
}
JAMS = ("service-throttled", "smtpd-older-than-change")
COLUMNS = {
    "cleanup": "cleanup unix n - y - 0 cleanup",
    "rewrite": "rewrite unix - - y - - trivial-rewrite",
    "proxymap": "proxymap unix - - n - - proxymap",
    "tlsmgr": "tlsmgr unix - - y 1000? 1 tlsmgr",
}
"""As Debian's master.cf has them."""


@check(Stage.LISTENING, explains=STOPPED)
def queue_subdirectory_impassable(host: Host) -> Iterator[Finding]:
    """User postfix may not work in one of Postfix's own directories.

    What:
        A directory below the queue directory (private, public, incoming, ...) or the data directory does not
        let mail_owner in, or not write.
    Why:
        A chown -R, or a backup restored without owners. master makes its sockets there as user postfix and
        ends with "fatal: ...: Permission denied"; postsuper refuses to start over queues that it cannot
        open.
    Start: saslauthd-chroot
    Break:
        chown root:root /var/spool/postfix/private
        systemctl restart postfix || true
    Mend:
        chown postfix:root /var/spool/postfix/private
        systemctl restart postfix
    Safety:
        Safe: owner and mode as Debian's package has them; nobody else gets in.
    See: postfix(1) set-permissions, postconf(5) mail_owner
    """
    owner = parameter(host, "mail_owner").value or "postfix"
    user = account(host, owner)
    if user is None:
        return
    for step, group, mode in _directories(host):
        lacking = "".join(right for right in "wx" if not permits(host, step, user, right))
        if lacking:
            found = _shown(host, step)
            yield Finding(
                summary=f"user {owner} may not work in {step.path} ({found})",
                subject=step.path,
                impact=Impact.INCOMING_MAIL,
                expected=f"{mode:04o} {owner}:{group}",
                found=found,
                evidence=(Evidence(f"stat {step.path}", f"{found}: no {' and '.join(lacking)} for {owner}"),),
                proof=f"stat -c '%a %U:%G %n' {quote(step.path)}",
                remedy=Remedy.safe(ChangeOwner(step.path, owner, group, mode), RestartUnit("postfix")),
            )


def _directories(host: Host) -> Iterator[tuple[Step, str, int]]:
    """Yield what is there: the directory, the group and the mode that Debian gives it."""
    queue = parameter(host, "queue_directory").value or "/var/spool/postfix"
    wanted = [(f"{queue}/{name}", *rest) for name, rest in SOCKETS.items()]
    wanted += [(f"{queue}/{name}", "root", 0o700) for name in QUEUES]
    wanted += [(parameter(host, "data_directory").value or "/var/lib/postfix", "postfix", 0o755)]
    for path, group, mode in wanted:
        try:
            step = host.step(path)
        except Missing:
            continue  # "postfix start" makes it.
        if stat.S_ISDIR(step.status.st_mode):
            yield step, group, mode


def _shown(host: Host, step: Step) -> str:
    status = step.status
    owner, group = user_name(host, status.st_uid), group_name(host, status.st_gid)
    return f"{stat.S_IMODE(status.st_mode):04o} {owner}:{group}"


class _Companion(NamedTuple):
    name: str
    """Its service in master.cf."""
    stage: Stage
    effect: str


def _companions(service: Service) -> Iterator[_Companion]:
    """Yield the daemons without which this smtpd cannot serve a logged-in client."""
    if any(":" in name and "proxy:" in value for name, value in _map_values(service)):
        yield _Companion("proxymap", Stage.LISTENING, "smtpd hangs at its start")
    if tls.policy(service).used:
        yield _Companion("tlsmgr", Stage.OFFERED, "STARTTLS is answered with 454")
    rewrite = service.parameter("rewrite_service_name").value or "rewrite"
    yield _Companion(rewrite, Stage.PERMITTED, "MAIL FROM hangs")
    cleanup = service.parameter("cleanup_service_name").value or "cleanup"
    yield _Companion(cleanup, Stage.PERMITTED, "RCPT TO hangs")


def _map_values(service: Service) -> Iterator[tuple[str, str]]:
    for name in ("virtual_alias_maps", "recipient_canonical_maps", "canonical_maps", "local_recipient_maps"):
        yield f"{name}:", service.parameter(name).value


@check(Stage.PERMITTED, explains=JAMS)
def companion_service_missing(host: Host, service: Service) -> Iterator[Finding]:
    """master.cf lacks a daemon that smtpd cannot do without.

    What:
        The entry of cleanup, rewrite, proxymap or tlsmgr is commented out or was removed.
    Why:
        Somebody tidied up master.cf, or took it over from another version. smtpd asks these daemons through
        sockets below private/ and public/; without them it hangs in the middle of a session, after a login
        that succeeded, and logs "connect to subsystem private/rewrite: No such file or directory".
    Start: saslauthd-chroot
    Break:
        postconf -MX rewrite/unix
        systemctl restart postfix
    Mend:
        postconf -M 'rewrite/unix=rewrite unix - - y - - trivial-rewrite'
        systemctl restart postfix
    Safety:
        Safe: the entry as Debian's master.cf has it.
    See: master(5), postconf(1) option -M
    """
    there = {entry.service for entry in all_services(host) if entry.type in ("unix", "pass", "fifo")}
    for companion in _companions(service):
        if companion.name in there:
            continue
        entry = COLUMNS.get(companion.name)
        add: tuple[Action, ...] = (
            (AddService(f"{companion.name}/unix", entry), RestartUnit("postfix")) if entry else ()
        )
        yield Finding(
            summary=f"{MASTER_CF} has no service {companion.name}: {companion.effect}",
            subject=f"{companion.name}/unix",
            stage=companion.stage,
            impact=_all_services_suffer(host),
            expected=entry or f"a service {companion.name} of type unix",
            found="none",
            evidence=(Evidence(MASTER_CF, f"no entry {companion.name} unix"),),
            proof=f"postconf -M {quote(companion.name)}/unix",
            remedy=Remedy.safe(*add)
            if add
            else Remedy.manual(f"Add the service {companion.name} to {MASTER_CF}, then restart Postfix."),
        )


def _all_services_suffer(host: Host) -> Impact:
    public = any(each.port == 25 for each in login_services(host))
    return Impact.INCOMING_MAIL if public else Impact.ALL_LOGINS


@check(Stage.LISTENING, explains=JAMS)
def daemon_program_unusable(host: Host, service: Service) -> Iterator[Finding]:
    """The program of smtpd, or of a daemon that it rests on, cannot be executed.

    What:
        It is not there, or has no x permission.
    Why:
        A chmod -R, an upgrade that broke off, or a daemon_directory that leads elsewhere. master tries, logs
        "fatal: master_spawn: exec ...: Permission denied", and waits a minute before it tries again. Clients
        connect and get no answer.
    Start: saslauthd-chroot
    Break:
        chmod 0644 /usr/lib/postfix/sbin/smtpd
        systemctl restart postfix
    Mend:
        chmod 0755 /usr/lib/postfix/sbin/smtpd
        systemctl restart postfix
    Safety:
        Safe where only the mode is wrong: it is as Debian's package has it. Otherwise manual.
    See: master(8), postconf(5) daemon_directory
    """
    directory = parameter(host, "daemon_directory").value or "/usr/lib/postfix/sbin"
    # Without an entry smtpd does without anvil; behind a socket at which nobody answers it waits.
    needed = {f"{companion.name}/unix" for companion in _companions(service)} | {service.entry, "anvil/unix"}
    for command in dict.fromkeys(each.command for each in all_services(host) if each.name in needed):
        path = command if command.startswith("/") else f"{directory}/{command}"
        if why := _why_unusable(host, path):
            yield _unusable(host, path, why)


def _why_unusable(host: Host, path: str) -> str:
    try:
        status = host.stat(path)
    except Missing:
        # A recorded tree has no programs.
        return "does not exist" if host.live else ""
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    return "" if status.st_mode & 0o111 else f"has mode {stat.S_IMODE(status.st_mode):04o}, without x"


def _unusable(host: Host, path: str, why: str) -> Finding:
    missing = "mode" not in why
    set_right = ChangeOwner(path, "root", "root", 0o755), RestartUnit("postfix")
    return Finding(
        summary=f"master cannot execute {path}: it {why}",
        subject=path,
        impact=_all_services_suffer(host),
        expected="a program that root may execute",
        found=why,
        evidence=(Evidence(f"stat {path}", why),),
        proof=f"ls -l {quote(path)}",
        remedy=Remedy.manual(
            "Look at daemon_directory (postconf daemon_directory); apt-get install --reinstall postfix "
            "brings the programs back. Then: systemctl restart postfix"
        )
        if missing
        else Remedy.safe(*set_right),
    )


@check(Stage.LISTENING, explains=(*STOPPED, *MOVED))
def postfix_ground_missing(host: Host) -> Iterator[Finding]:
    """An account, a group or a directory on which Postfix rests does not exist.

    What:
        mail_owner or setgid_group names nobody, or queue_directory, daemon_directory or command_directory
        does not exist.
    Why:
        A misspelling in main.cf, a value of another distribution, or an account that was removed. Every
        program of Postfix ends with a fatal error.
    Start: saslauthd-chroot
    Break:
        postconf -e mail_owner=posfix
        systemctl restart postfix || true
    Mend:
        postconf -X mail_owner
        systemctl restart postfix
    Safety:
        A choice: Debian's own value holds again.
    See: postconf(5)
    """
    for name, what in GROUND.items():
        value = parameter(host, name)
        if not value.value or _is_there(host, what, value.value):
            continue
        again = (RemoveParameter(name), RestartUnit("postfix"))
        yield Finding(
            summary=f"{name} is {value.value}: there is no such {what}",
            subject=name,
            impact=Impact.INCOMING_MAIL,
            expected=f"a {what} that exists",
            found=value.value,
            evidence=(Evidence.at(value.source, f"{name} = {value.value}"),),
            proof=f"postconf {name}",
            remedy=Remedy.choice(Option("default", f"{name} gets its default.", again))
            if value.source
            else Remedy.manual(f"apt-get install --reinstall postfix makes the {what} {value.value} again."),
        )


def _is_there(host: Host, what: str, name: str) -> bool:
    if what == "user":
        return account(host, name) is not None or (host.live and _knows(pwd.getpwnam, name))
    if what == "group":
        return name in groups(host) or (host.live and _knows(grp.getgrnam, name))
    # A recorded tree need not hold every directory.
    return not host.live or host.exists(name)


def _knows(look_up: Callable[[str], object], name: str) -> bool:
    """Ask this machine's nsswitch.conf(5): accounts need not stand in files."""
    try:
        look_up(name)
    except (KeyError, OSError):
        return False
    return True

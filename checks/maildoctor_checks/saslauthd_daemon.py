"""Reachable: does saslauthd run, does it answer, and will it run after the next boot?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import ContinueUnit, Option, Remedy, RestartUnit, SetLine, UnmaskUnit
from maildoctor.remedy.action import Action
from maildoctor.sasl.intention import needs_saslauthd
from maildoctor.sasl.saslauthd import Instance, installed, instances, main_instance, reads_start
from maildoctor.sasl.saslauthd_daemon import (
    Daemon,
    at_boot,
    daemons,
    hang,
    has_unit_of_the_admin,
    unit_state,
)
from maildoctor.sasl.saslauthd_reach import Fault, reach, real
from maildoctor.sasl.saslauthd_unit import NAME, masked, unit
from maildoctor_checks._saslauthd import CONSEQUENCES, boot, impact, is_running, log_command, process_evidence

MOST = 8
ELSEWHERE = ("saslauthd-socket-outside-chroot", "saslauthd-socket-elsewhere")
"""What it looks like where other instances run, and the one that serves does not."""
"""Processes to be named."""


@check(Stage.REACHABLE, explains=(*CONSEQUENCES, *ELSEWHERE))
def saslauthd_start_not_yes(host: Host, service: Service) -> Iterator[Finding]:
    """START=yes is missing, so the init script does not start saslauthd.

    What:
        saslauthd does not run, though "systemctl start saslauthd" reports success and "systemctl status"
        shows "active (exited)". Every login ends with 454: smtpd cannot connect to saslauthd.
    Why:
        On Debian 12 and older the init script starts nothing unless /etc/default/saslauthd says START=yes, in
        small letters and without a space; Debian 12 ships the file without any START line. Debian 13 does not
        read it.
    Start: saslauthd-chroot
    Break on 12:
        sed -i '/^START=/d' /etc/default/saslauthd
        systemctl restart saslauthd
    Mend on 12:
        echo START=yes >> /etc/default/saslauthd
        systemctl restart saslauthd
    Safety:
        Starts the daemon that smtpd.conf names; nothing else changes.
    See: /etc/default/saslauthd, /usr/share/doc/sasl2-bin/README.Debian
    """
    if not needs_saslauthd(host, service) or not reads_start(host):
        return
    if not installed(host) or has_unit_of_the_admin(host):
        return
    instance = _not_started(host, service)
    if instance is None:
        return
    value = instance.defaults.get("START")
    found = f"START={value.value}" if value.source else "no START line"
    runs = is_running(host) and reach(host, service).fault is Fault.NONE
    name = instance.path.rpartition("/")[2]
    yield Finding(
        summary=f"{name} will not be started: START is not yes" + (" (it runs now)" if runs else ""),
        subject=instance.path,
        severity=Severity.WARNING if runs else Severity.ERROR,
        impact=impact(host, service),
        expected="START=yes",
        found=found,
        evidence=(
            Evidence.at(value.source, found) if value.source else Evidence(instance.path, found),
            *process_evidence(host),
        ),
        proof=f"grep -n ^START= {instance.path}",
        remedy=Remedy.safe(
            SetLine(instance.path, "START", "=", "yes"), *boot(host), RestartUnit("saslauthd")
        ),
    )


def _not_started(host: Host, service: Service) -> Instance | None:
    """Give the instance that would serve if START were yes: the main one, or where others start, its own."""
    every = instances(host)
    if any("START" in each.defaults.unknown for each in every):
        return None
    if not any(each.starts for each in every):
        return main_instance(host)
    way = reach(host, service)
    here = real(host, way.path.value, way.root)
    serving = [each for each in every if real(host, each.arguments.socket) == here]
    return serving[0] if serving and not any(each.starts for each in serving) else None


@check(Stage.REACHABLE, explains=("saslauthd-socket-dead", "saslauthd-not-enabled"), live=True)
def saslauthd_not_running(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd does not run.

    What:
        smtpd.conf names saslauthd, and no such process exists. Every login ends with 454, and the log says
        that smtpd cannot connect to saslauthd: "No such file or directory", or "Connection refused" where a
        dead socket is left.
    Why:
        It was stopped, was never started, or died at its start; its own log says why in the last case.
    Start: saslauthd-chroot
    Break:
        systemctl stop saslauthd
    Mend:
        systemctl start saslauthd
    Safety:
        Starts the daemon that smtpd.conf names.
    See: saslauthd(8), systemctl(1)
    """
    if not needs_saslauthd(host, service) or not installed(host) or is_running(host):
        return
    state = unit_state(host)
    shown = f"{state.active} ({state.sub}), result {state.result}" if state else ""
    mask = masked(host)
    yield Finding(
        summary="saslauthd is masked: nothing can start it" if mask else "saslauthd does not run",
        subject="saslauthd",
        impact=impact(host, service),
        expected="a running saslauthd",
        found="no such process",
        evidence=(
            *process_evidence(host),
            *([Evidence(f"/etc/systemd/system/{NAME}", "is a link to /dev/null")] if mask else []),
            *([Evidence("systemctl show saslauthd", shown)] if shown else []),
        ),
        proof="systemctl status --no-pager saslauthd" if mask else log_command(host),
        remedy=_unmask() if mask else Remedy.safe(*boot(host), RestartUnit("saslauthd")),
    )


def _unmask() -> Remedy:
    actions = (UnmaskUnit("saslauthd"), RestartUnit("saslauthd"))
    return Remedy.choice(
        Option("unmask", "Whoever masked it did not want it to run; logins need it.", actions)
    )


@check(Stage.REACHABLE)
def saslauthd_not_enabled(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd is not started at boot.

    What:
        It runs now, and logins work; after the next boot they will not.
    Why:
        Debian installs sasl2-bin switched off. Starting it by hand lasts until the machine goes down.
    Start: saslauthd-chroot
    Break:
        systemctl disable saslauthd
    Mend:
        systemctl enable saslauthd
    Safety:
        Only the links that systemd or init follow at boot are made.
    See: systemctl(1), update-rc.d(8)
    """
    if not needs_saslauthd(host, service) or not installed(host) or at_boot(host):
        return
    if host.live and not is_running(host):
        return
    yield Finding(
        summary="saslauthd is not started at boot",
        subject="saslauthd",
        severity=Severity.WARNING,
        impact=impact(host, service),
        expected="enabled",
        found="disabled",
        evidence=(
            Evidence("/etc/systemd/system" if unit(host) else "/etc/rc2.d", "no link that starts saslauthd"),
        ),
        proof="systemctl is-enabled saslauthd",
        remedy=Remedy.safe(*boot(host)),
    )


@check(Stage.REACHABLE, live=True)
def saslauthd_not_answering(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd accepts connections and never answers.

    What:
        The client hangs after AUTH until one side gives up. smtpd connected to saslauthd's socket, which the
        kernel accepts on its behalf, but no process there works on the request.
    Why:
        Its processes were stopped (SIGSTOP, a debugger, a frozen cgroup), or all of them wait for something
        that does not come: a PAM module's server, a disk. That is seen once clients tried; as long as nobody
        did, nothing tells a module that would hang from one that works.
    Start: saslauthd-chroot
    Break:
        pkill -STOP -x saslauthd
    Mend:
        pkill -CONT -x saslauthd
    Safety:
        The processes go on, or are replaced; logins that hang now are refused, and clients try again.
    See: signal(7), saslauthd(8)
    """
    if not needs_saslauthd(host, service) or reach(host, service).fault is not Fault.NONE:
        return
    stopped = [daemon for daemon in daemons(host) if daemon.stopped]
    full = reach(host, service).access.errno == "EAGAIN"
    if not full and len(stopped) < len(daemons(host) or "x") and not hang(host):
        return
    yield Finding(
        summary="saslauthd accepts connections but never answers",
        subject=reach(host, service).on_host,
        impact=impact(host, service),
        expected="processes that wait for requests",
        found=_state_of(stopped, full),
        evidence=(*_workers(host), *process_evidence(host)),
        proof="ps -o pid,stat,wchan:20,args -C saslauthd",
        remedy=Remedy.safe(
            *_wake(stopped),
            RestartUnit("saslauthd"),
            notes=""
            if stopped
            else "If it hangs again, what its mechanism asks does not answer: a directory, an IMAP server.",
        ),
    )


def _workers(host: Host) -> list[Evidence]:
    """Give the state of each process, the first few."""
    every = [pair for daemon in daemons(host) for pair in zip(daemon.pids, daemon.states, strict=True)]
    return [Evidence(f"ps {pid}", f"state {state}") for pid, state in every[:MOST]]


def _state_of(stopped: list[Daemon], full: bool) -> str:
    if stopped:
        return "all stopped"
    return "its queue of connections is full" if full else "every worker hangs in a request"


def _wake(stopped: list[Daemon]) -> list[Action]:
    """A stopped process keeps its lock over a restart of the service: it must go on first."""
    return [ContinueUnit("saslauthd")] if stopped else []

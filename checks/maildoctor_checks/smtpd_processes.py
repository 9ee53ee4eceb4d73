"""Listening: does an smtpd answer, and does it know today's configuration?"""

import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from maildoctor.access import Want, may
from maildoctor.check import check
from maildoctor.debian.accounts import account, group_name
from maildoctor.dovecot.socket import endpoint
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import CannotLook, Host
from maildoctor.postfix.configuration import MAIN_CF, MASTER_CF, all_services
from maildoctor.postfix.daemon import Smtpd, last_reload, listeners, listeners_now, smtpds, smtpds_now
from maildoctor.postfix.service import Service
from maildoctor.remedy import Option, ReloadUnit, Remedy, RestartUnit, SetServiceField
from maildoctor.sasl import sasldb
from maildoctor.sasl.method import method

PATIENCE = 0.3
"""Seconds between looks: master starts an smtpd for a waiting client in a few milliseconds."""
LOOKS = 4
RELOAD_TAKES = 2.0
"""Seconds in which a reload's first smtpd may be older than the qmgr by which the reload is known."""
CLOCK_TOLERANCE = 0.05
"""Seconds: file systems stamp files by a coarser clock."""


@check(Stage.LISTENING, live=True)
def service_throttled(host: Host, service: Service) -> Iterator[Finding]:
    """Clients connect and get no answer: no smtpd takes the connection.

    What:
        The kernel holds accepted connections for this service, and there is no smtpd process to greet them.
    Why:
        smtpd ended with a fatal error when it started. After that master waits up to service_throttle_time
        (60 seconds) before it tries again; meanwhile the kernel goes on accepting connections. The reason
        stands in the mail log, in a line with "fatal:" before "bad command startup -- throttling". A reload
        does not lift the waiting; a restart does. Without such a line master itself hangs.
    Start: saslauthd-chroot
    Break:
        postconf -e service_throttle_time=600
        chmod 0 /usr/lib/postfix/sbin/smtpd
        systemctl restart postfix
        python3 -c 'import socket; socket.create_connection(("127.0.0.1", 587))'
        sleep 2
        chmod 755 /usr/lib/postfix/sbin/smtpd
    Mend:
        systemctl restart postfix
    Safety:
        Safe: it is only a restart. It helps where the reason is gone by now, or master itself hangs;
        otherwise smtpd ends again, and its reason in the mail log is what must be mended.
    See: master(8), postconf(5) service_throttle_time
    """
    jam = _jam(host, service)
    if jam is None:
        return
    from maildoctor.postfix.last_words import last_words

    alive = f"smtpd -n {service.name}: {jam.smtpds or 'no'} process"
    yield Finding(
        summary=f"clients connect to port {service.port} and get no answer: no smtpd starts for them",
        subject=service.entry,
        impact=Impact.INCOMING_MAIL if service.port == 25 else Impact.ALL_LOGINS,
        expected="an smtpd process that greets the client",
        found=f"{alive}; clients waiting: {jam.waiting}",
        evidence=(
            Evidence("/proc/net/tcp", f"port {service.port}: connections that nobody takes: {jam.waiting}"),
            Evidence("ps", alive),
            *last_words(host, "smtpd"),
        ),
        proof=f"ss -ltn 'sport = :{service.port}'; pgrep -fa 'smtpd -n {service.name}'",
        remedy=Remedy.safe(
            RestartUnit("postfix"),
            notes="If that does not help, the reason stands in the mail log, in a line with fatal:.",
        ),
    )


@check(Stage.LISTENING, live=True)
def smtpd_limit_reached(host: Host, service: Service) -> Iterator[Finding]:
    """All smtpds that the service may have are busy, and clients wait.

    What:
        As many smtpds run as master.cf's column maxproc, or default_process_limit, allows, each with a
        client, and further connections wait in the kernel's queue.
    Why:
        The limit is too low, clients hold their connections open, or somebody guesses passwords on many at
        once. master logs "service ... has reached its process limit".
    Start: saslauthd-chroot
    Break:
        postconf -F submission/inet/process_limit=1
        systemctl stop holder || true
        systemctl restart postfix
        systemd-run --quiet --collect --unit=holder python3 -c "$(printf '%s\\n' 'import socket, time' \\
            'first = socket.create_connection((\"127.0.0.1\", 587)); first.recv(99)' \\
            'second = socket.create_connection((\"127.0.0.1\", 587))' \\
            'while True: first.sendall(b\"NOOP\\r\\n\"); first.recv(99); time.sleep(1)')"
        until ss -ltn 'sport = :587' | grep -q ' 1 '; do sleep 0.1; done
    Mend:
        systemctl stop holder || true
        postconf -F submission/inet/process_limit=-
        systemctl restart postfix
    Safety:
        A choice: more processes take more memory.
    See: master(5), postconf(5) default_process_limit, TUNING_README
    """
    waiting = _waiting_at_limit(host, service)
    if not waiting:
        return
    limit = _limit(host, service)
    actions = (SetServiceField(service.entry, "process_limit", "-"), RestartUnit("postfix"))
    yield Finding(
        summary=f"all {limit} smtpds that {service.name} may have are busy, and clients wait",
        subject=service.entry,
        impact=Impact.SOME_LOGINS,
        expected="an smtpd for each client",
        found=f"smtpds: {limit}; clients waiting: {waiting}",
        evidence=(
            Evidence.at(service.source, f"at most {limit} processes"),
            Evidence("/proc/net/tcp", f"port {service.port}: connections that nobody takes: {waiting}"),
        ),
        proof=f"ss -ltn 'sport = :{service.port}'; pgrep -fc 'smtpd -n {service.name}'",
        remedy=Remedy.choice(Option("default", "default_process_limit holds, 100 by default.", actions))
        if limit < 100
        else Remedy.manual("Look who holds the connections (ss -tn), and raise maxproc in master.cf."),
    )


def _waiting_at_limit(host: Host, service: Service) -> int:
    """Give how many wait, if at every look somebody does and the service has all its smtpds."""
    waiting = 0
    for look in range(LOOKS):
        time.sleep(PATIENCE if look else 0)
        sockets = listeners_now(host) if look else listeners(host)
        waiting = sum(each.waiting for each in sockets if each.port == service.port)
        if not waiting or sum(each.service == service.name for each in smtpds_now(host)) < _limit(
            host, service
        ):
            return 0
    return waiting


@check(Stage.LISTENING, live=True)
def smtpd_older_than_change(host: Host, service: Service) -> Iterator[Finding]:
    """A living smtpd has not seen a change of the configuration or of its groups.

    What:
        An smtpd of this service started before a file that it reads at its start was changed, or before
        postfix became a member of a group; or master has not read master.cf since it was edited.
    Why:
        smtpd reads main.cf and smtpd.conf, and gets its groups, when it starts. It ends at "postfix reload",
        or by itself after max_idle (100 seconds) without a client or after max_use clients: till then its
        clients meet the old state. master reads master.cf at its start and at "postfix reload" alone.
    Start: saslauthd-chroot
    Break:
        gpasswd --delete postfix sasl
        postfix reload
        python3 -c 'import socket; socket.create_connection(("127.0.0.1", 587)).recv(100)'
        adduser --quiet postfix sasl
    Mend:
        postfix reload
    Safety:
        Safe: a reload lets each smtpd finish with its client.
    See: master(8), postconf(5) max_idle, max_use
    """
    alive = _taking_clients(host, service)
    yield from _without_groups(host, service, alive)
    yield from _older_than_files(host, service, alive)
    yield from _unread_master_cf(host, service, alive)


def _taking_clients(host: Host, service: Service) -> list[Smtpd]:
    """Give the service's smtpds that new clients may meet; one of before the reload ends with its client."""
    reloaded = last_reload(host) - RELOAD_TAKES
    return [each for each in smtpds(host) if each.service == service.name and each.started >= reloaded]


class _Jam(NamedTuple):
    waiting: int
    """Connections that nobody takes."""
    smtpds: int
    """Living smtpds of the service, fewer than it may have."""


def _jam(host: Host, service: Service) -> _Jam | None:
    """Look several times, since a client waits a moment on any server; None as soon as nobody does.

    A service that has all the smtpds that it may have is busy, not stuck.
    """
    for look in range(LOOKS):
        time.sleep(PATIENCE if look else 0)
        sockets = listeners_now(host) if look else listeners(host)
        waiting = sum(each.waiting for each in sockets if each.port == service.port)
        alive = sum(each.service == service.name for each in smtpds_now(host)) if waiting else 0
        if not waiting or (alive and alive >= _limit(host, service)):
            return None
        if look and not alive:
            break
    return _Jam(waiting, alive)


def _limit(host: Host, service: Service) -> int:
    """Give how many smtpds the service may have: master.cf's column maxproc, else default_process_limit."""
    column = next(each.maxproc for each in all_services(host) if each.name == service.entry)
    text = column if column.isdecimal() else service.parameter("default_process_limit").value
    return int(text[:9]) or sys.maxsize if text.isdecimal() else 100


def _without_groups(host: Host, service: Service, alive: list[Smtpd]) -> Iterator[Finding]:
    """Find smtpds that lack a group which their user has by now; an error where its verifier is behind it."""
    user = account(host, "postfix")
    # One that has just started is still root.
    lacking = [each for each in alive if user and user.gid in each.groups and user.groups - each.groups]
    if not user or not lacking:
        return
    oldest = lacking[0]
    names = ", ".join(sorted(group_name(host, gid) for gid in user.groups - oldest.groups))
    old = user._replace(groups=oldest.groups)
    refused = [
        path
        for path, want in _ways(host, service)
        if may(host, path, want, service.root).granted
        and not may(host, path, want, service.root, old).granted
    ]
    yield Finding(
        summary=f"smtpd started before postfix became a member of {names}"
        + (f", and may not use {refused[0]}" if refused else ""),
        subject=service.entry,
        severity=Severity.ERROR if refused else Severity.INFO,
        expected=f"an smtpd in group {names}",
        found=f"process {oldest.pid} without it",
        evidence=(Evidence(f"/proc/{oldest.pid}/status", f"groups without {names}"),),
        proof=f"grep Groups /proc/{oldest.pid}/status; id postfix",
        remedy=_reload(service),
    )


def _ways(host: Host, service: Service) -> Iterator[tuple[str, Want]]:
    """Yield the paths, seen by smtpd, at which it finds its verifiers, and what it wants of them."""
    asked = method(host, service)
    if asked.uses("saslauthd") and asked.conf:
        yield asked.conf.saslauthd_path.value, "connect"
    if asked.uses("sasldb"):
        yield sasldb.place(host, service).path, "read"
    if asked.uses("dovecot") and endpoint(service).path:
        yield endpoint(service).path, "connect"


def _older_than_files(host: Host, service: Service, alive: list[Smtpd]) -> Iterator[Finding]:
    conf = method(host, service).conf
    files = [MAIN_CF, *([conf.path] if conf and conf.path else [])]
    for path in files:
        changed = _changed(host, path)
        older = [each for each in alive if each.started + CLOCK_TOLERANCE < changed]
        if not older:
            continue
        yield Finding(
            summary=f"smtpd started before {path} was changed: its clients meet the old configuration",
            subject=path,
            severity=Severity.WARNING,
            expected="an smtpd that started after the change",
            found=f"process {older[0].pid}, which started {changed - older[0].started:.0f} s before it",
            evidence=(
                Evidence(f"stat {path}", f"changed {_clock(changed)}"),
                Evidence(f"/proc/{older[0].pid}/stat", f"smtpd started {_clock(older[0].started)}"),
            ),
            proof=f"stat -c %z {path}; ps -o lstart= -p {older[0].pid}",
            remedy=_reload(service),
        )


def _unread_master_cf(host: Host, service: Service, alive: list[Smtpd]) -> Iterator[Finding]:
    """Compare how master started its smtpds with what master.cf says since; without one, nobody can tell."""
    read, changed = last_reload(host), _changed(host, MASTER_CF)
    if not read or changed <= read + CLOCK_TOLERANCE or not _served(host, service):
        return
    entry = next(each for each in all_services(host) if each.name == service.entry)
    differing = [
        each
        for each in alive
        if ("-c" in each.command) != bool(service.chroot) or not _ends_with(each.command, entry.arguments)
    ]
    if alive and not differing:
        return
    processes = [Evidence(f"ps {each.pid}", " ".join(each.command)) for each in differing[:1]]
    yield Finding(
        summary=f"master has not read {MASTER_CF} since it was edited",
        subject=MASTER_CF,
        severity=Severity.WARNING,
        expected="a reload after the edit",
        found=f"last reload {_clock(read)}",
        evidence=(Evidence(f"stat {MASTER_CF}", f"changed {_clock(changed)}"), *processes),
        proof=f"stat -c %z {MASTER_CF}; ps -o lstart= -C qmgr",
        remedy=Remedy.safe(ReloadUnit("postfix")),
    )


def _served(host: Host, service: Service) -> bool:
    return any(each.port == service.port for each in listeners(host))


def _ends_with(command: tuple[str, ...], arguments: tuple[str, ...]) -> bool:
    return not arguments or command[-len(arguments) :] == arguments


def _changed(host: Host, path: str) -> float:
    """Give when a file last changed, in seconds of the epoch; 0 where there is none."""
    try:
        return host.stat(path).st_ctime
    except CannotLook:
        return 0.0


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _reload(service: Service) -> Remedy:
    idle = service.parameter("max_idle").value or "100s"
    notes = f"Without a reload it heals by itself when smtpd has been idle for {idle}."
    return Remedy.safe(ReloadUnit("postfix"), notes=notes)

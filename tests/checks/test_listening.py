"""Listening: master, its sockets and its smtpds, with the kernel's answers given."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maildoctor_checks import listening, smtpd_processes

from maildoctor.check import Check, Status, all_checks, run
from maildoctor.debian.accounts import Account, account
from maildoctor.debian.units import unit_states
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import TreeHost
from maildoctor.postfix import daemon
from maildoctor.postfix.addresses import own
from maildoctor.postfix.configuration import MASTER_CF, login_services, meant_for_logins
from maildoctor.postfix.daemon import Listener, Master, Smtpd
from maildoctor.remedy import ReloadUnit, Remedy, RestartUnit, Safety
from tests.postfix.conftest import MakeHost, make_host, write

__all__ = ["make_host"]

SMTP = "smtp inet n - y - - smtpd\n"
SUBMISSION = "submission inet n - y - - smtpd\n -o smtpd_sasl_auth_enable=yes\n"
ALIVE = Master("/var/spool/postfix/pid/master.pid", 100, 100, None, 1000.0)
DEAD = Master("/var/spool/postfix/pid/master.pid", None, 100)
ANY = (Listener("0.0.0.0", 587, 1, 0), Listener("::", 587, 2, 0))
USER = Account("postfix", 104, 110, frozenset({110}))


def named(code: str) -> Check:
    return next(check for check in all_checks() if check.code == code)


def findings(host: TreeHost, code: str) -> list[Finding]:
    """Ask one check; it must neither be skipped nor crash."""
    services = [each for each in login_services(host) if meant_for_logins(host, each)]
    results = list(run(named(code), host, services))
    assert all(result.status in (Status.OK, Status.FOUND) for result in results), results
    return [finding for result in results for finding in result.findings]


def know(host: TreeHost, fact: Callable[..., Any], value: object, *arguments: object) -> None:
    """Let a fact be known, as if it had been asked."""
    host.memory[(fact.__wrapped__, arguments)] = (value, None)  # type: ignore[attr-defined]


@pytest.fixture
def running(make_host: MakeHost, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TreeHost]:
    """Make a host that seems to run: master, sockets and smtpds as given."""

    def run_it(
        main: str = "inet_interfaces = all\n",
        master: str = SUBMISSION,
        state: Master = ALIVE,
        sockets: tuple[Listener, ...] = ANY,
        smtpds: tuple[Smtpd, ...] = (),
        ours: frozenset[int] = frozenset({1, 2, 3}),
    ) -> TreeHost:
        host = make_host(main, master)
        monkeypatch.setattr(host, "live", True)
        monkeypatch.setattr(listening, "socket_inodes", lambda pid: ours)
        monkeypatch.setattr(smtpd_processes, "listeners_now", lambda host: sockets)
        monkeypatch.setattr(smtpd_processes, "smtpds_now", lambda host: smtpds)
        monkeypatch.setattr(smtpd_processes, "PATIENCE", 0)
        know(host, daemon.master, state)
        know(host, daemon.listeners, sockets)
        know(host, daemon.smtpds, smtpds)
        know(host, daemon.last_reload, os.stat(host.root + MASTER_CF).st_ctime + 1)
        know(host, daemon.holder, (7, "nginx"), 9)
        know(host, account, USER, "postfix")
        know(host, account, USER, "root")
        return host

    return run_it


Running = Callable[..., TreeHost]
EVERY = (
    "postfix-not-running",
    "service-not-listening",
    "port-taken-by-another-process",
    "listening-on-loopback-only",
    "service-throttled",
    "smtpd-older-than-change",
)


@pytest.mark.parametrize("code", EVERY)
def test_a_host_that_works_gives_nothing(running: Running, code: str) -> None:
    assert findings(running(), code) == []


def test_master_is_dead(running: Running) -> None:
    host = running(state=DEAD, sockets=())
    know(host, unit_states, {}, *UNITS)
    (finding,) = findings(host, "postfix-not-running")
    assert finding == Finding(
        summary="Postfix does not run: there is no master process",
        subject="master",
        impact=Impact.INCOMING_MAIL,
        expected="a process named master with the number in pid/master.pid",
        found="no process has the number 100",
        evidence=(Evidence(DEAD.path, "no process has the number 100"),),
        proof="postfix status",
        remedy=Remedy.safe(
            RestartUnit("postfix"),
            notes="If it ends again at once, the reason stands in the mail log, in a line with fatal:.",
        ),
        explains=named("postfix-not-running").explains,
        code="postfix-not-running",
        stage=Stage.LISTENING,
    )
    assert findings(host, "service-not-listening") == []


UNITS = ("postfix.service", "postfix@-.service")


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (Master(DEAD.path, None), "no number: master is not running"),
        (DEAD._replace(bearer="cron"), "number 100 is now a process named cron"),
    ],
)
def test_what_became_of_master(running: Running, state: Master, found: str) -> None:
    assert [each.found for each in findings(running(state=state), "postfix-not-running")] == [found]


def test_a_service_that_was_added_without_a_reload(running: Running) -> None:
    host = running(sockets=())
    know(host, daemon.last_reload, 1000.0)
    (finding,) = findings(host, "service-not-listening")
    assert finding.summary == (
        "master does not listen on port 587: it has not read master.cf since it was edited"
    )
    assert finding.remedy == Remedy.safe(ReloadUnit("postfix"))
    assert finding.evidence == (
        Evidence(f"{MASTER_CF}:1", "submission inet ... smtpd"),
        Evidence("/proc/net/tcp", "port 587: nobody listens"),
    )


@pytest.mark.parametrize(
    ("main", "sockets", "absent"),
    [
        ("inet_interfaces = all\n", (Listener("127.0.0.1", 587, 1, 0),), ["0.0.0.0"]),
        ("inet_interfaces = 192.0.2.1\n", (Listener("192.0.2.9", 587, 1, 0),), ["192.0.2.1"]),
        ("inet_interfaces = 192.0.2.1, 127.0.0.1\n", (Listener("192.0.2.1", 587, 1, 0),), ["127.0.0.1"]),
        ("inet_interfaces = 192.0.2.1\n", ANY, None),
        ("inet_interfaces = mail.example.com\n", (Listener("192.0.2.9", 587, 1, 0),), None),
        ("inet_protocols = ipv4\n", (Listener("0.0.0.0", 587, 1, 0),), None),
        ("inet_interfaces = all\n", (Listener("0.0.0.0", 587, 1, 0),), None),
    ],
)
def test_addresses_of_the_last_start(
    running: Running, main: str, sockets: tuple[Listener, ...], absent: list[str] | None
) -> None:
    found = findings(running(main, sockets=sockets), "service-not-listening")
    assert [each.expected for each in found] == (
        [f"a listening socket on port 587 of {' and '.join(absent)}"] if absent else []
    )
    assert all(each.remedy == Remedy.safe(RestartUnit("postfix")) for each in found)


@pytest.mark.parametrize(
    ("state", "services", "impact"),
    [(ALIVE, ("submission",), Impact.ALL_LOGINS), (DEAD, (), Impact.INCOMING_MAIL)],
)
def test_another_program_has_the_port(
    running: Running, state: Master, services: tuple[str, ...], impact: Impact
) -> None:
    host = running(state=state, sockets=(Listener("0.0.0.0", 587, 9, 0),))
    (finding,) = findings(host, "port-taken-by-another-process")
    assert finding.summary == "port 587 belongs to nginx (process 7), not to Postfix's master"
    assert (finding.services, finding.impact, finding.remedy.safety) == (services, impact, Safety.MANUAL)
    assert findings(host, "service-not-listening") == []


@pytest.mark.parametrize(
    ("main", "master", "sockets", "severity"),
    [
        ("inet_interfaces = loopback-only\n", SUBMISSION, (), Severity.WARNING),
        ("inet_interfaces = 127.0.0.1, [::1]\n", SUBMISSION, (), Severity.WARNING),
        ("inet_interfaces = localhost\n", SUBMISSION, (), Severity.WARNING),
        (
            "inet_interfaces = loopback-only\n",
            SUBMISSION,
            (Listener("0.0.0.0", 465, 9, 0),),
            Severity.INFO,
        ),
        ("inet_interfaces = all\n", "127.0.0.1:" + SUBMISSION, (), Severity.INFO),
        ("inet_interfaces = 127.0.0.1, 192.0.2.1\n", SUBMISSION, (), None),
        ("inet_interfaces = loopback-only\n", "192.0.2.1:" + SUBMISSION, (), None),
    ],
)
def test_loopback_only(
    running: Running, main: str, master: str, sockets: tuple[Listener, ...], severity: Severity | None
) -> None:
    host = running(main, master, sockets=sockets)
    know(host, own, frozenset({"127.0.0.1", "192.0.2.10"}))
    found = findings(host, "listening-on-loopback-only")
    assert [each.severity for each in found] == ([severity] if severity is not None else [])


COMMAND = ("smtpd", "-n", "submission", "-t", "inet", "-u", "-c", "-o", "stress=")
SMTPD = Smtpd(
    7,
    "submission",
    2.0e9,
    frozenset({110}),
    (*COMMAND, "-o", "smtpd_sasl_auth_enable=yes"),
)


@pytest.mark.parametrize(
    ("waiting", "smtpds", "services"),
    [
        (2, (), ["submission"]),
        (2, (SMTPD._replace(service="smtp"),), ["submission"]),
        (2, (SMTPD,), ["submission"]),
        (2, (SMTPD,) * 100, []),
        (0, (), []),
    ],
)
def test_clients_that_nobody_greets(
    running: Running, waiting: int, smtpds: tuple[Smtpd, ...], services: list[str]
) -> None:
    host = running(sockets=(Listener("0.0.0.0", 587, 1, waiting),), smtpds=smtpds)
    assert [each.services[0] for each in findings(host, "service-throttled")] == services


def test_a_client_that_is_greeted_at_the_second_look(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = running(sockets=(Listener("0.0.0.0", 587, 1, 1),))
    monkeypatch.setattr(smtpd_processes, "listeners_now", lambda host: (Listener("0.0.0.0", 587, 1, 0),))
    assert findings(host, "service-throttled") == []


@pytest.mark.parametrize(
    ("limit", "waiting", "smtpds", "found"),
    [
        ("1", 2, (SMTPD,), [("smtpds: 1; clients waiting: 2", Impact.SOME_LOGINS)]),
        ("1", 0, (SMTPD,), []),
        ("2", 2, (SMTPD,), []),
        ("-", 2, (SMTPD,), []),
    ],
)
def test_all_smtpds_that_may_be_are_busy(
    running: Running, limit: str, waiting: int, smtpds: tuple[Smtpd, ...], found: list[object]
) -> None:
    master = SUBMISSION.replace("- - smtpd", f"- {limit} smtpd")
    host = running(master=master, sockets=(Listener("0.0.0.0", 587, 1, waiting),), smtpds=smtpds)
    assert [(each.found, each.impact) for each in findings(host, "smtpd-limit-reached")] == found


def test_an_smtpd_that_has_just_started_is_still_root(running: Running) -> None:
    host = running(smtpds=(SMTPD._replace(groups=frozenset({0})),))
    assert findings(host, "smtpd-older-than-change") == []


def test_an_smtpd_that_is_older_than_main_cf(running: Running) -> None:
    host = running(smtpds=(SMTPD._replace(started=1000.0),))
    know(host, daemon.last_reload, 900.0)
    (finding,) = findings(host, "smtpd-older-than-change")
    assert (finding.subject, finding.severity) == ("/etc/postfix/main.cf", Severity.WARNING)
    assert finding.remedy.notes == "Without a reload it heals by itself when smtpd has been idle for 100s."


def test_an_smtpd_of_before_the_reload_ends_with_its_client(running: Running) -> None:
    host = running(smtpds=(SMTPD._replace(started=1000.0),))
    assert findings(host, "smtpd-older-than-change") == []


def test_an_smtpd_that_knows_everything(running: Running) -> None:
    assert findings(running(smtpds=(SMTPD,)), "smtpd-older-than-change") == []


def test_a_group_that_smtpd_does_not_have_yet(running: Running) -> None:
    host = running(smtpds=(SMTPD,))
    know(host, account, USER._replace(groups=frozenset({110, 45})), "postfix")
    write(Path(host.root), "/etc/group", "sasl:x:45:postfix\n")
    (finding,) = findings(host, "smtpd-older-than-change")
    assert finding.summary == "smtpd started before postfix became a member of sasl"
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (SMTPD.command, False),
        (tuple(word for word in SMTPD.command if word != "-c"), True),
        ((*SMTPD.command[:-1], "smtpd_sasl_auth_enable=no"), True),
    ],
)
def test_master_cf_was_edited_and_not_read(running: Running, command: tuple[str, ...], found: bool) -> None:
    host = running(smtpds=(SMTPD._replace(command=command),))
    know(host, daemon.last_reload, 1000.0)
    got = findings(host, "smtpd-older-than-change")
    assert [(each.subject, each.severity) for each in got] == (
        [(MASTER_CF, Severity.WARNING)] if found else []
    )


WANTED = "/etc/systemd/system/multi-user.target.wants/postfix.service"
UNIT = {
    "/usr/lib/systemd/systemd": "",
    "/usr/lib/systemd/system/postfix.service": "",
    "/usr/sbin/postfix": "",
}


@pytest.mark.parametrize(
    ("master", "files", "found"),
    [
        (SUBMISSION, UNIT, ["disabled"]),
        (SUBMISSION, {**UNIT, WANTED: ""}, []),
        (SMTP, UNIT, []),
        (SUBMISSION, {"/usr/sbin/postfix": ""}, []),
        (SUBMISSION, {"/usr/sbin/postfix": "", "/etc/init.d/postfix": ""}, ["disabled"]),
        (SUBMISSION, {**UNIT, "/etc/rc2.d/S20postfix": ""}, ["disabled"]),
    ],
)
def test_enabled_at_boot(make_host: MakeHost, master: str, files: dict[str, str], found: list[str]) -> None:
    got = findings(make_host(master=master, **files), "postfix-not-enabled")
    assert [each.found for each in got] == found
    assert {each.severity for each in got} <= {Severity.WARNING}

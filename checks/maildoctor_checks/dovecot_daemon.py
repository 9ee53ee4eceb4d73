"""Reachable: does Dovecot run, and will its configuration let it?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.debian.release import uses_systemd
from maildoctor.debian.units import starts_at_boot
from maildoctor.dovecot.config import DOVECOT_CONF
from maildoctor.dovecot.daemon import complaint, halted, installed, master_pid
from maildoctor.dovecot.socket import endpoint, in_use, listened_on
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host, LinkLoop, Missing
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import evidence
from maildoctor.remedy import ContinueUnit, EnableUnit, Remedy, RestartUnit, StartUnit
from maildoctor_checks._dovecot import CONSEQUENCES, LOOPBACK, impact


@check(
    Stage.REACHABLE,
    live=True,
    explains=("dovecot-socket-dead", "service-throttled", "no-mechanism-left", "dovecot-not-enabled"),
)
def dovecot_not_running(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot, which is to verify the passwords, does not run.

    What:
        smtpd_sasl_type is dovecot, and no Dovecot runs on this host. An smtpd that starts now ends at once
        ("fatal: no SASL authentication mechanisms"), so that no banner comes and master throttles the
        service.
    Why:
        smtpd asks Dovecot for the mechanisms before it greets a client. Where AUTH is enabled in main.cf,
        port 25 is concerned as well, and incoming mail stops.
    Start: dovecot
    Break:
        systemctl kill --signal=KILL dovecot
        systemctl restart postfix
    Mend:
        systemctl start dovecot
        systemctl restart postfix
    Safety:
        Safe: it starts what the configuration names. Postfix is restarted, since a reload does not end
        master's throttling.
    See: SASL_README on Dovecot, master(8)
    """
    if not _is_meant(host, service) or not _is_dead(host, service) or complaint(host):
        return
    yield Finding(
        summary="Dovecot does not run, so smtpd finds nobody who verifies passwords",
        subject="dovecot",
        impact=impact(host),
        expected="a running Dovecot",
        found="no process",
        evidence=(
            evidence(service, "smtpd_sasl_type"),
            Evidence("/run/dovecot/master.pid", "names no process that is Dovecot's master"),
        ),
        proof="systemctl status dovecot --no-pager" if uses_systemd(host) else "pgrep -l -x dovecot",
        remedy=Remedy.safe(StartUnit("dovecot"), RestartUnit("postfix")),
    )


@check(
    Stage.REACHABLE,
    live=True,
    explains=("dovecot-not-running", "dovecot-socket-dead", "service-throttled", "no-mechanism-left"),
)
def dovecot_configuration_refused(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot refuses its own configuration, and so does not start.

    What:
        Dovecot does not run, and doveconf says that its configuration is wrong. Often it was written for
        another version: 2.4 (Debian 13) does not take a configuration of 2.3.
    Why:
        Dovecot reads all of its files before it makes any socket. With no socket, smtpd ends at its start.
    Start: dovecot
    Break:
        echo 'no_such_setting = yes' > /etc/dovecot/conf.d/99-wrong.conf
        systemctl kill --signal=KILL dovecot
        systemctl restart postfix
    Mend:
        rm /etc/dovecot/conf.d/99-wrong.conf
        systemctl start dovecot
        systemctl restart postfix
    Safety:
        Only the admin knows what the line was for.
    See: doveconf(1), doc.dovecot.org on upgrading from 2.3 to 2.4
    """
    if not _is_meant(host, service) or not _is_dead(host, service):
        return
    said = complaint(host)
    if said is None:
        return
    yield Finding(
        summary="Dovecot does not start: it refuses its configuration",
        subject=DOVECOT_CONF,
        impact=impact(host),
        expected="a configuration that doveconf accepts",
        found=said,
        evidence=(evidence(service, "smtpd_sasl_type"), Evidence("doveconf -n", said)),
        proof="doveconf -n > /dev/null",
        remedy=Remedy.manual(
            "Correct the line that doveconf names, then: systemctl start dovecot && systemctl restart postfix"
        ),
    )


@check(Stage.REACHABLE, live=True, explains=CONSEQUENCES)
def dovecot_not_answering(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot accepts connections and never answers.

    What:
        smtpd connects to Dovecot's socket, which the kernel accepts on its behalf, and waits ten seconds for
        the list of mechanisms. Then it ends with "fatal: no SASL authentication mechanisms", or a login ends
        with 454.
    Why:
        The process that would answer was stopped: SIGSTOP, a debugger, a frozen session.
    Start: dovecot
    Break:
        pkill -STOP -x auth || true
        pkill -STOP -x dovecot
        systemctl restart postfix
    Mend:
        systemctl kill --signal=CONT dovecot
        systemctl restart postfix
    Safety:
        The processes go on where they were. Postfix is restarted, since a reload does not end throttling.
    See: signal(7), SASL_README on Dovecot
    """
    stopped = halted(host) if _is_meant(host, service) else ()
    if not stopped:
        return
    yield Finding(
        summary="Dovecot accepts connections but never answers: its process is stopped",
        subject="dovecot",
        impact=impact(host),
        expected="processes that wait for requests",
        found="stopped",
        evidence=tuple(Evidence(f"/proc/{pid}/stat", "state T, stopped") for pid in stopped),
        proof=f"ps -o pid,stat,args -p {','.join(map(str, stopped))}",
        remedy=Remedy.safe(ContinueUnit("dovecot"), RestartUnit("postfix")),
    )


@check(Stage.REACHABLE)
def dovecot_not_enabled(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot will not start with the machine.

    What:
        Dovecot verifies the passwords and runs now, but systemd does not start it at boot. After the next
        reboot nobody can log in.
    Why:
        Somebody started it by hand, or disabled it; Debian's package enables it.
    Start: dovecot
    Break:
        systemctl disable dovecot
    Mend:
        systemctl enable dovecot
    Safety:
        Safe: nothing changes until the next boot.
    See: systemctl(1)
    """
    if not _is_meant(host, service) or starts_at_boot(host, "dovecot"):
        return
    yield Finding(
        summary="Dovecot is not enabled: after the next boot nobody verifies passwords",
        subject="dovecot",
        severity=Severity.WARNING,
        expected="enabled",
        found="disabled",
        evidence=(Evidence("boot", "no link of systemd or of a runlevel starts dovecot"),),
        proof="systemctl is-enabled dovecot",
        remedy=Remedy.safe(EnableUnit("dovecot")),
    )


def _is_meant(host: Host, service: Service) -> bool:
    """Tell whether it is this host's own Dovecot that should answer this smtpd."""
    return in_use(service) and installed(host) and endpoint(service).host in LOOPBACK


def _is_dead(host: Host, service: Service) -> bool:
    """Tell whether Dovecot does not run, and nothing else answers in its place."""
    if master_pid(host) is not None:
        return False
    where = endpoint(service)
    try:
        return not where.path or not listened_on(host, host.resolve(where.path, where.root))
    except (Missing, LinkLoop):
        return True

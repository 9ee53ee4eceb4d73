"""Reachable: does somebody listen at Dovecot's socket, and may smtpd connect?"""

import stat
from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.debian.ownership import owners, stat_evidence
from maildoctor.dovecot.listener import ports
from maildoctor.dovecot.socket import Endpoint, endpoint, in_use, listened_on
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host, Step
from maildoctor.postfix.daemon import listeners as tcp_listeners
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, evidence
from maildoctor.remedy import ChangeOwner, Option, Remedy, RestartUnit
from maildoctor_checks._directory import let_pass
from maildoctor_checks._dovecot import (
    CONSEQUENCES,
    LOOPBACK,
    attempt,
    impact,
    listen,
    listener_at,
    reach,
)

PATH = "smtpd_sasl_path"


@check(Stage.REACHABLE, live=True, explains=CONSEQUENCES)
def dovecot_socket_dead(host: Host, service: Service) -> Iterator[Finding]:
    """Nobody listens at Dovecot's socket.

    What:
        The socket, or the port, that smtpd_sasl_path names is there, and nobody answers: smtpd gets
        "Connection refused". An smtpd that starts now ends at once, and master throttles the service.
    Why:
        A Dovecot that was killed leaves its sockets behind; one that was started anew after a change of its
        configuration may listen elsewhere.
    Start: dovecot
    Break:
        rm -f /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Mend:
        printf '%s\\n' 'auth_mechanisms = plain login' 'service auth {' \\
            '  unix_listener /var/spool/postfix/private/auth {' '    mode = 0660' '    user = postfix' \\
            '    group = postfix' '  }' '}' > /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Safety:
        Safe where Dovecot is told to listen there: it is restarted. Otherwise a choice: Dovecot gets one more
        socket, for postfix alone.
    See: connect(2), SASL_README on Dovecot
    """
    where = endpoint(service)
    if not in_use(service):
        return
    if where.port:
        yield from _dead_port(host, service, where)
        return
    access = reach(host, service)
    if access is None or not (access.granted or access.errno == "ECONNREFUSED"):
        return
    if access.granted and (access.proved or listened_on(host, host.resolve(where.path, where.root))):
        return
    told = listener_at(host, where.on_host)
    restart = Remedy.safe(RestartUnit("dovecot"), RestartUnit("postfix"))
    yield Finding(
        summary=f"Nobody listens at {where.on_host}: smtpd gets Connection refused",
        subject=where.on_host,
        impact=impact(host),
        expected="Dovecot listens",
        found="a socket that nobody listens on",
        evidence=(evidence(service, PATH), attempt(where, "Connection refused")),
        proof=f"ss -xl | grep -F {quote(where.on_host)}",
        remedy=restart if told else listen(host, where.on_host, RestartUnit("postfix")),
    )


@check(Stage.REACHABLE, explains=CONSEQUENCES)
def dovecot_socket_unreachable(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd may not connect to Dovecot's socket.

    What:
        The socket is there, and its mode, or that of a directory on the way, keeps user postfix out: the log
        says "Permission denied". An smtpd that starts now ends at once.
    Why:
        Dovecot makes a socket 0600 for root unless its configuration says otherwise. smtpd connects as user
        postfix: mode 0660 with user and group postfix lets it in, and nobody else.
    Start: dovecot
    Break:
        sed -i 's/mode = 0660/mode = 0600/; /user = postfix/d; /group = postfix/d' \\
            /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Mend:
        sed -i 's/mode = 0600/mode = 0660\\n    user = postfix\\n    group = postfix/' \\
            /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Safety:
        Safe: postfix may connect, and nobody else gains anything. Mode 0666 is not needed: the directory
        private is for postfix alone anyway.
    See: SASL_README on Dovecot, unix(7)
    """
    where, access = endpoint(service), reach(host, service)
    if access is None or access.errno != "EACCES":
        return
    refuses = access.refuses
    at = refuses.path if refuses else where.on_host
    yield Finding(
        summary=f"smtpd may not connect to {where.on_host}: {_because(host, at, refuses)}",
        subject=at,
        impact=impact(host),
        expected="postfix may connect",
        found=owners(host, refuses.status) if refuses else "Permission denied",
        evidence=(
            evidence(service, PATH),
            *((stat_evidence(host, at, refuses.status),) if refuses else ()),
            *_told(host, where),
            attempt(where, "Permission denied"),
        ),
        proof=f"namei -l {quote(where.on_host)}",
        remedy=_let_in(host, service, where, refuses),
    )


def _because(host: Host, path: str, refuses: Step | None) -> str:
    if refuses is None:
        return "not its mode, perhaps AppArmor, keeps it out"
    what = "the directory" if stat.S_ISDIR(refuses.status.st_mode) else "the socket"
    return f"{what} {path} is {owners(host, refuses.status)}"


def _told(host: Host, where: Endpoint) -> tuple[Evidence, ...]:
    listener = listener_at(host, where.on_host)
    if listener is None:
        return ()
    text = f"mode = {listener.mode}, user = {listener.user}, group = {listener.group or 'root'}"
    return (Evidence.at(listener.source, text),)


def _let_in(host: Host, service: Service, where: Endpoint, refuses: Step | None) -> Remedy:
    if refuses is None:
        return Remedy.manual("See the kernel's log for AppArmor or SELinux: journalctl -k | grep -i denied")
    private = f"{service.parameter('queue_directory').value.rstrip('/')}/private"
    if refuses.path == private:
        return Remedy.safe(ChangeOwner(private, "postfix", "root", 0o700), RestartUnit("postfix"))
    if stat.S_ISDIR(refuses.status.st_mode):
        return Remedy.safe(let_pass(host, refuses), RestartUnit("postfix"))
    return listen(host, where.on_host, RestartUnit("postfix"), safe=True)


def _dead_port(host: Host, service: Service, where: Endpoint) -> Iterator[Finding]:
    if where.host not in LOOPBACK or not where.port.isdigit():
        return
    number = int(where.port[:9])
    if any(each.port == number for each in tcp_listeners(host)):
        return
    told = ports(host)
    options = tuple(
        Option(
            str(port.number),
            f"smtpd asks at port {port.number}, where Dovecot is told to listen.",
            (assign(service, PATH, f"inet:127.0.0.1:{port.number}"), RestartUnit("postfix")),
        )
        for port in told
        if port.number != number
    )
    restart = Remedy.safe(RestartUnit("dovecot"), RestartUnit("postfix"))
    manual = Remedy.manual(f"Give Dovecot's service auth an inet_listener with port = {number}.")
    yield Finding(
        summary=f"Nobody listens at port {number}, where smtpd looks for Dovecot",
        subject=where.configured,
        impact=impact(host),
        expected=f"Dovecot listens at port {number}",
        found="nobody listens there",
        evidence=(
            evidence(service, PATH),
            *(Evidence.at(port.source, f"port = {port.number}") for port in told),
        ),
        proof=f"ss -tln 'sport = :{number}'",
        remedy=restart
        if any(port.number == number for port in told)
        else (Remedy.choice(*options) if options else manual),
    )

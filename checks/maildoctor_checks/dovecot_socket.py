"""Reachable: is Dovecot's socket where smtpd looks for it?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.dovecot.daemon import installed
from maildoctor.dovecot.listener import OTHER_PROTOCOLS
from maildoctor.dovecot.socket import Endpoint, endpoint, in_use
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host, LinkLoop, Missing
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, evidence
from maildoctor.remedy import Remedy, RestartUnit
from maildoctor_checks._dovecot import (
    CONSEQUENCES,
    attempt,
    impact,
    is_nowhere,
    listen,
    listener_at,
    reach,
    runs,
    usable_listeners,
)

PATH = "smtpd_sasl_path"


@check(Stage.REACHABLE, explains=CONSEQUENCES)
def dovecot_socket_outside_chroot(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot's socket is outside the chroot, where smtpd cannot see it.

    What:
        smtpd_sasl_path is an absolute path. The service runs chrooted to the queue directory and looks for
        that path inside of it, while Dovecot listens at that path outside.
    Why:
        smtpd connects after it has entered the chroot. The usual path is relative, private/auth, which means
        the same for a chrooted smtpd and for one that is not.
    Start: dovecot
    Break:
        postconf -e smtpd_sasl_path=/var/spool/postfix/private/auth
        systemctl restart postfix
    Mend:
        postconf -e smtpd_sasl_path=private/auth
        systemctl restart postfix
    Safety:
        Safe where Dovecot listens inside the queue directory already: only the name is corrected. Otherwise a
        choice: Dovecot gets one more socket, for postfix alone.
    See: SASL_README on Dovecot, postconf(5) on smtpd_sasl_path
    """
    where = endpoint(service)
    if not in_use(service) or not is_nowhere(host, service) or not _lies_outside(host, where):
        return
    yield Finding(
        summary=f"Dovecot listens at {where.path}, but smtpd looks for it inside {where.root}",
        subject=where.on_host,
        impact=impact(host),
        expected=f"Dovecot's socket at {where.on_host}",
        found=f"a socket at {where.path}",
        evidence=(evidence(service, PATH), Evidence("chroot", where.root), attempt(where)),
        proof=f"ls -l {quote(where.path)} {quote(where.on_host)}",
        remedy=_other_path(host, service),
    )


@check(Stage.REACHABLE, explains=CONSEQUENCES)
def dovecot_socket_path_wrong(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd_sasl_path leads to something else than Dovecot's auth socket.

    What:
        At smtpd_sasl_path there is nothing, or something that is not the socket for clients, while Dovecot
        is told to listen elsewhere.
    Why:
        With smtpd_sasl_type = dovecot the parameter is a path, relative to the queue directory. Its default,
        smtpd, is a name for Cyrus SASL and means nothing to Dovecot. Sockets such as auth-userdb and
        auth-master speak another protocol.
    Start: dovecot
    Break:
        postconf -e smtpd_sasl_path=private/dovecot-auth
        systemctl restart postfix
    Mend:
        postconf -e smtpd_sasl_path=private/auth
        systemctl restart postfix
    Safety:
        Safe: it names the socket that Dovecot's configuration has for this.
    See: SASL_README on Dovecot, postconf(5) on smtpd_sasl_path
    """
    where = endpoint(service)
    if not in_use(service) or not where.path or _lies_outside(host, where):
        return
    found = _mistaken(host, service, where)
    if not found:
        return
    usable = usable_listeners(host, service)
    yield Finding(
        summary=f"smtpd_sasl_path leads to {where.on_host}, which is {found}",
        subject=PATH,
        impact=impact(host),
        expected=usable[0].path if usable else "the path of Dovecot's auth socket for clients",
        found=f"{where.configured}: {found}",
        evidence=(
            evidence(service, PATH),
            *(Evidence.at(each.source, f"unix_listener {each.path}") for each in usable),
        ),
        proof=f"stat {quote(where.on_host)}",
        remedy=_other_path(host, service),
    )


@check(Stage.REACHABLE, explains=CONSEQUENCES)
def dovecot_socket_missing(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot does not listen where smtpd looks for it.

    What:
        There is no socket at smtpd_sasl_path. Dovecot is not told to make one, or somebody removed it while
        Dovecot was running.
    Why:
        Dovecot as packaged makes no socket for Postfix: the lines in conf.d/10-master.conf are comments. It
        makes its sockets when it starts, and never again.
    Start: dovecot
    Break:
        rm -f /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        rm -f /var/spool/postfix/private/auth
        systemctl restart postfix
    Mend:
        printf '%s\\n' 'auth_mechanisms = plain login' 'service auth {' \\
            '  unix_listener /var/spool/postfix/private/auth {' '    mode = 0660' '    user = postfix' \\
            '    group = postfix' '  }' '}' > /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Safety:
        Safe if only a restart is needed. Otherwise a choice: Dovecot gets one more socket, for postfix alone.
    See: SASL_README on Dovecot, doc.dovecot.org on Postfix
    """
    where = endpoint(service)
    if not in_use(service) or not installed(host) or not is_nowhere(host, service):
        return
    if _lies_outside(host, where) or _mistaken(host, service, where):
        return
    listener = listener_at(host, where.on_host)
    if listener and not runs(host):
        return  # dovecot-not-running says it; a tree has no sockets
    told = Evidence.at(listener.source, f"unix_listener {listener.path}") if listener else None
    yield Finding(
        summary=f"Dovecot makes no socket at {where.on_host}, where smtpd looks for it",
        subject=where.on_host,
        impact=impact(host),
        expected="a socket on which Dovecot listens",
        found="nothing" if listener is None else "nothing, though Dovecot is told to listen there",
        evidence=(evidence(service, PATH), *([told] if told else []), attempt(where)),
        proof=f"stat {quote(where.on_host)}",
        remedy=_make(host, service, where, bool(listener)),
    )


def _lies_outside(host: Host, where: Endpoint) -> bool:
    """Tell whether the path that smtpd misses inside its chroot leads to Dovecot outside of it."""
    if where.root == "/" or not where.path:
        return False
    try:
        return host.step(where.path).kind == "a socket"
    except (Missing, LinkLoop):
        return listener_at(host, where.path) is not None


def _mistaken(host: Host, service: Service, where: Endpoint) -> str:
    """Say what stands at the path in place of the socket that smtpd needs; empty where it may be that one."""
    listener = listener_at(host, where.on_host)
    if (listener and not listener.for_clients) or where.path.endswith(OTHER_PROTOCOLS):
        return "a socket of Dovecot that speaks another protocol"
    access = reach(host, service)
    if access and access.errno == "ENOTSOCK" and access.refuses:
        return f"{access.refuses.kind}, not a socket"
    if is_nowhere(host, service) and listener is None and usable_listeners(host, service):
        return "not where Dovecot is told to listen"
    return ""


def _other_path(host: Host, service: Service) -> Remedy:
    """Let smtpd_sasl_path name a socket that Dovecot has for clients, or have one made."""
    usable = usable_listeners(host, service)
    if usable:
        return Remedy.safe(assign(service, PATH, _seen(service, usable[0].path)), RestartUnit("postfix"))
    usual = f"{service.parameter('queue_directory').value}/private/auth"
    return listen(host, usual, assign(service, PATH, "private/auth"), RestartUnit("postfix"))


def _make(host: Host, service: Service, where: Endpoint, told: bool) -> Remedy:
    if told:
        return Remedy.safe(RestartUnit("dovecot"), RestartUnit("postfix"))
    return listen(host, where.on_host, RestartUnit("postfix"))


def _seen(service: Service, path: str) -> str:
    """Give the value of smtpd_sasl_path for a path on the host: relative where it is in the queue."""
    queue = f"{service.parameter('queue_directory').value.rstrip('/')}/"
    return path.removeprefix(queue)

"""Reachable: is saslauthd's socket where this service looks for it?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix.configuration import login_services, meant_for_logins
from maildoctor.postfix.service import Service
from maildoctor.remedy import Option, ReloadUnit, Remedy, RestartUnit, SetLine, SetServiceField, UnitDropIn
from maildoctor.sasl.intention import meant_conf, needs_saslauthd
from maildoctor.sasl.saslauthd import installed, instances
from maildoctor.sasl.saslauthd_reach import Fault, Reach, reach, real, stale_mount
from maildoctor.sasl.saslauthd_unit import NAME
from maildoctor_checks._saslauthd import (
    impact,
    is_running,
    let_in,
    listen_in,
    process_evidence,
    unit_for,
)

MISPLACED = (Fault.OUTSIDE_CHROOT, Fault.IN_CHROOT_UNCHROOTED, Fault.ELSEWHERE, Fault.WRONG_PATH)


def _met(host: Host, service: Service, *faults: Fault) -> Reach | None:
    """Give the service's way to saslauthd if it ends in one of these faults."""
    if not needs_saslauthd(host, service) or not installed(host):
        return None
    found = reach(host, service)
    return found if found.fault in faults else None


def _directory(way: Reach) -> str:
    return way.on_host.rpartition("/")[0]


def _evidence(host: Host, service: Service, way: Reach) -> tuple[Evidence, ...]:
    chroot = f"chroot to {service.chroot}" if service.chroot else "no chroot"
    return (
        Evidence.at(service.source, f"{service.entry}: {chroot}"),
        *([Evidence.at(way.path.source, f"saslauthd_path: {way.path.value}")] if way.path.source else []),
        Evidence(f"connect {way.path.value}, as postfix", _errno(way)),
        *(Evidence.at(socket.source, f"socket {socket.value}") for socket in way.sockets),
    )


def _errno(way: Reach) -> str:
    said = {
        "ENOENT": "No such file or directory",
        "EACCES": "Permission denied",
        "ECONNREFUSED": "Connection refused",
        "ENOTSOCK": "is not a socket",
        "ELOOP": "links lead in a circle",
        "ENOTDIR": "Not a directory",
    }
    return said.get(way.access.errno, way.access.errno)


def _finding(host: Host, service: Service, way: Reach, summary: str, remedy: Remedy) -> Finding:
    listens = ", ".join(socket.value for socket in way.sockets) or "no socket"
    wrong = way.fault in (Fault.WITHOUT_MUX, Fault.WRONG_PATH)
    return Finding(
        summary=summary,
        subject=way.on_host,
        impact=impact(host, service),
        expected=listens if wrong else way.on_host,
        found=way.on_host if wrong else listens,
        evidence=_evidence(host, service, way),
        proof=f"ls -l {quote(way.on_host)}; ss -xl | grep /mux",
        remedy=remedy,
    )


def _outdated(host: Host, way: Reach) -> bool:
    """Tell whether a restart alone would put the socket where it is looked for."""
    wanted = real(host, way.path.value, way.root)
    started = {real(host, each.arguments.socket) for each in instances(host) if each.starts}
    return is_running(host) and wanted in started


@check(Stage.REACHABLE)
def saslauthd_older_than_change(host: Host, service: Service) -> Iterator[Finding]:
    """/etc/default/saslauthd was changed, and saslauthd has not been restarted since.

    What:
        The file now says where Postfix looks, but the saslauthd that runs was started with other options.
        Logins end with 454, "No such file or directory".
    Why:
        saslauthd reads its options once, when it starts.
    Start: saslauthd-chroot
    Break:
        systemctl stop saslauthd
        pkill -x saslauthd || true
        sleep 1
        mkdir -p /run/saslauthd
        /usr/sbin/saslauthd -a pam -c -m /run/saslauthd -n 5
    Mend:
        pkill -x saslauthd
        sleep 1
        systemctl restart saslauthd
    Safety:
        A restart takes a moment in which logins are refused.
    See: saslauthd(8)
    """
    way = _met(host, service, *MISPLACED)
    if way is None or not _outdated(host, way):
        return
    summary = "saslauthd still runs with options from before /etc/default/saslauthd was changed"
    remedy = Remedy.safe(*unit_for(host, _directory(way)), RestartUnit("saslauthd"))
    yield _finding(host, service, way, summary, remedy)


@check(Stage.REACHABLE)
def saslauthd_socket_outside_chroot(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd's socket is outside the chroot.

    What:
        The service is chrooted to the queue directory and looks for saslauthd's socket inside; saslauthd puts
        it outside. Every login ends with 454, and the log says "cannot connect to saslauthd server: No such
        file or directory".
    Why:
        Debian chroots Postfix's services, and saslauthd's OPTIONS name /var/run/saslauthd as shipped. smtpd
        connects after it has entered the chroot, so a symbolic link that leads out does not help either.
    Start: saslauthd-chroot
    Break on 12:
        systemctl stop saslauthd
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/run/saslauthd"|' /etc/default/saslauthd
        systemctl start saslauthd
    Break on 13:
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/run/saslauthd"|' /etc/default/saslauthd
        rm -f /etc/systemd/system/saslauthd.service.d/*
        systemctl daemon-reload
        systemctl restart saslauthd
    Mend on 12:
        systemctl stop saslauthd
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/var/run/saslauthd"|' /etc/default/saslauthd
        systemctl start saslauthd
    Mend on 13:
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/var/run/saslauthd"|' /etc/default/saslauthd
        mkdir -p /etc/systemd/system/saslauthd.service.d
        printf '[Service]\\nPIDFile=/var/spool/postfix/var/run/saslauthd/saslauthd.pid\\n' \\
            > /etc/systemd/system/saslauthd.service.d/chroot.conf
        systemctl daemon-reload
        systemctl restart saslauthd
    Safety:
        The socket moves; whatever else on this host uses saslauthd outside the chroot must be told. Leaving
        the chroot (column n in master.cf) works as well, but takes away what it protects from.
    See: /usr/share/doc/sasl2-bin/README.Debian, master(5) on the chroot column
    """
    way = _met(host, service, Fault.OUTSIDE_CHROOT)
    if way is None or _outdated(host, way):
        return
    summary = f"saslauthd's socket is outside the chroot {service.chroot}, where smtpd cannot see it"
    yield _finding(host, service, way, summary, _into_chroot(host, service, way))


def _into_chroot(host: Host, service: Service, way: Reach) -> Remedy:
    move = (*listen_in(host, _directory(way)), *let_in(host))
    others = [each.name for each in _using(host) if not each.chroot]
    if not others:
        return Remedy.safe(*move)
    leave = (SetServiceField(service.entry, "chroot", "n"), *let_in(host), ReloadUnit("postfix"))
    return Remedy.choice(
        Option(
            "move", f"saslauthd moves into the chroot, and {', '.join(others)} must follow it there.", move
        ),
        Option("leave-chroot", "The service leaves the chroot, and what it protects from.", leave),
    )


def _using(host: Host) -> list[Service]:
    services = (each for each in login_services(host) if meant_for_logins(host, each))
    return [each for each in services if needs_saslauthd(host, each)]


@check(Stage.REACHABLE)
def saslauthd_socket_in_chroot_unchrooted(host: Host, service: Service) -> Iterator[Finding]:
    """The service is not chrooted, but saslauthd's socket is in the chroot.

    What:
        saslauthd listens below the queue directory, for a chrooted smtpd. This smtpd runs outside and looks
        in /var/run/saslauthd. Every login ends with 454, "No such file or directory".
    Why:
        The chroot column in master.cf was changed to n, often to mend something else, or the guide that was
        followed is for a chrooted service.
    Start: saslauthd-chroot
    Break:
        postconf -F submission/inet/chroot=n
        systemctl restart postfix
    Mend:
        postconf -F submission/inet/chroot=y
        systemctl reload postfix
    Safety:
        A choice: into the chroot, as Debian has it, or let smtpd.conf name the socket's whole path.
    See: master(5) on the chroot column, libsasl(5) on saslauthd_path
    """
    way = _met(host, service, Fault.IN_CHROOT_UNCHROOTED)
    if way is None or _outdated(host, way):
        return
    chroot = Option(
        "chroot",
        "The service enters the chroot, as Debian ships it.",
        (SetServiceField(service.entry, "chroot", "y"), ReloadUnit("postfix")),
    )
    conf, socket = meant_conf(host, service), way.sockets[0].value
    path = Option(
        "path",
        "smtpd.conf names the socket in the queue directory; chrooted services can then no longer find it.",
        (SetLine(conf.path, "saslauthd_path", ": ", socket), ReloadUnit("postfix")),
    )
    chrooted = any(each.chroot for each in _using(host))
    summary = "saslauthd's socket is in the chroot, but this smtpd runs outside"
    options = (chroot,) if chrooted or not conf.found else (chroot, path)
    yield _finding(host, service, way, summary, Remedy.choice(*options))


@check(Stage.REACHABLE)
def saslauthd_path_without_mux(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd_path names a directory instead of the socket in it.

    What:
        smtpd tries to connect to a directory. Every login ends with 454, and the log says "Permission
        denied" or "Connection refused", with all permissions right.
    Why:
        saslauthd's -m is the directory, libsasl2's saslauthd_path the socket: it needs /mux at its end. Some
        guides, and a README, leave that out.
    Start: saslauthd-chroot
    Break:
        echo 'saslauthd_path: /var/run/saslauthd' >> /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i '/^saslauthd_path/d' /etc/postfix/sasl/smtpd.conf
        systemctl reload postfix
    Safety:
        The same directory, with the socket's name behind it.
    See: libsasl(5) on saslauthd_path, saslauthd(8)
    """
    way = _met(host, service, Fault.WITHOUT_MUX)
    if way is None:
        return
    summary = f"saslauthd_path is {way.path.value}, the directory: the socket is mux in it"
    value = f"{way.path.value.rstrip('/')}/mux"
    remedy = Remedy.safe(
        SetLine(meant_conf(host, service).path, "saslauthd_path", ": ", value), ReloadUnit("postfix")
    )
    yield _finding(host, service, way, summary, remedy)


@check(Stage.REACHABLE)
def saslauthd_path_wrong(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd_path in smtpd.conf leads to no socket.

    What:
        smtpd looks for saslauthd where smtpd.conf says, and saslauthd is elsewhere. Every login ends with
        454, "No such file or directory".
    Why:
        A chrooted smtpd follows the path inside the chroot: it must not begin with the queue directory. An
        unchrooted one follows it outside.
    Start: saslauthd-chroot
    Break:
        echo 'saslauthd_path: /var/spool/postfix/var/run/saslauthd/mux' >> /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i '/^saslauthd_path/d' /etc/postfix/sasl/smtpd.conf
        systemctl reload postfix
    Safety:
        The path becomes the one at which saslauthd listens, as this service sees it.
    See: libsasl(5) on saslauthd_path
    """
    way = _met(host, service, Fault.WRONG_PATH)
    if way is None or _outdated(host, way):
        return
    inside = _as_seen(host, service, way)
    action = SetLine(meant_conf(host, service).path, "saslauthd_path", ": ", inside)
    remedy = (
        Remedy.safe(action, ReloadUnit("postfix"))
        if inside
        else Remedy.safe(*listen_in(host, _directory(way)), *let_in(host))
    )
    yield _finding(
        host, service, way, f"saslauthd_path is {way.path.value}, where no saslauthd listens", remedy
    )


def _as_seen(host: Host, service: Service, way: Reach) -> str:
    """Give the socket's path as this service sees it, empty where it is outside the chroot."""
    for socket in way.sockets:
        place = real(host, socket.value)
        if not service.chroot:
            return socket.value
        if place.startswith(f"{service.root.rstrip('/')}/"):
            return place[len(service.root.rstrip("/")) :]
    return ""


@check(Stage.REACHABLE, explains=("saslauthd-pidfile-mismatch",))
def saslauthd_socket_elsewhere(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd listens in a directory in which smtpd does not look.

    What:
        saslauthd's -m names a directory that is neither the one outside nor the one inside the chroot where
        libsasl2 looks by default. Every login ends with 454, "No such file or directory".
    Why:
        A slip in OPTIONS, or a directory for which smtpd.conf should name the socket as saslauthd_path.
    Start: saslauthd-chroot
    Break on 12:
        systemctl stop saslauthd
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/run/saslauthd"|' /etc/default/saslauthd
        systemctl start saslauthd
    Break on 13:
        install -d -o root -g sasl -m 0710 /var/spool/postfix/run/saslauthd
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/run/saslauthd"|' /etc/default/saslauthd
        sed -i 's|/var/run|/run|g' /etc/systemd/system/saslauthd.service.d/*.conf
        systemctl daemon-reload
        systemctl restart saslauthd
    Mend on 12:
        systemctl stop saslauthd
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/var/run/saslauthd"|' /etc/default/saslauthd
        systemctl start saslauthd
    Mend on 13:
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/var/run/saslauthd"|' /etc/default/saslauthd
        sed -i 's|postfix/run|postfix/var/run|g' /etc/systemd/system/saslauthd.service.d/*.conf
        systemctl daemon-reload
        systemctl restart saslauthd
    Safety:
        saslauthd moves to where smtpd looks by default.
    See: saslauthd(8), libsasl(5) on saslauthd_path
    """
    way = _met(host, service, Fault.ELSEWHERE)
    if way is None or _outdated(host, way):
        return
    remedy = Remedy.safe(*listen_in(host, _directory(way)), *let_in(host))
    yield _finding(host, service, way, "saslauthd listens where smtpd does not look", remedy)


@check(Stage.REACHABLE, live=True)
def saslauthd_socket_dead(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd runs, but its socket was removed or replaced.

    What:
        The process still listens on a socket that has no name any more, so nobody can connect. Logins end
        with 454, "No such file or directory" or "Connection refused".
    Why:
        Something cleaned up its directory, or a second saslauthd took the socket over and ended.
    Start: saslauthd-chroot
    Break:
        rm /var/spool/postfix/var/run/saslauthd/mux
    Mend:
        systemctl restart saslauthd
    Safety:
        A restart makes the socket anew.
    See: saslauthd(8), unix(7)
    """
    way = _met(host, service, Fault.SOCKET_GONE)
    if way is None or not is_running(host):
        return
    finding = _finding(
        host,
        service,
        way,
        f"saslauthd runs, but nobody can connect at {way.on_host}",
        Remedy.safe(RestartUnit("saslauthd")),
    )
    yield finding


@check(Stage.REACHABLE, live=True, explains=("saslauthd-socket-elsewhere", "saslauthd-socket-outside-chroot"))
def saslauthd_mount_stale(host: Host, service: Service) -> Iterator[Finding]:
    """The bind mount in the chroot shows a directory that saslauthd has left.

    What:
        /run/saslauthd is mounted into the chroot. systemd removed that directory when saslauthd stopped, and
        made a new one; the mount still shows the old one, without a socket. Logins end with 454.
    Why:
        Debian 13's unit has RuntimeDirectory=, whose directory goes at every stop unless
        RuntimeDirectoryPreserve=yes says otherwise.
    Start: saslauthd-bind-mount
    Break on 13:
        sed -i 's/,x-systemd.requires=saslauthd.service//' /etc/fstab
        rm -f /etc/systemd/system/saslauthd.service.d/*.conf
        systemctl daemon-reload
        systemctl restart saslauthd
    Mend on 13:
        printf '[Service]\\nRuntimeDirectoryPreserve=yes\\n' \\
            > /etc/systemd/system/saslauthd.service.d/mount.conf
        systemctl daemon-reload
        systemctl restart var-spool-postfix-var-run-saslauthd.mount
    Safety:
        The mount is renewed; no file is lost.
    See: systemd.exec(5) on RuntimeDirectoryPreserve, mount(8)
    """
    way = _met(host, service, Fault.STALE_MOUNT)
    mount = stale_mount(host, way) if way else None
    if way is None or mount is None:
        return
    preserve = UnitDropIn(NAME, "[Service]\nRuntimeDirectoryPreserve=yes\n", "preserve.conf")
    unit_name = f"{_directory(way).strip('/').replace('-', chr(92) + 'x2d').replace('/', '-')}.mount"
    finding = _finding(
        host,
        service,
        way,
        f"The mount at {_directory(way)} shows a directory that was deleted",
        Remedy.safe(preserve, RestartUnit(unit_name)),
    )
    yield Finding(
        summary=finding.summary,
        subject=_directory(way),
        impact=finding.impact,
        expected="the directory that saslauthd uses",
        found=mount.text,
        evidence=(mount, *finding.evidence, *process_evidence(host)),
        proof=f"grep {quote(_directory(way))} /proc/self/mountinfo",
        remedy=finding.remedy,
    )

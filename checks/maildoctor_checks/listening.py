"""Listening: does master listen for clients where the service should be?"""

import ipaddress
from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Stage
from maildoctor.host import Host
from maildoctor.postfix.addresses import bound
from maildoctor.postfix.configuration import MASTER_CF, login_services, parameter
from maildoctor.postfix.daemon import (
    Listener,
    holder,
    last_reload,
    listeners,
    master,
    socket_inodes,
)
from maildoctor.postfix.service import Service
from maildoctor.remedy import ReloadUnit, Remedy, RestartUnit
from maildoctor.source import Sourced


@check(Stage.LISTENING, live=True)
def service_not_listening(host: Host, service: Service) -> Iterator[Finding]:
    """A service of master.cf is not listened on.

    What:
        master runs and master.cf has the service, but the kernel knows no such listening socket, or only
        one on other addresses than inet_interfaces says.
    Why:
        master reads master.cf when it starts and at "postfix reload": a service that was added since then
        does not exist for it. inet_interfaces is read at the start alone, so that it takes a restart.
    Start: saslauthd-chroot
    Break:
        postconf -F submission/inet/service=2587
        systemctl restart postfix
        postconf -F 2587/inet/service=submission
    Mend:
        postfix reload
    Safety:
        Safe: it puts in force what the configuration says.
    See: master(5), postconf(5) inet_interfaces
    """
    if master(host).pid is None or service.port is None:
        return
    at_port = [each for each in listeners(host) if each.port == service.port]
    absent = _unserved(host, service, at_port)
    if not absent or (at_port and _foreign(host, at_port)):
        return
    edited = host.stat(MASTER_CF).st_mtime > last_reload(host)
    addresses = ", ".join(each.address for each in at_port)
    yield Finding(
        summary=f"master does not listen on port {service.port}"
        + (f" of {' and '.join(absent)}, only of {addresses}" if at_port else "")
        + (": it has not read master.cf since it was edited" if edited and not at_port else ""),
        subject=service.entry,
        impact=_impact(service),
        expected=f"a listening socket on port {service.port} of {' and '.join(absent)}",
        found=addresses or "none",
        evidence=(
            Evidence.at(service.source, f"{service.name} inet ... smtpd"),
            *(_inet_interfaces(host) if at_port else ()),
            Evidence("/proc/net/tcp", f"port {service.port}: {addresses or 'nobody listens'}"),
        ),
        proof=f"ss -ltn 'sport = :{service.port}'",
        remedy=Remedy.safe(RestartUnit("postfix") if at_port or not edited else ReloadUnit("postfix")),
    )


@check(Stage.LISTENING, live=True, root=True, explains=("postfix-not-running", "service-not-listening"))
def port_taken_by_another_process(host: Host) -> Iterator[Finding]:
    """Another program listens on the service's port.

    What:
        The socket on this port does not belong to Postfix's master.
    Why:
        Another mail server, a proxy or a left-over process was first. master cannot bind the port and ends
        with "fatal: bind 0.0.0.0 port 587: Address already in use"; clients reach the other program.
    Start: saslauthd-chroot
    Break:
        systemctl stop 'postfix*'
        while ss -ltn | grep -q :587; do sleep 0.1; done
        systemd-run --quiet --unit=other python3 -m http.server 587
        until ss -ltn | grep -q :587; do sleep 0.1; done
        systemctl start postfix || true
    Mend:
        systemctl stop other
        systemctl restart postfix
    Safety:
        Manual: which of the two should have the port, only the admin can say.
    See: ss(8), master(8)
    """
    for service in login_services(host):
        at_port = [each for each in listeners(host) if each.port == service.port]
        for taken in _foreign(host, at_port)[:1]:
            yield _taken(host, service, taken)


def _taken(host: Host, service: Service, socket: Listener) -> Finding:
    who = holder(host, socket.inode)
    name = f"{who[1]} (process {who[0]})" if who else "another program"
    runs = master(host).pid is not None
    return Finding(
        summary=f"port {service.port} belongs to {name}, not to Postfix's master",
        subject=f"port {service.port}",
        impact=Impact.ALL_LOGINS if runs and service.port != 25 else Impact.INCOMING_MAIL,
        expected="master",
        found=name,
        evidence=(
            Evidence.at(service.source, f"{service.name} inet ... smtpd"),
            Evidence("/proc/net/tcp", f"{socket.address} port {socket.port}: {name}"),
        ),
        proof=f"ss -ltnp 'sport = :{service.port}'",
        remedy=Remedy.manual(
            f"Stop {name} or give it another port, then restart Postfix: systemctl restart postfix"
        ),
        services=(service.name,) if runs else (),
    )


def _foreign(host: Host, at_port: list[Listener]) -> list[Listener]:
    """Give the listeners that are not master's; none where this process may not look into master."""
    pid = master(host).pid
    ours = socket_inodes(pid) if pid else frozenset()
    if pid and not ours:
        return []
    return [each for each in at_port if each.inode not in ours]


def _unserved(host: Host, service: Service, at_port: list[Listener]) -> list[str]:
    """Give the addresses on which clients should find the service, and do not."""
    served = {each.address for each in at_port}
    wanted = bound(host, service)
    if not at_port:
        return wanted or ["this machine"]
    if served & {"0.0.0.0", "::"}:
        return []
    families = {ipaddress.ip_address(each).version for each in served}
    return [each for each in wanted if each not in served and ipaddress.ip_address(each).version in families]


def _inet_interfaces(host: Host) -> tuple[Evidence, ...]:
    value: Sourced[str] = parameter(host, "inet_interfaces")
    return (Evidence.at(value.source, f"inet_interfaces = {value.value}"),)


def _impact(service: Service) -> Impact:
    return Impact.INCOMING_MAIL if service.port == 25 else Impact.ALL_LOGINS

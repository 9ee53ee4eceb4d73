"""Listening: does master run, and does it listen for clients where this service should be?"""

import ipaddress
from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.debian.units import masked, starts_at_boot, states_or_nothing
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.configuration import MASTER_CF, login_services, meant_for_logins, parameter
from maildoctor.postfix.daemon import (
    Listener,
    Master,
    holder,
    last_reload,
    listeners,
    master,
    socket_inodes,
)
from maildoctor.postfix.service import Service
from maildoctor.remedy import EnableUnit, ReloadUnit, Remedy, RestartUnit, SetParameter
from maildoctor.source import Sourced

UNITS = ("postfix.service", "postfix@-.service")


@check(Stage.LISTENING, live=True, explains=("service-not-listening", "service-throttled"))
def postfix_not_running(host: Host) -> Iterator[Finding]:
    """Postfix's master does not run.

    What:
        No process answers to the number in pid/master.pid, so that nothing listens for mail at all.
    Why:
        It was stopped, killed, or could not start; then the mail log has a line with "fatal:" and the reason.
        On Debian 12 and older postfix.service is a dummy: systemd calls it active even when Postfix is dead,
        and the unit that counts is postfix@-.service. For the same reason "systemctl start postfix" does
        nothing there, while a restart does.
    Start: saslauthd-chroot
    Break:
        postfix stop
    Mend:
        systemctl restart postfix
    Safety:
        Safe: it starts what is set up and enabled.
    See: master(8), postfix(1)
    """
    found = master(host)
    if found.pid is not None:
        return
    states = states_or_nothing(host, *UNITS)
    yield Finding(
        summary="Postfix does not run: there is no master process",
        subject="master",
        impact=Impact.INCOMING_MAIL,
        expected="a process named master with the number in pid/master.pid",
        found=_bearer(found),
        evidence=(
            Evidence(found.path, _bearer(found)),
            *(Evidence(f"systemctl show {unit}", state) for unit, state in states.items()),
        ),
        proof="postfix status",
        remedy=Remedy.safe(
            RestartUnit("postfix"),
            notes="If it ends again at once, the reason stands in the mail log, in a line with fatal:.",
        ),
    )


@check(Stage.LISTENING)
def postfix_not_enabled(host: Host) -> Iterator[Finding]:
    """Postfix does not start at boot.

    What:
        Nothing starts postfix.service: no target wants it, or it is masked.
    Why:
        Somebody disabled it, perhaps while another mail server was tried. Logins work until the next boot.
    Start: saslauthd-chroot
    Break:
        systemctl disable postfix
    Mend:
        systemctl enable postfix
    Safety:
        Safe: it changes nothing before the next boot.
    See: systemctl(1)
    """
    if not any(meant_for_logins(host, each) for each in login_services(host)):
        return
    mask = masked(host, "postfix.service")
    if starts_at_boot(host, "postfix") or not host.exists("/usr/sbin/postfix"):
        return
    if not (mask or host.exists("/etc/init.d/postfix") or _has_unit(host)):
        return  # started by something of the admin's own, such as a container's entry point
    where = Evidence.at(mask, "is a link to /dev/null: masked") if mask else None
    yield Finding(
        summary="Postfix is masked and cannot start at boot" if mask else "Postfix does not start at boot",
        subject="postfix.service",
        severity=Severity.WARNING,
        expected="enabled",
        found="masked" if mask else "disabled",
        evidence=(where or Evidence("/etc/systemd/system", "no target wants postfix.service"),),
        proof="systemctl is-enabled postfix",
        remedy=Remedy.manual("systemctl unmask postfix, then systemctl enable postfix")
        if mask
        else Remedy.safe(EnableUnit("postfix")),
    )


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
        postfix reload
        sleep 1
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
def port_taken_by_another_process(host: Host, service: Service) -> Iterator[Finding]:
    """Another program listens on the service's port.

    What:
        The socket on this port does not belong to Postfix's master.
    Why:
        Another mail server, a proxy or a left-over process was first. master cannot bind the port and ends
        with "fatal: bind 0.0.0.0 port 587: Address already in use"; clients reach the other program.
    Start: saslauthd-chroot
    Break:
        systemctl stop postfix
        systemd-run --quiet --unit=other python3 -m http.server 587
        sleep 1
        systemctl start postfix || true
    Mend:
        systemctl stop other
        systemctl restart postfix
    Safety:
        Manual: which of the two should have the port, only the admin can say.
    See: ss(8), master(8)
    """
    if service.port is None:
        return
    at_port = [each for each in listeners(host) if each.port == service.port]
    for taken in _foreign(host, at_port)[:1]:
        who = holder(host, taken.inode)
        name = f"{who[1]} (process {who[0]})" if who else "another program"
        yield Finding(
            summary=f"port {service.port} belongs to {name}, not to Postfix's master",
            subject=f"port {service.port}",
            impact=Impact.ALL_LOGINS if master(host).pid else Impact.INCOMING_MAIL,
            expected="master",
            found=name,
            evidence=(
                Evidence.at(service.source, f"{service.name} inet ... smtpd"),
                Evidence("/proc/net/tcp", f"{taken.address} port {taken.port}: {name}"),
            ),
            proof=f"ss -ltnp 'sport = :{service.port}'",
            remedy=Remedy.manual(
                f"Stop {name} or give it another port, then restart Postfix: systemctl restart postfix"
            ),
        )


@check(Stage.LISTENING)
def listening_on_loopback_only(host: Host, service: Service) -> Iterator[Finding]:
    """Only this machine itself can reach the service.

    What:
        inet_interfaces, or the address before the service's name in master.cf, is a loopback address.
    Why:
        Debian's set-up question "Local only", and advice for machines that only send, set inet_interfaces to
        loopback-only. Clients from elsewhere then get "connection refused". Where programs on this machine
        are the only clients, or a proxy stands before Postfix, it is as it should be.
    Start: saslauthd-chroot
    Break:
        postconf -e inet_interfaces=loopback-only
        systemctl restart postfix
    Mend:
        postconf -e inet_interfaces=all
        systemctl restart postfix
    Safety:
        A choice: it opens the service, and port 25, to the network.
    See: postconf(5) inet_interfaces, master(5)
    """
    addresses = _addresses(host, service)
    if not addresses or not all(ipaddress.ip_address(each).is_loopback for each in addresses):
        return
    by_choice = service.address is not None or _proxied(host, service)
    evidence = _inet_interfaces(host)
    if service.address is not None:
        evidence = (Evidence.at(service.source, f"{service.name} inet ... smtpd"),)
    yield Finding(
        summary=f"Only programs on this machine can reach port {service.port}",
        subject=service.entry if service.address else "inet_interfaces",
        severity=Severity.INFO if by_choice else Severity.ERROR,
        impact=_impact(service),
        expected="an address that clients reach",
        found=", ".join(addresses),
        evidence=evidence,
        proof="postconf inet_interfaces" if service.address is None else f"postconf -M {service.entry}",
        remedy=Remedy.manual("Take the address away from the service's name in master.cf.")
        if service.address is not None
        else _open_to_the_network(),
    )


def _open_to_the_network() -> Remedy:
    from maildoctor.remedy import Option

    actions = (SetParameter("inet_interfaces", "all"), RestartUnit("postfix"))
    return Remedy.choice(Option("all", "Postfix listens on every address of this machine.", actions))


def _bearer(found: Master) -> str:
    if found.written is None:
        return "no number: master is not running"
    if found.bearer:
        return f"number {found.written} is now a process named {found.bearer}"
    return f"no process has the number {found.written}"


def _has_unit(host: Host) -> bool:
    from maildoctor.debian.units import native_unit

    return native_unit(host, "postfix.service") is not None


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
    wanted = _addresses(host, service)
    if not at_port:
        return wanted or ["this machine"]
    if served & {"0.0.0.0", "::"}:
        return []
    families = {ipaddress.ip_address(each).version for each in served}
    return [each for each in wanted if each not in served and ipaddress.ip_address(each).version in families]


def _addresses(host: Host, service: Service) -> list[str]:
    """Give the literal addresses at which master binds a service; names are left out, they need the DNS."""
    if service.address is not None:
        words = [service.address]
    else:
        words = parameter(host, "inet_interfaces").value.replace(",", " ").split()
    protocols = parameter(host, "inet_protocols").value.replace(",", " ").split() or ["all"]
    found: list[str] = []
    for word in words:
        known = {"all": ["0.0.0.0", "::"], "loopback-only": ["127.0.0.1", "::1"]}
        known["localhost"] = known["loopback-only"]
        found += known.get(word.lower(), [word.strip("[]")])
    return [each for each in found if _is_used(each, protocols)]


def _is_used(address: str, protocols: list[str]) -> bool:
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return False
    return "all" in protocols or f"ipv{version}" in protocols


def _proxied(host: Host, service: Service) -> bool:
    """Tell whether another program takes mail clients from the network, to hand them on to Postfix."""
    if not host.live:
        return False
    mail = (25, 465, 587, service.port)
    return any(each.port in mail and not each.loopback for each in listeners(host))


def _inet_interfaces(host: Host) -> tuple[Evidence, ...]:
    value: Sourced[str] = parameter(host, "inet_interfaces")
    return (Evidence.at(value.source, f"inet_interfaces = {value.value}"),)


def _impact(service: Service) -> Impact:
    return Impact.INCOMING_MAIL if service.port == 25 else Impact.ALL_LOGINS

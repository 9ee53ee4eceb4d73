"""Listening: can clients reach the addresses on which Postfix listens?"""

import ipaddress
import re
from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.addresses import bound, listed, own, reachable, versions
from maildoctor.postfix.configuration import SUBMISSION_PORTS, parameter
from maildoctor.postfix.daemon import listeners
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import cost
from maildoctor.remedy import Option, Remedy, RestartUnit, SetParameter

STARTS = ("postfix-not-running", "service-not-listening", "postconf-unusable")


@check(Stage.LISTENING, explains=STARTS)
def inet_interfaces_unusable(host: Host) -> Iterator[Finding]:
    """Postfix cannot start with the addresses or protocols that it is to listen on.

    What:
        inet_interfaces is empty or names an address that this machine does not have, or inet_protocols is
        none of all, ipv4 and ipv6.
    Why:
        The machine got another address, or the configuration was copied from another one. Every Postfix
        program ends with "no local interface found" or "unknown inet_protocols value".
    Start: saslauthd-chroot
    Break:
        postconf -e inet_interfaces=203.0.113.9
        systemctl restart postfix || true
    Mend:
        postconf -e inet_interfaces=all
        systemctl restart postfix
    Safety:
        A choice: with "all" Postfix listens on every address of the machine.
    See: postconf(5) inet_interfaces, inet_protocols
    """
    for name, why in (
        ("inet_interfaces", _interfaces_fault(host)),
        ("inet_protocols", _protocols_fault(host)),
    ):
        value = parameter(host, name)
        if why:
            actions = (SetParameter(name, "all"), RestartUnit("postfix"))
            yield Finding(
                summary=f"Postfix cannot start: {name} {why}",
                subject=name,
                impact=Impact.INCOMING_MAIL,
                expected="all, or what this machine has",
                found=value.value or "(empty)",
                evidence=(Evidence.at(value.source, f"{name} = {value.value}".rstrip()),),
                proof=f"postconf {name}; ip -brief address",
                remedy=Remedy.choice(Option("all", f"{name} becomes all.", actions)),
            )


@check(Stage.LISTENING)
def listening_on_loopback_only(host: Host, service: Service) -> Iterator[Finding]:
    """Only this machine itself can reach the service.

    What:
        inet_interfaces, or the address before the service's name in master.cf, is a loopback address.
    Why:
        Debian's set-up question "Local only", and advice for machines that only send, set inet_interfaces to
        loopback-only. Clients from elsewhere then get "connection refused". Where a webmail on this machine
        is the only client, or a proxy stands before Postfix, it is as it should be: hence information, and a
        warning on 465 and 587 with nothing before them, which are there for mail programs elsewhere.
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
    addresses = bound(host, service)
    if not addresses or not all(ipaddress.ip_address(each).is_loopback for each in addresses):
        return
    if service.address is not None:
        yield _by_master_cf(service)
        return
    value = parameter(host, "inet_interfaces")
    yield Finding(
        summary=f"inet_interfaces is {value.value}: only programs on this machine can log in,"
        " and mail clients elsewhere get connection refused",
        subject="inet_interfaces",
        severity=Severity.WARNING if _for_mail_programs(host, service) else Severity.INFO,
        impact=cost(host, service, "inet_interfaces"),
        expected="an address that clients reach, unless that is meant",
        found=value.value,
        evidence=(Evidence.at(value.source, f"inet_interfaces = {value.value}"),),
        proof="postconf inet_interfaces",
        remedy=_open_to_the_network(),
    )


def _for_mail_programs(host: Host, service: Service) -> bool:
    """Tell whether mail programs elsewhere are meant: a port of theirs, and no proxy that takes them in.

    A machine without a network has none.
    """
    if service.port not in SUBMISSION_PORTS or not host.live:
        return service.port in SUBMISSION_PORTS
    mail = {25, *SUBMISSION_PORTS}
    proxied = any(each.port in mail and not each.loopback for each in listeners(host))
    return not proxied and bool(reachable(host, 4) or reachable(host, 6))


def _by_master_cf(service: Service) -> Finding:
    line = f"{service.name} inet ... smtpd"
    return Finding(
        summary=f"only programs on this machine can reach {service.name}, as its name in master.cf says",
        subject=service.entry,
        severity=Severity.INFO,
        expected="an address that clients reach, unless that is meant",
        found=str(service.address),
        evidence=(Evidence.at(service.source, line),),
        proof=f"postconf -M {service.entry}",
        remedy=Remedy.manual(
            "Take the address away from the service's name in master.cf, then: postfix reload"
        ),
    )


@check(Stage.LISTENING, live=True)
def clients_without_address(host: Host, service: Service) -> Iterator[Finding]:
    """Postfix listens for a version of IP in which nobody can reach this machine.

    What:
        inet_protocols leaves one version of IP, and this machine has no address of that version but those of
        loopback and the link. It has addresses of the other version.
    Why:
        inet_protocols = ipv6 or ipv4 was set because of errors with the other one, or copied from another
        machine. Clients get "connection refused".
    Start: saslauthd-chroot
    Break:
        postconf -e inet_protocols=ipv6
        systemctl restart postfix
    Mend:
        postconf -e inet_protocols=all
        systemctl restart postfix
    Safety:
        A choice: Postfix listens, and delivers, with both versions of IP.
    See: postconf(5) inet_protocols
    """
    used = versions(host)
    others = {4, 6} - used
    if len(used) != 1 or service.address is not None:
        return
    (version,), (other,) = used, others
    if reachable(host, version) or not reachable(host, other):
        return
    value = parameter(host, "inet_protocols")
    actions = (SetParameter("inet_protocols", "all"), RestartUnit("postfix"))
    yield Finding(
        summary=f"Postfix uses IPv{version} alone, and this machine's only address is of IPv{other}",
        subject="inet_protocols",
        impact=Impact.INCOMING_MAIL,
        expected=f"all, or ipv{other}",
        found=value.value,
        evidence=(
            Evidence.at(value.source, f"inet_protocols = {value.value}"),
            Evidence("ip address", ", ".join(reachable(host, other))),
        ),
        proof="postconf inet_protocols; ip -brief address",
        remedy=Remedy.choice(Option("all", "Postfix uses both versions of IP.", actions)),
    )


def _open_to_the_network() -> Remedy:
    actions = (SetParameter("inet_interfaces", "all"), RestartUnit("postfix"))
    return Remedy.choice(Option("all", "Postfix listens on every address of this machine.", actions))


def _protocols_fault(host: Host) -> str:
    value = parameter(host, "inet_protocols")
    words = listed(host, "inet_protocols")
    unknown = [word for word in words if word.lower() not in ("all", "ipv4", "ipv6")]
    if value.source is not None and not words:
        return "is empty"
    return f"has the unknown word {unknown[0]!r}" if unknown else ""


def _interfaces_fault(host: Host) -> str:
    value = parameter(host, "inet_interfaces")
    words = listed(host, "inet_interfaces")
    if value.source is not None and not words:
        return "is empty"
    addresses = [
        word.strip("[]") for word in words if re.fullmatch(r"\[?[0-9a-fA-F]*[:.][0-9a-fA-F:.]+\]?", word)
    ]
    if not addresses or not host.live:
        return ""
    here = own(host)
    foreign = [each for each in addresses if each.lower() not in here]
    return f"names {foreign[0]}, which this machine does not have" if foreign else ""

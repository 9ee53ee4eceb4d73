"""This host's own login services as targets: where they listen, and whom they trust."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address

from maildoctor.host import CannotLook, Host
from maildoctor.postfix.configuration import login_services, meant_for_logins, parameter
from maildoctor.postfix.networks import Network, is_too_wide, networks
from maildoctor.postfix.service import Service
from maildoctor.probe.target import Address, Envelope, Target, Tls

LOCALHOST = "127.0.0.1"


def own_targets(host: Host, wanted: str | None = None) -> list[Target]:
    """Give the services on which people are meant to log in, or the one ``wanted`` by its name or port.

    Raises CannotLook where main.cf or master.cf cannot be read.
    """
    services = [each for each in login_services(host) if each.port is not None]
    if wanted is None:
        services = [each for each in services if meant_for_logins(host, each)]
    else:
        services = [each for each in services if wanted in (each.name, str(each.port))]
    return [own_target(host, each) for each in services]


def own_target(host: Host, service: Service) -> Target:
    """Give one service at the address where most can be judged."""
    mynetworks = _rightly_trusted(host, service)
    hidden = _listed(host, service, "smtpd_sasl_exceptions_networks") or ()
    port = service.port or 0
    fallback = service.address if service.address and _is_address(service.address) else LOCALHOST
    addresses = listening_addresses(port) or [ip_address(fallback)]
    return Target(
        host=str(min(addresses, key=lambda each: _rank(each, mynetworks or (), hidden))),
        port=port,
        tls=Tls.IMPLICIT if service.flag("smtpd_tls_wrappermode") else Tls.AUTO,
        service=service.name,
        name=service.parameter("myhostname").value or None,
        own=True,
        mynetworks=mynetworks,
    )


def own_envelope(host: Host) -> Envelope:
    """Give a sender of this host: smtpd then asks no DNS for his domain."""
    try:
        names = [parameter(host, name).value for name in ("mydomain", "myhostname")]
        local = parameter(host, "mydestination").value.replace(",", " ").split()
    except CannotLook:
        return Envelope(f"postmaster@{socket.gethostname()}")
    domain = next((name for name in names if name in local), names[-1])
    return Envelope(f"postmaster@{domain}")


def listening_addresses(port: int) -> list[Address]:
    """Give this host's addresses on which the kernel accepts connections to ``port``."""
    import psutil

    found: dict[Address, None] = {}
    for connection in psutil.net_connections(kind="tcp"):
        local = connection.laddr
        if connection.status == psutil.CONN_LISTEN and local and local.port == port:
            address = ip_address(local.ip)
            found |= dict.fromkeys(own_addresses(address.version) if address.is_unspecified else [address])
    return list(found)


def own_addresses(version: int | None = None) -> list[Address]:
    """Give the addresses of this host's interfaces, but for IPv6's link-local ones."""
    import psutil

    texts = (entry.address for entries in psutil.net_if_addrs().values() for entry in entries)
    addresses = [ip_address(text) for text in texts if _is_address(text)]
    return [each for each in addresses if version in (None, each.version) and not _is_link_local(each)]


def _rank(
    address: Address, mynetworks: Iterable[Network], hidden: Iterable[Network]
) -> tuple[bool, bool, int]:
    """Best first: one from which AUTH is not hidden, then one that is not trusted without a login."""
    return (
        any(address in network for network in hidden),
        any(address in network for network in mynetworks),
        address.version,
    )


def _rightly_trusted(host: Host, service: Service) -> tuple[Network, ...] | None:
    """Give mynetworks without what takes in strangers: that would be an open relay all the same."""
    found = _listed(host, service, "mynetworks")
    return found and tuple(network for network in found if not is_too_wide(network))


def _listed(host: Host, service: Service, parameter_name: str) -> tuple[Network, ...] | None:
    try:
        listed = networks(host, service.parameter(parameter_name).value)
    except CannotLook:
        return None
    return None if listed.unknown else listed.networks


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_link_local(address: Address) -> bool:
    return address.version == 6 and address.is_link_local

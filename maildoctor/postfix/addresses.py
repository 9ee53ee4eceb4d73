"""At which addresses master binds a service, and which addresses this machine has.

Source: postconf(5) inet_interfaces and inet_protocols, master(5).
"""

import ipaddress

from maildoctor.fact import fact
from maildoctor.host import Host, NeedsLiveHost
from maildoctor.postfix.configuration import parameter
from maildoctor.postfix.service import Service

WILDCARDS = {"0.0.0.0": 4, "::": 6}
"""Every address of an IP version."""
_WORDS = {
    "all": ("0.0.0.0", "::"),
    "loopback-only": ("127.0.0.1", "::1"),
    "localhost": ("127.0.0.1", "::1"),
}


def bound(host: Host, service: Service) -> list[str]:
    """Give the addresses at which master binds a service; names are left out, since they need the DNS."""
    words = [service.address] if service.address is not None else listed(host, "inet_interfaces")
    found = [address for word in words for address in _WORDS.get(word.lower(), (word.strip("[]"),))]
    return [each for each in found if _version(each) in versions(host)]


def versions(host: Host) -> set[int]:
    """Give the versions of IP that inet_protocols names."""
    words = [word.lower() for word in listed(host, "inet_protocols")] or ["all"]
    return {version for version in (4, 6) if "all" in words or f"ipv{version}" in words}


def listed(host: Host, name: str) -> list[str]:
    """Give a main.cf parameter's words; commas and white space separate them."""
    return parameter(host, name).value.replace(",", " ").split()


def _version(address: str) -> int | None:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return None


@fact
def own(host: Host) -> frozenset[str]:
    """Give every address of this machine's interfaces. Raises NeedsLiveHost."""
    if not host.live:
        raise NeedsLiveHost("the machine's addresses")
    import psutil

    interfaces = psutil.net_if_addrs().values()
    return frozenset(each.address.partition("%")[0].lower() for interface in interfaces for each in interface)


def reachable(host: Host, version: int) -> list[str]:
    """Give the machine's addresses of an IP version that others can reach: not loopback, not link-local."""
    found = []
    for text in sorted(own(host)):
        if _version(text) == version:
            address = ipaddress.ip_address(text)
            found += [] if address.is_loopback or address.is_link_local else [text]
    return found

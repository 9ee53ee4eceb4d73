"""Lists of networks, as in mynetworks and smtpd_sasl_exceptions_networks (postconf(5), "mynetworks")."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import Host, Missing
from maildoctor.pattern import pattern
from maildoctor.postfix.restrictions import words

Network = IPv4Network | IPv6Network

LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104")))
NOT_PUBLIC = (
    *LOOPBACK,
    *map(
        ip_network,
        words("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 fc00::/7 fe80::/10"),
    ),
)
"""RFC 1918, 6598, 3927, 4193, 4291: nobody on the public net has an address there."""
WIDEST = {4: 16, 6: 32}
"""The shortest prefixes of public networks that one organisation may well own whole."""
DEPTH_LIMIT = 5

# What Postfix takes for an IPv4 network: it then demands four numbers and no bits behind the prefix.
_IPV4_NETWORK = pattern(r"[0-9.]+/[0-9./]*")


class Networks(NamedTuple):
    """Networks of a list."""

    networks: tuple[Network, ...] = ()
    unknown: tuple[str, ...] = ()
    """Patterns that may take in anybody: tables, host names."""
    malformed: tuple[str, ...] = ()
    """Patterns that smtpd cannot use: for every client that none before them matches, the lookup fails."""

    @property
    def everybody(self) -> bool:
        """Tell whether every IPv4 or every IPv6 client is in it."""
        return any(network.prefixlen <= 1 for network in self.networks) or any(
            each.startswith("static:") for each in self.unknown
        )

    @property
    def only_loopback(self) -> bool:
        """Tell whether none but this machine itself is in it."""
        return not self.unknown and all(inside(network, LOOPBACK) for network in self.networks)

    @property
    def too_wide(self) -> tuple[Network, ...]:
        """Give the networks that hold more of the public net than any one organisation's."""
        return tuple(network for network in self.networks if is_too_wide(network))

    def within(self, other: "Networks") -> bool:
        """Tell whether every client in it is surely in ``other`` as well."""
        return not self.unknown and all(inside(network, other.networks) for network in self.networks)


def inside(network: Network, others: tuple[Network, ...]) -> bool:
    """Tell whether one of ``others`` holds all of ``network``."""
    return any(_holds(other, network) for other in others)


def is_too_wide(network: Network) -> bool:
    """Tell whether ``network`` takes in strangers: a large piece of the public net, or all of it."""
    return network.prefixlen < WIDEST[network.version] and not inside(network, NOT_PUBLIC)


@fact
def networks(host: Host, text: str) -> Networks:
    """Read a list of networks; ``/path`` stands for the lines of that file. Raises CannotLook."""
    found: list[Network] = []
    unknown: list[str] = []
    malformed: list[str] = []
    for each in _patterns(host, text, 0):
        bare = each.replace("[", "").replace("]", "")
        try:
            found.append(ip_network(bare))
        except ValueError:
            if each.startswith("/") or _IPV4_NETWORK.fullmatch(each):
                malformed.append(each)
            elif not each.startswith("!"):
                unknown.append(each)
    return Networks(tuple(found), tuple(unknown), tuple(malformed))


def _patterns(host: Host, text: str, depth: int) -> list[str]:
    found: list[str] = []
    for word in words(text):
        if word.startswith("/") and depth < DEPTH_LIMIT:
            found += _lines(host, word, depth)
        elif word.startswith("cidr:/"):
            rows = [line.split() for line in host.text(word[5:]).splitlines()]
            found += [row[0] for row in rows if row and not row[0].startswith("#")]
        else:
            found.append(word)
    return found


def _lines(host: Host, path: str, depth: int) -> list[str]:
    try:
        lines = host.text(path).splitlines()
    except Missing:
        return [path]
    return _patterns(host, " ".join(line for line in lines if not line.startswith("#")), depth + 1)


def _holds(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network):
        return inner.subnet_of(outer)
    return False

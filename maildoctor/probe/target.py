"""Whom a probe talks to, and with which envelope."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from maildoctor.postfix.networks import NOT_PUBLIC, Network

Address = IPv4Address | IPv6Address

SMTPS_PORT = 465


class Tls(StrEnum):
    """When TLS begins."""

    AUTO = "auto"
    """From the first byte on port 465; elsewhere with STARTTLS where the server offers it."""
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class Target:
    """One SMTP service."""

    host: str
    """An address, or a name to be resolved."""
    port: int
    tls: Tls = Tls.AUTO
    service: str = ""
    """Its name in master.cf where that is known."""
    name: str | None = None
    """The name that clients know: for SNI and for the certificate. None: an address has no name."""
    own: bool = False
    """Whether it runs on this host, so that nothing said to it crosses a network."""
    mynetworks: tuple[Network, ...] | None = None
    """Whom the server rightly trusts without a login; None where that is not known."""

    @property
    def implicit_tls(self) -> bool:
        """Tell whether TLS begins with the first byte."""
        return self.tls is Tls.IMPLICIT or (self.tls is Tls.AUTO and self.port == SMTPS_PORT)

    @property
    def may_starttls(self) -> bool:
        """Tell whether STARTTLS is to be used where it is offered."""
        return not self.implicit_tls and self.tls in (Tls.AUTO, Tls.STARTTLS)

    def trusts(self, client: Address) -> bool | None:
        """Tell whether ``client`` is in the server's mynetworks; None: nobody can tell from here."""
        address = getattr(client, "ipv4_mapped", None) or client
        if self.mynetworks is not None:
            return any(address in network for network in self.mynetworks)
        return None if any(address in network for network in NOT_PUBLIC) else False


@dataclass(frozen=True, slots=True)
class Envelope:
    """The sender and the recipient that ask for relaying. DATA is never sent."""

    sender: str
    recipient: str = "someone@example.net"

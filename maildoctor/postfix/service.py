"""A service of master.cf on which a client could log in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from maildoctor.source import Source, Sourced


@dataclass(frozen=True, eq=False)
class Service:
    """An smtpd of master.cf, with everything that holds for it alone.

    Hashable by identity, so that a fact may take a service as its argument.
    """

    name: str
    """As people say it: ``submission``, ``smtp``, ``192.0.2.10:587``; unique on the host."""
    entry: str
    """As postconf(1) names it: ``submission/inet``."""
    address: str | None
    """The address before the colon in master.cf; None: inet_interfaces decides."""
    port: int | None
    """None where the service's name is not known to services(5)."""
    chroot: str | None
    """The queue directory if this smtpd runs chrooted to it, else None."""
    source: Source
    """The line in master.cf."""
    options: dict[str, Sourced[str]] = field(default_factory=dict)
    """``-o name=value``, unexpanded."""
    parameters: Mapping[str, Sourced[str]] = field(default_factory=dict)
    """Every main.cf parameter as this smtpd sees it: ``-o``, else main.cf, else the default; expanded."""

    @property
    def root(self) -> str:
        """Give the directory that this smtpd sees as ``/``."""
        return self.chroot or "/"

    def parameter(self, name: str) -> Sourced[str]:
        """Give a parameter's expanded value and where it was set; empty where Postfix does not know it."""
        return self.parameters.get(name, Sourced(""))

    def flag(self, name: str) -> bool:
        """Tell whether a yes/no parameter is ``yes``."""
        return self.parameter(name).value.strip().lower() == "yes"

    def words(self, name: str) -> list[str]:
        """Give a list parameter's words; commas and white space separate them, no-break spaces do not."""
        text = self.parameter(name).value
        for separator in ",\t\r\n":
            text = text.replace(separator, " ")
        return [word for word in text.split(" ") if word]

"""The tables of addresses and domains that are asked about every recipient, local or not.

Tried on Postfix 3.7, one parameter after the other, with a table that is not there: these lead to 451 for a
recipient elsewhere, others (alias_maps, local_recipient_maps, bcc maps, header_checks, ...) do not.
"""

from collections.abc import Iterator
from typing import NamedTuple

from maildoctor.postfix.restrictions import words
from maildoctor.postfix.service import Service

MAPS = (
    "virtual_alias_maps",
    "transport_maps",
    "canonical_maps",
    "recipient_canonical_maps",
    "relocated_maps",
    "sender_dependent_relayhost_maps",
    "sender_dependent_default_transport_maps",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
    "relay_domains",
    "mydestination",
)
BEHIND = {"virtual_mailbox_domains": "virtual_mailbox_maps"}
"""What a parameter refers to by default, and so what main.cf really sets."""


class Lookup(NamedTuple):
    """One table, or a file with a list, of a parameter."""

    parameter: str
    text: str
    """As main.cf names it: ``hash:/etc/postfix/virtual``, ``/etc/postfix/domains``."""

    @property
    def is_file(self) -> bool:
        """Tell whether it is a file with patterns, which only lists of domains may name."""
        return self.text.startswith("/")


def lookups(service: Service, parameter: str) -> Iterator[Lookup]:
    """Yield the tables and files of one parameter; plain domains are left out."""
    value = service.parameter(parameter)
    named = BEHIND.get(parameter, parameter) if value.source is None else parameter
    for word in words(value.value):
        bare = word.lstrip("!")
        if ":" in bare or bare.startswith("/"):
            yield Lookup(named, bare)


def every_lookup(service: Service, *more: str) -> Iterator[Lookup]:
    """Yield the tables of all MAPS, and of ``more`` parameters, each once."""
    seen: set[str] = set()
    for parameter in (*MAPS, *more):
        for lookup in lookups(service, parameter):
            if lookup.text not in seen:
                yield lookup
            seen.add(lookup.text)

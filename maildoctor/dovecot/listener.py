"""The sockets at which Dovecot is told to listen, and which of them an smtpd can use."""

from typing import NamedTuple

from maildoctor.dovecot.config import Section, configuration, expanded
from maildoctor.fact import fact
from maildoctor.host import Host
from maildoctor.source import Source

BASE_DIRECTORY = "/run/dovecot"
OTHER_PROTOCOLS = ("auth-userdb", "auth-master", "auth-login", "auth-worker", "login/login", "token-login")
"""Sockets of the auth service that speak something else than the client protocol; the kind is the name's."""


class Listener(NamedTuple):
    """``unix_listener PATH { ... }`` of a service; ``path`` is absolute."""

    service: str
    path: str
    mode: str
    user: str
    group: str
    source: Source

    @property
    def for_clients(self) -> bool:
        """Tell whether it speaks the protocol that smtpd needs (Dovecot's auth client protocol)."""
        return self.service == "auth" and not self.path.endswith(OTHER_PROTOCOLS)


class Port(NamedTuple):
    """``inet_listener { port = N }`` of the auth service."""

    number: int
    source: Source


@fact
def listeners(host: Host) -> tuple[Listener, ...]:
    """Give the Unix sockets that the configuration names; a later section of one path adds to the earlier.

    Those that Dovecot has without being told are left out. Raises Refused.
    """
    found = configuration(host)
    if found is None:
        return ()
    base = found.setting("base_dir", BASE_DIRECTORY)
    merged: dict[str, Listener] = {}
    for service in found.top.all("service"):
        for section in service.all("unix_listener"):
            path = section.name if section.name.startswith("/") else f"{base}/{section.name}"
            values = {
                key: expanded(found, each.value) for key, each in section.settings.items() if each.value
            }
            path = values.get("path", path)
            merged[path] = _merge(merged.get(path), service.name, path, values, section)
    return tuple(each for each in merged.values() if each.mode not in ("0", "00", "000", "0000"))


def _merge(
    before: Listener | None, service: str, path: str, values: dict[str, str], section: Section
) -> Listener:
    earlier = before or Listener(service, path, "0600", "root", "", section.source)
    return Listener(
        service,
        path,
        values.get("mode", earlier.mode),
        values.get("user", earlier.user),
        values.get("group", earlier.group),
        section.source,
    )


@fact
def ports(host: Host) -> tuple[Port, ...]:
    """Give the TCP ports at which the auth service is told to listen. Raises Refused."""
    found = configuration(host)
    sections = (
        section
        for service in (found.top.all("service", "auth") if found else ())
        for section in service.all("inet_listener")
    )
    return tuple(
        Port(int(value), section.source)
        for section in sections
        if "port" in section.settings and (value := section.settings["port"].value).isdigit() and int(value)
    )

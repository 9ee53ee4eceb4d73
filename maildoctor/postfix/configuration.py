"""Which services of master.cf a client could log in on, and which of them are meant for that."""

import re
from collections.abc import Iterator, Mapping

from maildoctor.debian.packages import postfix_version
from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host
from maildoctor.postfix.defaults import NEWEST
from maildoctor.postfix.expansion import compatibility_level
from maildoctor.postfix.master_cf import Entry
from maildoctor.postfix.parameters import (
    DIRECTORY,
    MAIN_CF,
    MASTER_CF,
    expanded,
    main,
    master,
    parameter,
    parameters,
    postconf,
    sasl_types,
)
from maildoctor.postfix.service import Service
from maildoctor.source import Sourced

__all__ = [
    "DIRECTORY",
    "MAIN_CF",
    "MASTER_CF",
    "all_services",
    "chroot_of",
    "login_services",
    "main",
    "master",
    "meant_for_logins",
    "parameter",
    "parameters",
    "postconf",
    "sasl_types",
    "version",
]

SUBMISSION_PORTS = (465, 587)
"""For message submission alone: RFC 6409, RFC 8314."""
LOGIN_PORTS = (25, *SUBMISSION_PORTS)
KNOWN_PORTS = {"smtp": 25, "mail": 25, "smtps": 465, "ssmtp": 465, "submissions": 465, "submission": 587}
LOOPBACK = re.compile(r"127\.[\d.]+|localhost|::1|\[::1\]", re.IGNORECASE)
SASL_CONFIGURATIONS = (
    "/etc/postfix/sasl/smtpd.conf",
    "/etc/sasl2/smtpd.conf",
    "/usr/lib/sasl2/smtpd.conf",
)


class _Seen(Mapping[str, Sourced[str]]):
    """Every parameter as one smtpd sees it; a value is expanded when somebody asks for it."""

    def __init__(self, every: dict[str, Sourced[str]]) -> None:
        self._every = every
        self._expanded: dict[str, Sourced[str]] = {}

    def __getitem__(self, name: str) -> Sourced[str]:
        if name not in self._expanded:
            self._expanded[name] = expanded(self._every[name], self._every)
        return self._expanded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._every)

    def __len__(self) -> int:
        return len(self._every)


@fact
def version(host: Host) -> tuple[int, ...]:
    """Give Postfix's version, (3, 7, 11): as it says itself, else as its package says."""
    try:
        said = parameters(host).get("mail_version", Sourced("")).value
    except CannotLook:
        said = ""
    numbers = re.match(r"\d+(?:\.\d+)+", said)
    if numbers:
        return tuple(int(part[:9]) for part in numbers.group().split("."))
    return postfix_version(host) or NEWEST


@fact
def all_services(host: Host) -> list[Entry]:
    """Give master.cf's services as they stand there. Raises as ``master``."""
    return list(master(host).entries)


@fact
def login_services(host: Host) -> list[Service]:
    """Give the smtpd services on which a client could log in, in master.cf's order.

    Left out: ``pass`` services behind postscreen, whose clients are other servers, and re-injection ports of
    content filters. Raises CannotLook where main.cf or master.cf cannot be read.
    """
    return [_service(host, entry) for entry in all_services(host) if _admits_clients(host, entry)]


def _admits_clients(host: Host, entry: Entry) -> bool:
    if entry.type != "inet" or entry.command.rpartition("/")[2] != "smtpd":
        return False
    address, port = _endpoint(host, entry)
    if port in LOGIN_PORTS or entry.options.get("smtpd_sasl_auth_enable", Sourced("")).value == "yes":
        return True
    from_filter = {"content_filter", "smtpd_authorized_xforward_hosts"} & entry.options.keys()
    return not from_filter and not (address and LOOPBACK.fullmatch(address))


def _service(host: Host, entry: Entry) -> Service:
    address, port = _endpoint(host, entry)
    every = parameters(host) | entry.options | {"service_name": Sourced(entry.service, entry.source)}
    return Service(
        entry.service,
        entry.name,
        address,
        port,
        chroot_of(host, entry),
        entry.source,
        entry.options,
        _Seen(every),
    )


def chroot_of(host: Host, entry: Entry) -> str | None:
    """Give the directory that a service's processes take as ``/``: the queue directory, or None.

    ``-`` means yes before Postfix 3.0, and since then while compatibility_level is below 1: master(5).
    """
    column = entry.chroot
    if column == "-":
        level = compatibility_level(parameter(host, "compatibility_level").value)
        column = "y" if version(host) < (3, 0) or level < (1, 0, 0) else "n"
    return parameter(host, "queue_directory").value or "/var/spool/postfix" if column == "y" else None


def _endpoint(host: Host, entry: Entry) -> tuple[str | None, int | None]:
    address, colon, name = entry.service.rpartition(":")
    return (address.strip("[]") if colon else None), port_of(host, name)


@fact
def port_of(host: Host, name: str) -> int | None:
    """Give a service name's TCP port: itself if it is a number, by services(5), or as Postfix knows it."""
    if name.isascii() and name.isdigit():
        return int(name[:9])
    known = {**_services_file(host), **_known_tcp_ports(host)}
    return known.get(name)


@fact
def _services_file(host: Host) -> dict[str, int]:
    try:
        lines = host.text("/etc/services").splitlines()
    except CannotLook:
        return KNOWN_PORTS
    ports: dict[str, int] = {}
    for line in lines:
        words = line.partition("#")[0].split()
        number, _, protocol = words[1].partition("/") if len(words) > 1 else ("", "", "")
        if protocol == "tcp" and number.isdecimal():
            for name in (words[0], *words[2:]):
                ports.setdefault(name, int(number[:9]))
    return ports


def _known_tcp_ports(host: Host) -> dict[str, int]:
    """Read known_tcp_ports (since 3.6): ``smtps=submissions=465, submission=587``."""
    ports: dict[str, int] = {}
    for word in parameter(host, "known_tcp_ports").value.replace(",", " ").split():
        *names, number = word.split("=")
        if number.isdecimal():
            ports |= dict.fromkeys(names, int(number[:9]))
    return ports


@fact
def meant_for_logins(host: Host, service: Service) -> bool:
    """Tell whether people are meant to log in on a service. The one place where this is judged.

    - AUTH is enabled there: somebody wanted it.
    - A port for submission alone (587, 465) that master.cf has: nothing else is done there. Debian ships
      these entries commented out, so a stock host and a satellite have none.
    - Port 25 and others carry mail between servers; AUTH left off there is as it should be. They are meant
      only if master.cf has no service for submission and the host says all the same that logins are wanted:
      an ``smtpd_sasl_`` parameter in main.cf or below the service, an smtpd.conf, or ``--auth``.
    """
    if service.flag("smtpd_sasl_auth_enable") or service.port in SUBMISSION_PORTS:
        return True
    if any(name.startswith("smtpd_sasl_") for name in service.options):
        return True
    others = (each for each in login_services(host) if each is not service)
    if any(each.port in SUBMISSION_PORTS or each.flag("smtpd_sasl_auth_enable") for each in others):
        return False
    return service.port == 25 and _logins_are_wanted(host)


def _logins_are_wanted(host: Host) -> bool:
    """Tell whether anything beside the services themselves says that people should log in on this host."""
    written = main(host).parameters
    if host.intended or any(name.lower().lstrip("\ufeff").startswith("smtpd_sasl_") for name in written):
        return True
    return any(_is_there(host, path) for path in SASL_CONFIGURATIONS)


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except CannotLook:
        return False

"""Which services of master.cf a client could log in on, and which of them are meant for that."""

import re
from collections.abc import Iterator, Mapping

from maildoctor.debian.release import packaged_postfix
from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host
from maildoctor.pattern import pattern
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
from maildoctor.source import Source, Sourced

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
    "signs_of_logins",
    "version",
]

SUBMISSION_PORTS = (465, 587)
"""For message submission alone: RFC 6409, RFC 8314."""
LOGIN_PORTS = (25, *SUBMISSION_PORTS)
KNOWN_PORTS = {"smtp": 25, "mail": 25, "smtps": 465, "ssmtp": 465, "submissions": 465, "submission": 587}
LOOPBACK = pattern(r"127\.[\d.]+|localhost|::1|\[::1\]", re.IGNORECASE)
ENABLING = pattern(r"sasl_?auth\w*enabled?|enabled?_?sasl_?auth|smtp\w*_auth_enable", re.IGNORECASE)
"""The parameter that enables AUTH, spelt right or wrong."""
OTHER_SIDES = ("smtp_", "lmtp_")
"""Parameters of Postfix as a client, which logs in to other servers."""
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
    return packaged_postfix(host) or NEWEST


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
    return known.get(name) or (_ask_name_service(name) if host.live else None)


def _ask_name_service(name: str) -> int | None:
    """Give the port that this machine's nsswitch.conf(5) knows, beside /etc/services."""
    import socket

    try:
        return socket.getservbyname(name, "tcp")
    except (OSError, ValueError):
        return None


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

    - AUTH is enabled there, or set to something that is neither yes nor no: somebody wanted it.
    - A port for submission alone (587, 465) that master.cf has: nothing else is done there. Debian ships
      these entries commented out, so a stock host and a satellite have none.
    - ``-o smtpd_sasl_...`` below another service says the same, but ``-o smtpd_sasl_auth_enable=no`` the
      contrary.
    - Port 25 carries mail between servers; AUTH left off there is as it should be. It is meant only if no
      other service is, and main.cf speaks of enabling AUTH (misspelt, or ``no`` while other things say that
      logins are wanted), or ``--auth`` says so.
    """
    enable = service.parameter("smtpd_sasl_auth_enable")
    if enable.value.lower() not in ("", "no") or service.port in SUBMISSION_PORTS:
        return True
    if "smtpd_sasl_auth_enable" in service.options:
        return False
    if any(name.startswith("smtpd_sasl_") for name in service.options):
        return True
    if service.port != 25 or any(
        _serves_logins(each) for each in login_services(host) if each is not service
    ):
        return False
    return bool(host.intended) or _main_cf_enables(host)


def _serves_logins(service: Service) -> bool:
    enable = service.parameter("smtpd_sasl_auth_enable").value.lower()
    return service.port in SUBMISSION_PORTS or enable not in ("", "no")


def _main_cf_enables(host: Host) -> bool:
    """Tell whether main.cf wants to enable AUTH in a way that has no effect."""
    written = main(host).parameters
    wanting = [name for name in written if ENABLING.search(name) and not name.startswith(OTHER_SIDES)]
    if any(written[name].value.lower() != "no" for name in wanting):
        return True
    return bool(wanting) and any(sign.source.line is None for sign in signs_of_logins(host) if sign.source)


@fact
def signs_of_logins(host: Host) -> tuple[Sourced[str], ...]:
    """Give what says that logins are wanted on this host, apart from master.cf: main.cf's lines, smtpd.conf.

    A file's source has no line. Debian's stock configuration has none of this, nor has a satellite.
    """
    signs = [
        Sourced(f"{name} = {value.value}".rstrip(), value.source)
        for name, value in main(host).parameters.items()
        if name.lower().lstrip("\ufeff").startswith("smtpd_sasl_")
    ]
    files = [path for path in SASL_CONFIGURATIONS if _is_there(host, path)]
    return tuple(signs + [Sourced("is there", Source(path)) for path in files])


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except CannotLook:
        return False

"""sasldb2: where an smtpd looks for it, what stands there, and who is in it; never a password.

libsasl2's sasldb plugin (plugins/sasldb.c, sasldb/db_berkeley.c) opens the file anew at each AUTH, read-only,
as user postfix and inside the chroot. A key is user, realm and property, with NULs between them.
"""

import os
from dataclasses import dataclass
from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import Host, LinkLoop, Missing, NotRegular
from maildoctor.postfix.service import Service
from maildoctor.sasl.method import method
from maildoctor.sasl.smtpd_conf import effective
from maildoctor.source import Source

SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes: some half a million users."""
PASSWORD = "userPassword"
"""The property that PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5 and SCRAM need."""


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """Somebody who can log in; libsasl2 compares both parts letter by letter."""

    user: str
    realm: str

    def __str__(self) -> str:
        """Give the full login name."""
        return f"{self.user}@{self.realm}"


class Database(NamedTuple):
    """What stands at one path; ``fault`` says why libsasl2 cannot use it."""

    path: str
    """Its link-free path on the host."""
    status: os.stat_result
    accounts: tuple[Account, ...] = ()
    fault: str = ""

    def same_file(self, other: "Database") -> bool:
        """Tell whether both are one and the same: a hard link, a symbolic link or a bind mount.

        On overlayfs (containers) hard links may show different inode numbers; their times of change, which
        nobody can set, and the number of their links are the same all the same.
        """
        mine, others = _times_and_links(self.status), _times_and_links(other.status)
        return os.path.samestat(self.status, other.status) or (mine == others and self.status.st_nlink > 1)


def _times_and_links(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_nlink


class Place(NamedTuple):
    """Where an smtpd looks: ``path`` as seen inside ``root``; ``source`` is None for libsasl2's default."""

    path: str
    root: str
    source: Source | None = None

    @property
    def on_host(self) -> str:
        """Give the path as an admin outside the chroot would type it."""
        return self.path if self.root == "/" else self.root.rstrip("/") + self.path


def in_use(host: Host, service: Service) -> bool:
    """Tell whether this service's passwords are verified from sasldb2, perhaps among others."""
    return method(host, service).uses("sasldb")


def alone(host: Host, service: Service) -> bool:
    """Tell whether nothing but sasldb2 verifies this service's passwords."""
    return method(host, service).only("sasldb")


def place(host: Host, service: Service) -> Place:
    """Give the path at which this service's smtpd opens sasldb2."""
    configured = effective(host, service).sasldb_path
    path = configured.value
    if not path.startswith("/"):
        # smtpd works in the queue directory, which a chroot makes "/".
        path = f"{'' if service.chroot else service.parameter('queue_directory').value}/{path}"
    return Place(path, service.root, configured.source)


@fact
def database(host: Host, path: str, root: str = "/") -> Database | None:
    """Read what stands at ``path``, seen from inside ``root``; None where nothing does.

    Raises CannotLook where this process may not look, or the file is larger than any sane one.
    """
    try:
        step = host.step(path, root)
    except (Missing, LinkLoop):
        return None
    try:
        data = host.read(path, root, SIZE_LIMIT)
    except NotRegular as error:
        return Database(step.path, step.status, fault=error.why)
    return _parse(step.path, step.status, data)


def _parse(path: str, status: os.stat_result, data: bytes) -> Database:
    from maildoctor.sasl.berkeley_hash import NotAHashFile, keys

    try:
        found = {account for key in keys(data) if (account := _account(key))}
    except NotAHashFile as error:
        return Database(path, status, fault=str(error))
    return Database(path, status, tuple(sorted(found)))


def _account(key: bytes) -> Account | None:
    parts = key.decode("utf-8", "surrogateescape").split("\0")
    return Account(parts[0], parts[1]) if len(parts) == 3 and parts[2] == PASSWORD else None


@fact
def inside(host: Host, service: Service) -> Database | None:
    """Give the sasldb2 that this service's smtpd opens, None where there is none."""
    where = place(host, service)
    return database(host, where.path, where.root)


@fact
def outside(host: Host, service: Service) -> Database | None:
    """Give what stands at the same path outside the chroot, where saslpasswd2(8) writes."""
    return database(host, place(host, service).path)


@fact
def same_content(host: Host, first: str, second: str) -> bool:
    """Tell whether two files hold the same bytes."""
    return host.read(first, limit=SIZE_LIMIT) == host.read(second, limit=SIZE_LIMIT)


def default_realm(service: Service) -> str:
    """Give the realm of a login name without ``@`` (tried on Debian 12 and 13).

    It is smtpd_sasl_local_domain, or myhostname where that is empty. A name with ``@`` brings its own realm.
    """
    local = service.parameter("smtpd_sasl_local_domain").value.strip()
    return local or service.parameter("myhostname").value.strip()

"""The socket at which an smtpd expects Dovecot: smtpd_sasl_path, read as Postfix reads it.

xsasl_dovecot_server.c: ``inet:host:port``, ``unix:path`` or a path. A relative one is seen from the queue
directory, an absolute one from inside the chroot.
"""

from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, NeedsLiveHost
from maildoctor.postfix.service import Service
from maildoctor.source import Source

LISTENING = 0x10000
"""``__SO_ACCEPTCON`` in the flags of /proc/net/unix: proc(5)."""


class Endpoint(NamedTuple):
    """Where smtpd connects: a ``path`` seen from inside ``root``, or else a TCP ``host`` and ``port``."""

    configured: str
    source: Source | None
    root: str = "/"
    path: str = ""
    host: str = ""
    port: str = ""

    @property
    def on_host(self) -> str:
        """Give the path as an admin outside the chroot would type it."""
        return self.path if self.root == "/" else self.root.rstrip("/") + self.path


def in_use(service: Service) -> bool:
    """Tell whether Dovecot verifies this service's passwords."""
    return service.parameter("smtpd_sasl_type").value.strip() == "dovecot"


def endpoint(service: Service) -> Endpoint:
    """Give the place where this service's smtpd looks for Dovecot."""
    configured = service.parameter("smtpd_sasl_path")
    text = configured.value.strip()
    if text.startswith("inet:"):
        host, _, port = text.removeprefix("inet:").rpartition(":")
        return Endpoint(text, configured.source, host=host.strip("[]"), port=port)
    path = text.removeprefix("unix:")
    if not path.startswith("/"):
        path = f"{'' if service.chroot else service.parameter('queue_directory').value}/{path}"
    return Endpoint(text, configured.source, service.root, path)


@fact
def listening(host: Host) -> frozenset[str]:
    """Give the paths of all Unix sockets at which somebody listens, as they were bound: proc(5).

    Raises NeedsLiveHost.
    """
    if not host.live:
        raise NeedsLiveHost("which sockets are listened on")
    rows = (line.split(None, 7) for line in host.text("/proc/net/unix").splitlines()[1:])
    return frozenset(
        row[7] for row in rows if len(row) == 8 and row[7].startswith("/") and int(row[3], 16) & LISTENING
    )


def listened_on(host: Host, path: str) -> bool:
    """Tell whether somebody listens at the link-free ``path``. Raises NeedsLiveHost."""
    name = path.rpartition("/")[2]
    same_name = (each for each in listening(host) if each.rpartition("/")[2] == name)
    return any(each == path or _resolved(host, each) == path for each in same_name)


def _resolved(host: Host, path: str) -> str | None:
    try:
        return host.resolve(path)
    except CannotLook:
        return None

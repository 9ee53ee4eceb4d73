"""What the checks of Dovecot share: what it costs, and how a listener is added to its configuration."""

from maildoctor.access import Access, may
from maildoctor.dovecot.config import configuration
from maildoctor.dovecot.daemon import master_pid
from maildoctor.dovecot.listener import Listener, listeners
from maildoctor.dovecot.socket import Endpoint, endpoint, in_use
from maildoctor.fact import fact
from maildoctor.finding import Evidence, Impact
from maildoctor.host import CannotLook, Host
from maildoctor.postfix import tls
from maildoctor.postfix.configuration import login_services
from maildoctor.postfix.service import Service
from maildoctor.remedy import Action, Option, Remedy, RestartUnit, WriteFile

CONSEQUENCES = ("service-throttled", "no-mechanism-left")
"""smtpd ends at its start where it cannot reach Dovecot."""
LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
OWN_FILE = "zz-postfix-auth.conf"
"""Dovecot reads conf.d by name, and of two values for one socket the later counts."""


def impact(host: Host) -> Impact:
    """Give what it costs that Dovecot cannot be reached.

    An smtpd with AUTH ends at its start then ("fatal: no SASL authentication mechanisms"), and master
    throttles the service: where that is port 25, incoming mail stops as well.
    """
    public = any(
        each.port == 25
        and each.flag("smtpd_sasl_auth_enable")
        and in_use(each)
        and tls.reaches_sasl(host, each)
        for each in login_services(host)
    )
    return Impact.INCOMING_MAIL if public else Impact.ALL_LOGINS


def listener_at(host: Host, path: str) -> Listener | None:
    """Give the listener that Dovecot's configuration puts at a link-free ``path`` on the host."""
    return next((each for each in listeners(host) if _real(host, each.path) == _real(host, path)), None)


def usable_listeners(host: Host, service: Service) -> list[Listener]:
    """Give the listeners of the auth service that this smtpd could use: inside its chroot if it has one."""
    inside = f"{service.chroot.rstrip('/')}/" if service.chroot else "/"
    return [each for each in listeners(host) if each.for_clients and each.path.startswith(inside)]


def listen(host: Host, path: str, *afterwards: Action, safe: bool = False) -> Remedy:
    """Let Dovecot listen at ``path`` for postfix alone, restart it, and do what comes ``afterwards``."""
    content = listener_text(path)
    file = own_file(host)
    if file is None:
        return Remedy.manual(f"Add to Dovecot's configuration, then restart it and Postfix:\n{content}")
    actions = (WriteFile(file, content), RestartUnit("dovecot"), *afterwards)
    if safe:
        return Remedy.safe(*actions)
    return Remedy.choice(Option("listener", f"Dovecot listens at {path}, for postfix alone.", actions))


def listener_text(path: str) -> str:
    """Give what tells Dovecot, in its versions 2.3 and 2.4 alike, to listen at ``path`` for postfix alone."""
    lines = (
        "# Postfix's smtpd asks here: smtpd_sasl_type = dovecot.",
        "service auth {",
        f"  unix_listener {path} {{",
        "    mode = 0660",
        "    user = postfix",
        "    group = postfix",
        "  }",
        "}",
    )
    return "".join(f"{line}\n" for line in lines)


def own_file(host: Host) -> str | None:
    """Give a file that this host's dovecot.conf includes and nobody uses; None where there is none."""
    found = configuration(host)
    included = found.includes if found else []
    if "/etc/dovecot/conf.d/*.conf" in included:
        return f"/etc/dovecot/conf.d/{OWN_FILE}"
    local = "/etc/dovecot/local.conf"
    return local if local in included and not host.exists(local) else None


def _real(host: Host, path: str) -> str:
    """Resolve the directory alone: the socket itself need not be there."""
    directory, _, name = path.rpartition("/")
    try:
        return f"{host.resolve(directory or '/').rstrip('/')}/{name}"
    except CannotLook:
        return path


@fact
def reach(host: Host, service: Service) -> Access | None:
    """Ask whether this smtpd may connect to the socket; None where it does not ask Dovecot at a socket."""
    where = endpoint(service)
    if not in_use(service) or not where.path:
        return None
    return may(host, where.path, "connect", where.root)


def is_nowhere(host: Host, service: Service) -> bool:
    """Tell whether nothing stands at the path, as this smtpd sees it."""
    access = reach(host, service)
    return access is not None and access.errno in ("ENOENT", "ENOTDIR", "ELOOP")


def runs(host: Host) -> bool:
    """Tell whether Dovecot runs; a tree does not."""
    return host.live and master_pid(host) is not None


def attempt(where: Endpoint, error: str = "No such file or directory") -> Evidence:
    """Say what connect(2) says to this smtpd."""
    inside = f", inside {where.root}" if where.root != "/" else ""
    return Evidence(f"connect to {where.path} as postfix{inside}", error)

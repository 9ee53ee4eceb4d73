"""The programs that smtpd asks over a socket: policy services and milters.

Forms: SMTPD_POLICY_README, MILTER_README; with braces since Postfix 3.0: ``{ inet:host:port, name=value }``.
"""

from typing import NamedTuple

from maildoctor.dovecot.socket import listened_on
from maildoctor.host import Host, Missing
from maildoctor.postfix.configuration import all_services
from maildoctor.postfix.daemon import listeners
from maildoctor.postfix.restrictions import words
from maildoctor.postfix.service import Service

LOCAL = ("localhost", "127.0.0.1", "::1", "[::1]")


class Endpoint(NamedTuple):
    """A server that smtpd connects to; ``settings`` are those written in braces beside it."""

    text: str
    settings: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, text: str) -> "Endpoint":
        """Read one server as main.cf names it."""
        inside = words(text[1:-1]) if text.startswith("{") and text.endswith("}") else [text]
        pairs = (word.partition("=") for word in inside[1:])
        return cls(inside[0] if inside else "", tuple((name, value) for name, _, value in pairs))

    def setting(self, name: str, default: str) -> str:
        """Give a setting that stands beside it, or the ``default`` of all."""
        return dict(self.settings).get(name, default)

    @property
    def port(self) -> tuple[str, str]:
        """Give the TCP host and port, both empty for a Unix socket."""
        host, _, port = self.text.removeprefix("inet:").rpartition(":")
        return (host, port) if self.text.startswith("inet:") else ("", "")


def unanswered(host: Host, service: Service, endpoint: Endpoint) -> str:
    """Say why nobody answers a local server's socket; empty if somebody does or it is not local.

    Nothing is connected to. Raises NeedsLiveHost.
    """
    name, port = endpoint.port
    if endpoint.text.startswith("inet:"):
        return _port(host, port) if name in LOCAL and port.isdecimal() else ""
    if not endpoint.text.startswith("unix:"):
        return ""
    return _socket(host, service, endpoint.text.removeprefix("unix:"))


def _port(host: Host, port: str) -> str:
    at_port = (each for each in listeners(host) if each.port == int(port))
    return "" if any(at_port) else f"nobody listens on port {port}"


def _socket(host: Host, service: Service, path: str) -> str:
    """Look for a socket: master's own, or one whose path is seen as a relative or chrooted one is."""
    if any(entry.type == "unix" and path == f"private/{entry.service}" for entry in all_services(host)):
        return ""
    relative = not path.startswith("/")
    queue = service.parameter("queue_directory").value
    try:
        step = host.step(f"{queue}/{path}") if relative else host.step(path, service.root)
    except Missing as error:
        return f"{error.path} does not exist"
    return "" if listened_on(host, step.path) else f"nobody listens at {step.path}"

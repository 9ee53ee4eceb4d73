"""The foreign mail client: logs in from another network and tries to relay, independent of maildoctor."""

import base64
import hmac
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.hosts.machine import Host, wait_until

Tls = Literal["none", "starttls", "implicit"]

SENDER = "someone@example.org"
FOREIGN = "someone@example.net"


class Reply(NamedTuple):
    """An SMTP reply; code 0 stands for no reply, and the text says why: refused, closed, hang."""

    code: int
    text: str


@dataclass(frozen=True)
class Session:
    """What the server answered, by step and in order: banner, ehlo, starttls, ehlo-tls, auth, mail, rcpt.

    A session ends at the first step without a reply; later steps are not there.
    """

    steps: dict[str, Reply] = field(default_factory=dict)

    def code(self, step: str) -> int:
        """The reply code of a step, 0 if it had none or was not reached."""
        return self.steps.get(step, Reply(0, "not reached")).code

    @property
    def works(self) -> bool:
        """The user is logged in *and* may send to a foreign domain."""
        return self.code("auth") == 235 and self.relays

    @property
    def relays(self) -> bool:
        """The server takes mail for a foreign domain."""
        return self.code("rcpt") == 250

    def mechanisms(self, step: str = "ehlo") -> set[str]:
        """The mechanisms offered at `ehlo`, or after TLS at `ehlo-tls`; empty if AUTH is not offered."""
        text = self.steps.get(step, Reply(0, "")).text
        return {word for line in text.splitlines() if line.startswith("AUTH ") for word in line.split()[1:]}


def login(
    host: Host,
    user: str = "hoge",
    password: str = "correct horse",
    *,
    port: int = 587,
    mechanism: str = "PLAIN",
    tls: Tls = "none",
    rcpt: str = FOREIGN,
    timeout: float = 12,
) -> Session:
    """Log in as a mail client would and name a recipient elsewhere; no mail is sent."""
    return _session(host, port, tls, timeout, (mechanism, user, password), rcpt)


def without_login(
    host: Host, *, port: int = 25, tls: Tls = "none", rcpt: str = FOREIGN, timeout: float = 12
) -> Session:
    """Try to send to a foreign domain without a login."""
    return _session(host, port, tls, timeout, None, rcpt)


def wait_for_banner(host: Host, port: int = 587, timeout: float = 20) -> None:
    """Wait until the port greets with 220."""
    wait_until(lambda: _greets(host, port), f"a banner on port {port}", timeout)


def _greets(host: Host, port: int) -> bool:
    try:
        with host.connect(port, timeout=2) as connection:
            return connection.recv(4) == b"220 "
    except OSError:
        return False


class _End(Exception):
    """No reply came, so the session is over."""


class _Talk:
    """One connection that keeps, by step, what the server answered."""

    def __init__(self, steps: dict[str, Reply], connection: socket.socket) -> None:
        self.steps = steps
        self._use(connection)

    def _use(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def say(self, step: str, line: str | None = None) -> Reply:
        """Send a line, if there is one, and keep the reply as that of `step`."""
        try:
            if line is not None:
                self._connection.sendall(line.encode() + b"\r\n")
            self.steps[step] = self._reply()
        except TimeoutError:
            self.steps[step] = Reply(0, "hang")
        except OSError:
            self.steps[step] = Reply(0, "closed")
        if self.steps[step].code == 0:
            raise _End
        return self.steps[step]

    def _reply(self) -> Reply:
        texts = []
        while line := self._lines.readline(4096).decode(errors="replace").rstrip():
            texts.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), "\n".join(texts))
        return Reply(0, "closed")

    def offers(self, mechanism: str) -> bool:
        """Whether the last EHLO reply has the mechanism; no mail program tries one that is not there."""
        return mechanism in Session(self.steps).mechanisms("ehlo-tls" if "ehlo-tls" in self.steps else "ehlo")

    def start_tls(self, step: str) -> None:
        """Negotiate TLS; whose certificate it is does not matter here."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            self._use(context.wrap_socket(self._connection))
        except OSError as error:
            self.steps[step] = Reply(0, f"no TLS: {error}")
            raise _End from None


def _session(
    host: Host, port: int, tls: Tls, timeout: float, credentials: tuple[str, str, str] | None, rcpt: str
) -> Session:
    steps: dict[str, Reply] = {}
    try:
        connection = host.connect(port, timeout)
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        return Session({"banner": Reply(0, "refused" if refused else "hang")})
    with connection, suppress(_End):
        _converse(_Talk(steps, connection), tls, credentials, rcpt)
    return Session(steps)


def _converse(talk: _Talk, tls: Tls, credentials: tuple[str, str, str] | None, rcpt: str) -> None:
    if tls == "implicit":
        talk.start_tls("banner")
    talk.say("banner")
    talk.say("ehlo", "EHLO client.example.org")
    if tls == "starttls" and talk.say("starttls", "STARTTLS").code == 220:
        talk.start_tls("starttls")
        talk.say("ehlo-tls", "EHLO client.example.org")
    if credentials and _authenticate(talk, *credentials).code != 235:
        return
    talk.say("mail", f"MAIL FROM:<{SENDER}>")
    talk.say("rcpt", f"RCPT TO:<{rcpt}>")
    talk.say("quit", "QUIT")


def _authenticate(talk: _Talk, mechanism: str, user: str, password: str) -> Reply:
    def cram_md5(challenge: bytes) -> str:
        return f"{user} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}"

    if not talk.offers(mechanism):
        return talk.steps.setdefault("auth", Reply(0, "not offered"))
    if mechanism == "PLAIN":
        return talk.say("auth", "AUTH PLAIN " + _base64(f"\0{user}\0{password}"))
    reply = talk.say("auth", f"AUTH {mechanism}")
    answers: dict[str, list[Callable[[bytes], str]]] = {
        "LOGIN": [lambda _: user, lambda _: password],
        "CRAM-MD5": [cram_md5],
    }
    for answer in answers[mechanism]:
        if reply.code == 334:
            reply = talk.say("auth", _base64(answer(base64.b64decode(reply.text))))
    return reply


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

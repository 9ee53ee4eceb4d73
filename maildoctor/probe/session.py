"""One SMTP conversation: smtplib speaks, every reply comes back as a value or as Trouble."""

import base64
import binascii
import contextlib
import smtplib
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from maildoctor.probe.credentials import Credentials
from maildoctor.probe.mechanism import MECHANISMS, Said
from maildoctor.probe.transcript import HIDDEN, Transcript, decoded
from maildoctor.probe.trouble import Kind, Trouble
from maildoctor.probe.wire import Wire

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

QUIT_SECONDS = 2.0
NO_REPLY = "the answer is no SMTP reply"
MECHANISM_LIMIT = 40
"""Names of mechanisms that are looked at; Cyrus SASL has about twenty plugins."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer; the lines of ``text`` are separated by newlines."""

    code: int
    text: str

    @property
    def good(self) -> bool:
        """Tell whether the server did what it was asked."""
        return 200 <= self.code < 300

    @property
    def line(self) -> str:
        """Give code and last line: what people quote."""
        return f"{self.code} {self.text.splitlines()[-1] if self.text else ''}".rstrip()


class Session(smtplib.SMTP):
    """A conversation over a Wire. Every method raises Trouble where there is no proper reply."""

    def __init__(self, wire: Wire, transcript: Transcript) -> None:
        """Take the conversation up before the banner."""
        self.wire = wire
        self.transcript = transcript
        super().__init__(local_hostname=_literal(wire.client))
        self.sock = cast(socket.socket, wire)

    def banner(self) -> Reply:
        """Wait for the server's first words."""
        return self._reply(self.getreply())

    def hello(self) -> Reply:
        """Say EHLO; what is offered can be asked afterwards."""
        try:
            return self._reply(self.ehlo())
        except smtplib.SMTPServerDisconnected:
            # How smtplib takes an answer without a code or a word.
            raise Trouble(Kind.NOT_SMTP, NO_REPLY) from None

    def ask(self, command: str) -> Reply:
        """Say ``command`` and wait for the answer."""
        return self._reply(self.docmd(command))

    def relay(self, sender: str, recipient: str) -> tuple[str, Reply]:
        """Ask for relaying: MAIL and RCPT, then RSET. Gives the command that decided, and its reply."""
        command, reply = "MAIL", self._reply(self.mail(sender))
        if reply.good:
            command, reply = "RCPT", self._reply(self.rcpt(recipient))
            with contextlib.suppress(Trouble):
                self.ask("RSET")
        return command, reply

    def mechanisms(self) -> tuple[str, ...] | None:
        """Give the mechanisms offered now, in the server's order; None where AUTH is not offered."""
        if not self.has_extn("auth"):
            return None
        words = self.esmtp_features["auth"].upper().split()
        return tuple(dict.fromkeys(words))[:MECHANISM_LIMIT]

    def secure(self, context: ssl.SSLContext, name: str | None) -> ssl.SSLSocket:
        """Begin TLS and forget what was offered in clear."""
        secured = self.wire.secure(context, name)
        self.esmtp_features, self.ehlo_resp, self.does_esmtp = {}, None, False
        self.transcript.note(f"TLS begins: {secured.version()}")
        return secured

    def authenticate(self, mechanism: str, credentials: Credentials) -> Reply:
        """Authenticate. A challenge that the mechanism has no answer for is cancelled with ``*``."""
        exchange = MECHANISMS[mechanism](credentials)
        said = next(exchange)
        reply = self._confide(f"AUTH {mechanism}", said)
        while reply.code == 334:
            challenge = _challenge(reply)
            try:
                said = exchange.send(challenge) if challenge is not None else None
            except StopIteration:
                said = None
            if said is None:
                self.ask("*")
                raise Trouble(Kind.NOT_SMTP, f"a challenge that {mechanism} does not know: {reply.line}")
            reply = self._confide("", said)
        return reply

    def goodbye(self) -> None:
        """Say QUIT if the server still listens; its answer does not matter."""
        if self.sock is not None:
            self.wire.start(QUIT_SECONDS)
            with contextlib.suppress(Trouble, OSError):
                self.ask("QUIT")
        self.close()

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Write a command down and send it."""
        self.transcript.sent(f"{cmd.upper()} {args}".rstrip())
        super().putcmd(cmd.upper(), args)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply; a broken one is Trouble."""
        try:
            return super().getreply()
        except smtplib.SMTPServerDisconnected:
            raise self._trouble() from None
        except smtplib.SMTPResponseException:
            raise Trouble(Kind.ENDLESS_LINE, "a line of the reply did not end within 8192 bytes") from None

    def send(self, s: "ReadableBuffer | str") -> None:
        """Send; a broken connection is Trouble."""
        try:
            super().send(s)
        except smtplib.SMTPServerDisconnected:
            raise self._trouble() from None

    def _confide(self, command: str, said: Said | None) -> Reply:
        """Send a command or a response whose base64 the transcript explains or hides."""
        words = [command] if command else []
        shown = list(words)
        if said is not None:
            words.append(base64.b64encode(said.data).decode())
            shown.append(HIDDEN if said.secret else words[-1])
            if said.secret:
                self.transcript.hide(words[-1])
        self.transcript.sent(" ".join(shown), said.note if said else "")
        super().putcmd(" ".join(words))
        return self._reply(self.getreply())

    def _reply(self, answer: tuple[int, bytes]) -> Reply:
        code, text = answer
        if not 200 <= code < 600:
            raise Trouble(Kind.NOT_SMTP, NO_REPLY)
        return Reply(code, "\n".join(self.transcript.clean(line) for line in decoded(text).split("\n")[:100]))

    def _trouble(self) -> Trouble:
        return self.wire.trouble or Trouble(Kind.CLOSED, "the server closed the connection")


def _challenge(reply: Reply) -> bytes | None:
    try:
        return base64.b64decode(reply.text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _literal(address: str) -> str:
    """Give the address literal for EHLO (RFC 5321, 4.1.3): no DNS, and true."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

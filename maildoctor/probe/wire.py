"""The connection beneath smtplib: time limits for whole phases, limits of size, and a record of every line.

smtplib's own time limit holds for a single ``recv``, and it reads a reply for as long as the reply goes on.
A Wire stands where smtplib expects a socket and the file made of it.
"""

import contextlib
import socket
import ssl
from typing import NoReturn

from maildoctor.probe.clock import Clock
from maildoctor.probe.transcript import Transcript
from maildoctor.probe.trouble import Kind, Trouble

REPLY_LIMIT = 64 * 1024
"""Bytes: more in one phase is no reply. Postfix's longest EHLO answer has some hundreds."""
CHUNK = 4096


class Wire:
    """A connected socket, in clear or secured. Its OSErrors are for smtplib; ``trouble`` tells the reason."""

    def __init__(self, sock: socket.socket, clock: Clock, transcript: Transcript) -> None:
        """Take over ``sock``."""
        self._socket = sock
        self._clock = clock
        self._transcript = transcript
        self._buffer = bytearray()
        self._received = 0
        self.client = str(sock.getsockname()[0]).partition("%")[0]
        """This end's address, without an IPv6 zone."""
        self.trouble: Trouble | None = None

    def start(self, deadline: float | None = None) -> None:
        """Begin a phase, of ``deadline`` seconds if that is less than usual; its bytes count from here."""
        self._clock.start(min(deadline or self._clock.deadline, self._clock.deadline))
        self._received = 0

    def makefile(self, mode: str) -> "Wire":
        """Give the file that smtplib reads lines from: this wire."""
        return self

    def sendall(self, data: bytes) -> None:
        """Send within the phase's time. Raises OSError."""
        try:
            self._socket.settimeout(self._clock.left())
            self._socket.sendall(data)
        except OSError as error:
            self._fail(error)

    def readline(self, limit: int) -> bytes:
        """Give one line, or ``limit`` bytes of one without an end; nothing at the end. Raises OSError."""
        while True:
            end = self._buffer.find(b"\n", 0, limit) + 1 or (limit if len(self._buffer) >= limit else 0)
            if end:
                break
            data = self._receive()
            if not data:
                self.trouble = Trouble(Kind.CLOSED, "the server closed the connection" + self._cut_off())
                return b""
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._transcript.received(line)
        return line

    def unasked(self) -> bytes:
        """Give what the server has sent although it was not its turn (the beginning of it)."""
        self._socket.settimeout(0)
        with contextlib.suppress(OSError):
            self._buffer += self._socket.recv(CHUNK)
        return bytes(self._buffer[:CHUNK])

    def secure(self, context: ssl.SSLContext, name: str | None) -> ssl.SSLSocket:
        """Begin TLS. Raises Trouble. What came before it in clear is forgotten, as RFC 3207 demands."""
        self._buffer.clear()
        try:
            self._socket.settimeout(self._clock.left())
            secured = context.wrap_socket(self._socket, server_hostname=name)
        except (OSError, ValueError) as error:
            raise _tls_trouble(error, self._clock) from None
        self._socket = secured
        return secured

    def close(self) -> None:
        """Close; any number of times."""
        self._socket.close()

    def _receive(self) -> bytes:
        if self._received > REPLY_LIMIT:
            self.trouble = Trouble(Kind.ENDLESS_REPLY, f"the reply did not end within {REPLY_LIMIT} bytes")
            raise OSError
        try:
            self._socket.settimeout(self._clock.left())
            data = self._socket.recv(CHUNK)
        except OSError as error:
            self._fail(error)
        self._received += len(data)
        return data

    def _fail(self, error: OSError) -> NoReturn:
        if isinstance(error, TimeoutError):
            self.trouble = Trouble(
                Kind.HUNG, f"no answer within {self._clock.deadline:g} s" + self._cut_off()
            )
        else:
            self.trouble = Trouble(Kind.CLOSED, f"the connection broke: {error.strerror or error}")
        raise OSError

    def _cut_off(self) -> str:
        """Show what stood on the wire without an end."""
        if not self._buffer:
            return ""
        self._transcript.received(bytes(self._buffer))
        self._buffer.clear()
        return " in the middle of a line"


def _tls_trouble(error: Exception, clock: Clock) -> Trouble:
    if isinstance(error, TimeoutError):
        return Trouble(Kind.HUNG, f"the TLS handshake did not end within {clock.deadline:g} s")
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return Trouble(Kind.NO_TLS, "the server does not speak TLS here: it answered in clear")
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return Trouble(Kind.CLOSED, "the server closed the connection during the TLS handshake")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return Trouble(Kind.NO_TLS, f"the TLS handshake failed: {reason}")

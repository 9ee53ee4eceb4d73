"""An SMTP server that follows a script, so that it can misbehave in any way at any step."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Script = Callable[["Talk"], None]
EHLO = ("250-mail.example.com", "250-STARTTLS", "250 AUTH PLAIN LOGIN")
EHLO_TLS = ("250-mail.example.com", "250 AUTH PLAIN LOGIN")
REFUSED = "535 5.7.8 Error: authentication failed: authentication failure"


class Talk:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket, server: "Server") -> None:
        self.sock = sock
        self.server = server
        self._buffer = b""

    def say(self, *lines: str) -> None:
        """Send lines, properly ended."""
        self.raw("".join(f"{line}\r\n" for line in lines).encode())

    def raw(self, data: bytes) -> None:
        """Send exactly these bytes."""
        self.sock.sendall(data)

    def hear(self) -> str:
        """Wait for one line of the client; the server remembers it."""
        while b"\n" not in self._buffer:
            data = self.sock.recv(4096)
            if not data:
                raise ConnectionError
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        text = line.decode("utf-8", "replace").rstrip("\r")
        self.server.heard.append(text)
        return text

    def hang(self) -> None:
        """Say nothing more, until the client goes away."""
        with contextlib.suppress(OSError):
            while self.sock.recv(4096):
                pass

    def secure(self) -> None:
        """Begin TLS."""
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)

    def greet(self, *offer: str) -> None:
        """Go through banner and EHLO."""
        self.say("220 mail.example.com ESMTP Postfix")
        self.hear()
        self.say(*(offer or EHLO_TLS))

    def rest(self, replies: dict[str, str]) -> None:
        """Answer each further command by its first word; what is not in ``replies`` gets 250."""
        while True:
            words = self.hear().upper().split()
            command = words[0] if words else ""
            self.say(replies.get(" ".join(words[:2]), replies.get(command, "250 2.0.0 Ok")))
            if command == "QUIT":
                return


class Server:
    """Listens on loopback; every connection gets the script, in a thread of its own."""

    def __init__(self, script: Script, context: ssl.SSLContext) -> None:
        self.script = script
        self.context = context
        self.heard: list[str] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        talk = Talk(sock, self)
        with contextlib.suppress(OSError, ssl.SSLError):
            self.script(talk)
        with contextlib.suppress(OSError):
            talk.sock.shutdown(socket.SHUT_RDWR)
        talk.sock.close()


def certificate(directory: Path, *options: str) -> Path:
    """Make a self-signed certificate with its key, both in one PEM file."""
    path = directory / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += [
        "-subj",
        "/O=Example/CN=mail.example.com",
        "-keyout",
        str(path),
        "-out",
        str(directory / "crt"),
    ]
    command += ["-out", str(directory / "crt")]
    command += options or ("-addext", "subjectAltName=DNS:mail.example.com,DNS:*.example.org,IP:192.0.2.1")
    subprocess.run(command, check=True, capture_output=True)
    with path.open("a") as file:
        file.write((directory / "crt").read_text())
    return path


@contextlib.contextmanager
def serving(script: Script, context: ssl.SSLContext) -> Iterator[Server]:
    """Serve for as long as the block runs."""
    server = Server(script, context)
    try:
        yield server
    finally:
        server.close()


def polite(step: str = "", misbehave: Script | None = None, auth: str = REFUSED) -> Script:
    """Give a well-behaved server with STARTTLS that, at ``step``, does something else instead.

    Steps, in their order: banner, ehlo, starttls, handshake, ehlo-tls, auth, mail, rcpt, rset, quit. ``auth``
    is the answer to AUTH PLAIN.
    """

    def at(name: str, talk: Talk) -> bool:
        if name == step and misbehave is not None:
            misbehave(talk)
            raise ConnectionError
        return True

    def script(talk: Talk) -> None:
        at("banner", talk)
        talk.say("220 mail.example.com ESMTP Postfix")
        while True:
            command = talk.hear().split(" ")[0].lower()
            secured = isinstance(talk.sock, ssl.SSLSocket)
            at("ehlo-tls" if secured and command == "ehlo" else command, talk)
            if command == "starttls":
                talk.say("220 2.0.0 Ready to start TLS")
                at("handshake", talk)
                talk.secure()
            elif command == "ehlo":
                offer = "250 AUTH PLAIN" if secured else "250 STARTTLS"
                talk.say("250-mail.example.com", "250-PIPELINING", offer)
            else:
                talk.say({"auth": auth, "quit": "221 2.0.0 Bye"}.get(command, "250 2.0.0 Ok"))

    return script

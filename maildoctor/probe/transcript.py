"""What was said, line by line: base64 explained, passwords hidden, and never more than a page too much."""

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum

LINE_LIMIT = 400
"""Characters of one line that are kept."""
LINES_LIMIT = 400
"""Lines of one probe that are kept."""
HIDDEN = "********"


class Who(StrEnum):
    """Who said it."""

    CLIENT = "client"
    SERVER = "server"
    NOTE = "note"
    """Neither: a connection opened, TLS begun, an end."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; ``note`` explains it to people."""

    who: Who
    text: str
    note: str = ""


class Transcript:
    """Collects lines. Whatever the server says, the ``secrets`` are struck out of it."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        """Begin with an empty page."""
        self._lines: list[Line] = []
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._dropped = 0

    @property
    def lines(self) -> tuple[Line, ...]:
        """Give what was said so far."""
        rest = (Line(Who.NOTE, f"{self._dropped} more lines"),) if self._dropped else ()
        return (*self._lines, *rest)

    def hide(self, secret: str) -> None:
        """Strike ``secret`` out of whatever comes from now on."""
        self._secrets.insert(0, secret)

    def sent(self, text: str, note: str = "") -> None:
        """Write down what the client said; the caller has hidden what must not be seen."""
        self._write(Line(Who.CLIENT, self.clean(text), note))

    def received(self, data: bytes) -> None:
        """Write down a line of the server."""
        text = self.clean(decoded(data.rstrip(b"\r\n")))
        self._write(Line(Who.SERVER, text, self.clean(_challenge(text))))

    def note(self, text: str) -> None:
        """Write down what happened between the lines."""
        self._write(Line(Who.NOTE, self.clean(text)))

    def clean(self, text: str) -> str:
        """Strike the secrets out, and cut what is too long."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        more = len(text) - LINE_LIMIT
        return text if more <= 0 else f"{text[:LINE_LIMIT]} ({more} more)"

    def _write(self, line: Line) -> None:
        if len(self._lines) < LINES_LIMIT:
            self._lines.append(line)
        else:
            self._dropped += 1


def decoded(data: bytes) -> str:
    """Give bytes from the network as text that loses nothing."""
    return data.decode("utf-8", "surrogateescape")


def _challenge(text: str) -> str:
    """Explain the base64 of a ``334``: VXNlcm5hbWU6 is "Username:"."""
    if not text.startswith("334 "):
        return ""
    try:
        plain = base64.b64decode(text[4:].strip(), validate=True)
    except (binascii.Error, ValueError):
        return "not base64"
    return f'"{decoded(plain)}"' if plain else "(empty)"

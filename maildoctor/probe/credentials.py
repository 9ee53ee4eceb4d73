"""A user and a password that shows itself nowhere."""

import base64
import binascii
import secrets
from dataclasses import dataclass

MADE_UP = "maildoctor-probe-"
"""What a made-up user's name begins with, so that people and log readers recognise it."""


class Password:
    """The bytes of a password. Neither ``str`` nor ``repr`` nor a pickle gives them away."""

    __slots__ = ("__bytes",)

    def __init__(self, value: bytes) -> None:
        """Keep ``value``, as it goes over the wire."""
        self.__bytes = value

    def reveal(self) -> bytes:
        """Give the password itself: for the wire alone."""
        return self.__bytes

    def __repr__(self) -> str:
        """Say that there is one."""
        return "<password, hidden>"

    def __reduce__(self) -> str:
        """Refuse to be copied into a file or another process."""
        raise TypeError("a password is not pickled")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in."""

    user: str
    password: Password
    made_up: bool = False
    """A user that no server knows: can prove a login path broken, never whole."""

    def secrets(self) -> tuple[str, ...]:
        """Give every form in which the password could come back in what a server says."""
        password = self.password.reveal()
        user = self.user.encode("utf-8", "surrogateescape")
        encoded = [_base64(password), _base64(b"\0" + user + b"\0" + password)]
        plain = [password.decode("utf-8", "surrogateescape"), binascii.hexlify(password).decode()]
        return tuple(text for text in (*encoded, *plain) if len(text) > 3)


def made_up() -> Credentials:
    """Give a user that exists nowhere, with a password to match; RFC 4954 promises it a 535."""
    user = MADE_UP + secrets.token_hex(4)
    return Credentials(user, Password(secrets.token_urlsafe(12).encode()), made_up=True)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()

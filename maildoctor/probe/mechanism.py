"""The SASL mechanisms that a probe can speak: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195).

smtplib's own ``auth`` takes passwords in ASCII alone, so the exchange itself is in ``session``.
"""

import hmac
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from maildoctor.probe.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Said:
    """A response, before base64. ``note`` tells people what it is; a ``secret`` one is never shown."""

    data: bytes = field(repr=False)
    note: str
    secret: bool = False


Exchange = Generator[Said | None, bytes, None]
"""Yields the initial response (None: there is none), then a response for each challenge sent in."""


def _plain(credentials: Credentials) -> Exchange:
    user = _bytes(credentials.user)
    data = b"\0" + user + b"\0" + credentials.password.reveal()
    yield Said(data, f'"\\0{credentials.user}\\0" and the password, hidden', secret=True)


def _login(credentials: Credentials) -> Exchange:
    yield None
    yield Said(_bytes(credentials.user), f'"{credentials.user}"')
    yield Said(credentials.password.reveal(), "the password, hidden", secret=True)


def _cram_md5(credentials: Credentials) -> Exchange:
    challenge = yield None
    digest = hmac.new(credentials.password.reveal(), challenge, "md5").hexdigest()
    data = _bytes(credentials.user) + b" " + digest.encode()
    yield Said(data, f'"{credentials.user}" and a digest of the password, hidden', secret=True)


MECHANISMS: dict[str, Callable[[Credentials], Exchange]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}
IN_CLEAR = ("PLAIN", "LOGIN")
"""These send the password itself."""


def _bytes(user: str) -> bytes:
    return user.encode("utf-8", "surrogateescape")

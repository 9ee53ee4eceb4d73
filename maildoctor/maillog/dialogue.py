"""What a pasted SMTP dialogue offered in answer to EHLO: the fault may be a line that is not there."""

from maildoctor.pattern import pattern

_OFFER = pattern(rb"\b250[- ]([A-Z0-9][A-Z0-9-]{2,30})\b")
_EHLO = {
    b"PIPELINING", b"SIZE", b"VRFY", b"ETRN", b"STARTTLS", b"ENHANCEDSTATUSCODES", b"8BITMIME", b"DSN",
    b"SMTPUTF8", b"CHUNKING", b"AUTH", b"XCLIENT", b"XFORWARD", b"BURL", b"REQUIRETLS", b"LIMITS",
}  # fmt: skip
"""Keywords that Postfix answers to EHLO with."""


class Dialogue:
    """Listens to fragments that name no program."""

    def __init__(self) -> None:
        """Begin before the first line."""
        self._offered: set[bytes] = set()
        self.sample = b""

    def hears(self, text: bytes) -> bool:
        """Take a line in; tell whether it was an answer to EHLO."""
        keywords = _EHLO.intersection(_OFFER.findall(text[:1000]))
        if keywords and not self._offered:
            self.sample = text
        self._offered |= keywords
        return bool(keywords)

    @property
    def ended(self) -> str:
        """Say what was missing, in the catalogue's words for program ``ehlo``; empty if nothing was."""
        if not self._offered or b"AUTH" in self._offered:
            return ""
        return "no AUTH, but STARTTLS" if b"STARTTLS" in self._offered else "no AUTH, no STARTTLS"

"""What keeps a server from answering as RFC 5321 says: an outcome, never a crash."""

from enum import StrEnum


class Kind(StrEnum):
    """The ways in which a conversation ends early."""

    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    HUNG = "hung"
    CLOSED = "closed"
    ENDLESS_LINE = "endless-line"
    ENDLESS_REPLY = "endless-reply"
    NOT_SMTP = "not-smtp"
    NO_TLS = "no-tls"
    INJECTED = "injected"


class Trouble(Exception):
    """The conversation cannot go on; ``detail`` is one clause that says how it ended."""

    def __init__(self, kind: Kind, detail: str) -> None:
        """Keep what happened."""
        super().__init__(detail)
        self.kind = kind
        self.detail = detail

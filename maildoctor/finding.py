"""What a check says: a value. Two findings are equal when their fields are."""

import enum
from dataclasses import dataclass, field

from maildoctor.remedy import Remedy
from maildoctor.source import Source
from maildoctor.stage import Stage as Stage  # which checks import from here


class Severity(enum.IntEnum):
    """How bad a finding is; only errors and warnings can change a verdict."""

    INFO = 0
    """Worth knowing; the host works."""
    WARNING = 1
    """Works now and will fail, at the next boot for instance."""
    ERROR = 2
    """Logins fail, anybody gets in, or a secret is readable by others."""

    def __str__(self) -> str:
        """Give the name that options and JSON use."""
        return self.name.lower()


class Impact(enum.IntEnum):
    """What an error costs; the smallest comes first in a report."""

    INCOMING_MAIL = 0
    """Incoming mail stops as well, not only logins."""
    ALL_LOGINS = 1
    """Nobody can log in on the services concerned."""
    SOME_LOGINS = 2
    """Some users or some clients cannot log in."""
    DANGER = 3
    """Logins work, but somebody gets in, relays or reads who should not."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of evidence: where it comes from (``/etc/postfix/master.cf:17``, a command), what it says."""

    source: str
    text: str

    @classmethod
    def at(cls, source: Source | None, text: str) -> "Evidence":
        """Make evidence of a sourced value; a value without a source is Postfix's built-in default."""
        return cls(str(source) if source else "built-in default", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault, or one thing worth knowing.

    A check fills in everything but ``code``, ``stage`` and ``services``, which its runner adds from the
    check's declaration (a check may set ``stage`` where one fault can sit at several).
    """

    summary: str
    """One sentence: what is wrong, in the words of Postfix and SASL."""
    subject: str
    """What it is about: a path, a service, a parameter."""
    severity: Severity = Severity.ERROR
    impact: Impact = Impact.ALL_LOGINS
    expected: str | None = None
    found: str | None = None
    evidence: tuple[Evidence, ...] = ()
    proof: str = ""
    """One harmless shell command that shows the fault."""
    remedy: Remedy = field(default_factory=Remedy)
    explains: tuple[str, ...] = ()
    """Codes of findings that would vanish altogether if this one were mended."""

    code: str = ""
    stage: Stage | None = None
    services: tuple[str, ...] = ()
    """Names of the services concerned; empty: the whole host."""

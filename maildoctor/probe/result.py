"""What a probe found: pure values."""

from dataclasses import dataclass
from enum import StrEnum

from maildoctor.finding import Stage
from maildoctor.probe.certificate import Certificate
from maildoctor.probe.session import Reply
from maildoctor.probe.target import Target
from maildoctor.probe.transcript import Line


class Outcome(StrEnum):
    """How a phase ended."""

    OK = "ok"
    FAILED = "failed"
    NOT_JUDGED = "not-judged"
    SKIPPED = "skipped"


class Step(StrEnum):
    """The phases of a probe, in their order (with TLS from the first byte, TLS comes before the banner)."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    OFFERED_BEFORE_TLS = "offered-before-tls"
    TLS = "tls"
    OFFERED_AFTER_TLS = "offered-after-tls"
    AUTH = "auth"
    RELAY_AFTER_LOGIN = "relay-after-login"
    RELAY_WITHOUT_LOGIN = "relay-without-login"
    RELAY_WITHOUT_LOGIN_25 = "relay-without-login-25"


class Verdict(StrEnum):
    """What all phases together say."""

    WHOLE = "whole"
    """A real user logged in and may relay; nobody else may, as far as that could be judged."""
    NOTHING_WRONG_FOUND = "nothing-wrong-found"
    """Nothing failed; only a real user could prove more."""
    DEGRADED = "degraded"
    """A login works, but something that clients meet does not."""
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """What one phase showed, in one sentence; ``stage`` is where on the login path it failed."""

    outcome: Outcome
    summary: str
    reply: Reply | None = None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase and what it showed."""

    step: Step
    judged: Judged
    seconds: float = 0.0
    mechanism: str | None = None
    """For AUTH."""

    @property
    def failed(self) -> bool:
        """Tell whether it failed."""
        return self.judged.outcome is Outcome.FAILED

    @property
    def refused(self) -> bool:
        """Tell whether AUTH was answered with a plain no."""
        return self.judged.reply is not None and self.judged.reply.code == 535


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Everything a probe of one target found."""

    target: Target
    user: str
    made_up: bool
    phases: tuple[Phase, ...]
    offered_before_tls: tuple[str, ...] | None = None
    """Mechanisms; None where AUTH was not offered."""
    offered_after_tls: tuple[str, ...] | None = None
    tls_version: str | None = None
    certificate: Certificate | None = None
    transcript: tuple[Line, ...] = ()

    @property
    def failures(self) -> tuple[Phase, ...]:
        """Give the phases that failed."""
        return tuple(phase for phase in self.phases if phase.failed)

    @property
    def logged_in(self) -> bool:
        """Tell whether any mechanism let the user in."""
        return bool(self._ended(Step.AUTH, Outcome.OK))

    @property
    def alarm(self) -> bool:
        """Tell whether the server let in a user whom we made up."""
        return self.made_up and any(
            phase.judged.reply is not None and phase.judged.reply.code == 235
            for phase in self.phases
            if phase.step is Step.AUTH
        )

    @property
    def verdict(self) -> Verdict:
        """Sum up: what fails decides, then what could not be judged."""
        relayed = bool(self._ended(Step.RELAY_AFTER_LOGIN, Outcome.OK))
        if self.failures:
            return Verdict.DEGRADED if relayed and not self._open_relay else Verdict.BROKEN
        if self.logged_in and relayed:
            return Verdict.WHOLE
        answered = any(phase.step is Step.AUTH and phase.refused for phase in self.phases)
        return Verdict.NOTHING_WRONG_FOUND if self.made_up and answered else Verdict.UNKNOWN

    @property
    def _open_relay(self) -> bool:
        steps = (Step.RELAY_WITHOUT_LOGIN, Step.RELAY_WITHOUT_LOGIN_25)
        return any(phase.step in steps for phase in self.failures)

    def _ended(self, step: Step, outcome: Outcome) -> list[Phase]:
        return [phase for phase in self.phases if phase.step is step and phase.judged.outcome is outcome]

"""A login with a made-up user, as a witness of a repair: cheap, and anybody may do it."""

from dataclasses import dataclass
from enum import StrEnum

from maildoctor.finding import Stage
from maildoctor.probe.credentials import Credentials
from maildoctor.probe.result import Outcome, Phase, ProbeResult, Step
from maildoctor.probe.run import DEADLINE, probe
from maildoctor.probe.target import Target


class Testimony(StrEnum):
    """What the login of a user that exists nowhere tells about the login path."""

    BROKEN = "broken"
    """No banner, no TLS, 454, a hang: no real user can log in either."""
    ANSWERS = "answers"
    """535: something says no. Whether it could say yes, only a real user can prove."""
    ALARM = "alarm"
    """235: anybody is let in."""
    NOT_OFFERED = "not-offered"
    """The server speaks, but offers this client no AUTH."""
    UNKNOWN = "unknown"
    """No mechanism on offer could be tried, or Postfix gave up on a Dovecot that may only be slow."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What was seen. ``stage`` is where the path breaks, ``answer`` the server's words where it had any."""

    testimony: Testimony
    summary: str
    stage: Stage | None = None
    answer: str = ""
    result: ProbeResult | None = None


def witness(
    target: Target,
    deadline: float = DEADLINE,
    *,
    who: Credentials | None = None,
    greeting: float | None = None,
) -> Witness:
    """Try to log in on ``target`` as ``who``, made up if it is nobody.

    ``deadline`` is for each phase, ``greeting``, if shorter, for the banner; in seconds.
    """
    return testify(probe(target, who, deadline, relaying=False, every=False, greeting=greeting))


def testify(result: ProbeResult) -> Witness:
    """Say what a probe with a made-up user shows; the worst of all phases decides."""
    if result.alarm:
        alarm = next(phase for phase in result.failures if phase.step is Step.AUTH)
        return _says(Testimony.ALARM, alarm, result)
    if result.failures:
        phase = result.failures[0]
        return _says(Testimony.NOT_OFFERED if _not_offered(phase) else Testimony.BROKEN, phase, result)
    answers = [phase for phase in result.phases if phase.step is Step.AUTH and phase.refused]
    if answers:
        return _says(Testimony.ANSWERS, answers[0], result)
    unjudged = [phase for phase in result.phases if phase.judged.outcome is Outcome.NOT_JUDGED]
    if unjudged:
        return _says(Testimony.UNKNOWN, unjudged[0], result)
    return Witness(Testimony.UNKNOWN, "no mechanism on offer could be tried", result=result)


def _not_offered(phase: Phase) -> bool:
    offers = (Step.OFFERED_BEFORE_TLS, Step.OFFERED_AFTER_TLS)
    return phase.step in offers and phase.judged.outcome is Outcome.FAILED and phase.judged.reply is None


def _says(testimony: Testimony, phase: Phase, result: ProbeResult) -> Witness:
    reply = phase.judged.reply
    return Witness(testimony, phase.judged.summary, phase.judged.stage, reply.line if reply else "", result)

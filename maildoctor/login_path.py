"""The path of a login through one service: stage by stage, up to where it breaks."""

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from maildoctor.check import Result, Status
from maildoctor.finding import Severity, Stage
from maildoctor.postfix.service import Service

PATH = [stage for stage in Stage if stage is not Stage.HYGIENE]
BEFORE_VERIFIER = (Stage.INSTALLED, Stage.LISTENING, Stage.OFFERED, Stage.CONFIGURED, Stage.REACHABLE)


class State(enum.StrEnum):
    """How one stage of one service stands."""

    OK = "ok"
    BROKEN = "broken"
    NOT_REACHED = "not-reached"
    """A login ends before it, so that nobody can say."""
    UNKNOWN = "unknown"
    """Could not be looked at, or not wholly."""
    OFF = "off"
    """This service offers no AUTH, and nothing says that it should."""


class LoginPath(NamedTuple):
    """One service's row of stages; ``by_reading`` says that no running host stood behind it."""

    service: Service
    stages: Mapping[Stage, State]
    by_reading: bool
    verifiers: tuple[str, ...] = ()
    """Who verifies the passwords, in the order of trial: ``saslauthd``, ``sasldb``, ``dovecot``."""


def lay(
    service: Service, meant: bool, results: Iterable[Result], live: bool, verifiers: tuple[str, ...] = ()
) -> LoginPath:
    """Lay the ``results`` of all checks along the path of ``service``.

    ``meant`` says whether people are meant to log in there.
    """
    if not meant:
        return LoginPath(service, dict.fromkeys(PATH, State.OFF), not live)
    concerning = [result for result in results if result.service in (None, service.name)]
    stages: dict[Stage, State] = {}
    for stage in PATH:
        stages[stage] = _state(stage, service, concerning)
    if any(stages[stage] is State.BROKEN for stage in BEFORE_VERIFIER) and (
        stages[Stage.VERIFYING] is State.OK
    ):
        stages[Stage.VERIFYING] = State.NOT_REACHED
    return LoginPath(service, stages, not live, verifiers)


def _state(stage: Stage, service: Service, results: list[Result]) -> State:
    for result in results:
        for finding in result.findings:
            stops = finding.severity is Severity.ERROR and finding.stage is stage
            if stops and (not finding.services or service.name in finding.services):
                return State.BROKEN
    at_stage = [result for result in results if result.check.stage is stage]
    if any(unanswered(result) for result in at_stage):
        return State.UNKNOWN
    return State.OK


def unanswered(result: Result) -> bool:
    """Tell whether a check could not look; what only a running host can answer is not missed elsewhere."""
    return result.status is Status.CRASHED or (result.status is Status.SKIPPED and not result.check.live)

"""Mends root causes: which remedies are taken, doing them, and looking whether they helped.

A repair stays unless its own finding remains or a login that answered before is broken now: stacked faults
would undo each other otherwise.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from maildoctor.diagnosis import Diagnosis
from maildoctor.finding import Finding
from maildoctor.remedy import Action, Option, ReloadUnit, RestartUnit, Safety
from maildoctor.remedy.engine import Repair
from maildoctor.remedy.plan import Step, arrange, contradictions
from maildoctor.remedy.record import Status
from maildoctor.remedy.site import Site
from maildoctor.remedy.trouble import RepairFailed, StepFailed

SETTLING_SECONDS = 12.0
"""How long a daemon may take until what depends on it looks well."""


class Heard(NamedTuple):
    """What a login with a made-up user shows on one service."""

    testimony: str
    """``broken``, ``answers``, ``alarm``, ``not-offered``, ``unknown``."""
    silent: bool = False
    """Whether the server did not even greet."""
    summary: str = ""


Witnesses = Mapping[str, Heard]
"""By the services' names."""


class Proposal(NamedTuple):
    """A root cause, and the one of its remedy's options that is to be taken."""

    finding: Finding
    option: Option

    @property
    def code(self) -> str:
        """Give the finding's code."""
        return self.finding.code


@dataclass(slots=True)
class Outcome:
    """What came of all rounds of a run."""

    run: str | None = None
    """The id for undo; None where nothing was changed for good."""
    mended: list[str] = field(default_factory=list)
    taken_back: dict[str, str] = field(default_factory=dict)
    """Codes, each with the reason."""
    problems: list[str] = field(default_factory=list)
    """What could not be brought back, a line each."""
    interrupted: bool = False
    heard: Witnesses = field(default_factory=dict)
    """What the last look with a made-up user showed."""


def propose(
    diagnosis: Diagnosis, accepted: Mapping[str, str | None], only: Collection[str] = ()
) -> tuple[list[Proposal], list[Finding]]:
    """Divide root causes into those to be mended, and those that somebody must decide on.

    ``accepted`` are the admin's choices: codes, each with an option's name or None for the first. What is
    only worth knowing is mended if it was accepted by its code. Raises RepairFailed for an unknown option.
    """
    taken: list[Proposal] = []
    open_: list[Finding] = []
    wanted = [each for each in diagnosis.information if each.code in accepted]
    for finding in (*diagnosis.root_causes, *wanted):
        if only and finding.code not in only:
            continue
        option = _option(finding, accepted)
        if option is None:
            open_.append(finding)
        else:
            taken.append(Proposal(finding, option))
    refused = contradictions((each.code, each.option.actions) for each in taken)
    open_ += [each.finding for each in taken if each.code in refused]
    return [each for each in taken if each.code not in refused], open_


def _option(finding: Finding, accepted: Mapping[str, str | None]) -> Option | None:
    options = finding.remedy.options
    if not options or finding.remedy.safety is Safety.MANUAL:
        return None
    if finding.code not in accepted:
        return options[0] if finding.remedy.safety is Safety.SAFE else None
    name = accepted[finding.code]
    if name is None:
        return options[0]
    for option in options:
        if option.name == name:
            return option
    names = ", ".join(option.name for option in options)
    raise RepairFailed(f"{finding.code} has no option {name!r}; it has: {names}")


def steps_of(proposals: Iterable[Proposal], *, silent: bool = False) -> tuple[Step, ...]:
    """Give the steps in an order that works.

    Where a service is ``silent``, master throttles it: a restart of Postfix lifts that, a reload does not.
    """
    return arrange(
        (each.code, tuple(_restarting(action) if silent else action for action in each.option.actions))
        for each in proposals
    )


def _restarting(action: Action) -> Action:
    return RestartUnit("postfix") if action == ReloadUnit("postfix") else action


class Mending:
    """One run of repairs on a host, in rounds; the caller holds the lock."""

    def __init__(
        self,
        site: Site,
        before: Diagnosis,
        look: Callable[[], Diagnosis],
        listen: Callable[[], Witnesses],
    ) -> None:
        """Begin with the diagnosis ``before``; ``look`` gives a fresh one, ``listen`` tries to log in."""
        self.site = site
        self.look = look
        self.listen = listen
        self.now = before
        self.outcome = Outcome()
        self._first = listen()
        self._kept: list[Proposal] = []
        self._repair: Repair | None = None

    def steps(self, proposals: Iterable[Proposal]) -> tuple[Step, ...]:
        """Give the steps of the next round."""
        silent = any(each.silent for each in self._first.values())
        return steps_of(proposals, silent=silent or is_throttled(self.now))

    def mend(self, proposals: list[Proposal]) -> None:
        """Repair, look again, and take back what did not help. Never raises RepairFailed."""
        try:
            self._repair = self._repair or Repair(self.site)
            causes = [{"code": each.code, "summary": each.finding.summary} for each in proposals]
            self._repair.mean(causes)
            self._kept = self._until_all_helps(self._repair, proposals)
        except RepairFailed as error:
            self.outcome.taken_back |= {each.code: str(error) for each in proposals}
        except BaseException as error:
            self._kept = []
            self._take_back()
            if not isinstance(error, KeyboardInterrupt):
                raise
            self.outcome.interrupted = True

    def end(self) -> Outcome:
        """End the run; give what came of it."""
        outcome, repair = self.outcome, self._repair
        outcome.mended = [each.code for each in self._kept]
        if repair is None:
            return outcome
        if not outcome.problems:
            repair.end(Status.DONE if self._kept else Status.TAKEN_BACK, outcome.mended)
        # With problems it is neither of the two whole states: an interrupted run, which undo can finish.
        outcome.run = repair.journal.name if self._kept or outcome.problems else None
        return outcome

    def _until_all_helps(self, repair: Repair, proposals: list[Proposal]) -> list[Proposal]:
        """Repair with fewer and fewer proposals until each that is left has helped; give all that stay."""
        due, wanted, seen = proposals, [*self._kept, *proposals], self.now
        while wanted:
            useless = self._apply(repair, due) or self._judge(wanted, seen)
            if not useless:
                return wanted
            self.outcome.taken_back |= useless
            if not self._take_back():
                return []
            due = wanted = [each for each in wanted if each.code not in useless]
        self.now = self.look()
        return []

    def _apply(self, repair: Repair, proposals: list[Proposal]) -> dict[str, str]:
        """Do it; give the codes of what could not be done, with the reason."""
        try:
            repair.apply(self.steps(proposals))
        except StepFailed as error:
            return dict.fromkeys(error.codes, str(error))
        return {}

    def _judge(self, proposals: list[Proposal], seen: Diagnosis) -> dict[str, str]:
        """Look again; give the codes of what did not help, with the reason."""
        end = time.monotonic() + SETTLING_SECONDS
        while remaining := self._remaining(proposals, seen):
            if time.monotonic() > end:
                return dict.fromkeys(remaining, "the finding is still there after the repair")
            time.sleep(1)
        heard = self.outcome.heard = self.listen()
        for name, now in heard.items():
            then = self._first.get(name)
            if (now.testimony == "broken" and then and then.testimony == "answers") or (
                now.testimony == "alarm" and not (then and then.testimony == "alarm")
            ):
                reason = f"the login on {name} became worse: {now.summary}"
                return dict.fromkeys((each.code for each in proposals), reason)
        return {}

    def _remaining(self, proposals: list[Proposal], seen: Diagnosis) -> list[str]:
        self.now = self.look()
        known = {(each.code, each.subject) for each in _all(seen)}
        mended = {(each.code, each.finding.subject): each.finding.severity for each in proposals}
        weights = {each.code: each.finding.severity for each in proposals}
        still = []
        for found in _all(self.now):
            place = (found.code, found.subject)
            # A subject that nobody named before is the same fault under another name.
            same = place in mended or (found.code in weights and place not in known)
            if same and found.severity >= mended.get(place, weights[found.code]):
                still.append(found.code)
        return sorted(set(still))

    def _take_back(self) -> bool:
        """Bring everything back; tell whether all of it could be."""
        with _undisturbed():
            problems = self._repair.take_back() if self._repair else []
        self.outcome.problems += problems
        return not problems


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let nobody interrupt what brings the host back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def is_throttled(diagnosis: Diagnosis) -> bool:
    """Tell whether master has been seen holding a service back."""
    return any(each.code == "service-throttled" for each in _all(diagnosis))


def _all(diagnosis: Diagnosis) -> list[Finding]:
    return [*diagnosis.root_causes, *diagnosis.consequences, *diagnosis.information]

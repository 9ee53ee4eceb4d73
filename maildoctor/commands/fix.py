"""``maildoctor check --fix``: diagnose, show the plan, ask, repair, look again, and say what is left.

Nothing is changed before the plan was shown and somebody, at the prompt or by ``--yes``, agreed to it.
"""

import os
import signal
import sys
from dataclasses import dataclass, field

from maildoctor.check import all_checks
from maildoctor.commands import ExitStatus, WrongUsage, asking
from maildoctor.commands.check import CheckOptions, exit_status, system_of
from maildoctor.commands.made_up_login import Listener
from maildoctor.commands.output import report_stream
from maildoctor.diagnosis import Diagnosis, UnknownName, diagnose
from maildoctor.finding import Finding
from maildoctor.host import LiveHost
from maildoctor.mending import (
    Mending,
    Outcome,
    Proposal,
    is_throttled,
    propose,
    steps_of,
)
from maildoctor.remedy import Safety
from maildoctor.remedy.journal import records
from maildoctor.remedy.plan import Step
from maildoctor.remedy.preview import PreviewedStep, preview
from maildoctor.remedy.record import Record, Status
from maildoctor.remedy.site import Site
from maildoctor.remedy.trouble import ChangedSince, RepairFailed
from maildoctor.report import plan_text
from maildoctor.report.ink import Line, write

ROUNDS = 5
"""A repair may uncover what it hid; no host has hidden more behind one another."""
WANTED = "login-service-wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixOptions:
    """What was asked for on the command line."""

    check: CheckOptions
    yes: bool = False
    dry_run: bool = False
    accept: tuple[str, ...] = ()
    user: str | None = None


@dataclass(slots=True)
class Course:
    """What happened, for the report."""

    before: Diagnosis
    after: Diagnosis
    status: str = "nothing-to-do"
    proposals: list[Proposal] = field(default_factory=list)
    steps: list[PreviewedStep] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)
    interrupted: Record | None = None
    undone: list[str] = field(default_factory=list)


def run(options: FixOptions) -> ExitStatus:
    """Repair this host. Raises WrongUsage."""
    if options.check.root is not None:
        raise WrongUsage("--fix repairs this host; with --root there is nothing to repair")
    if os.geteuid() != 0 and not options.dry_run:
        raise WrongUsage("--fix needs root; `--fix --dry-run` shows what it would do")
    from maildoctor.remedy.lock import locked

    site = Site(system_of(LiveHost()), password=asking.password)
    fix = _Fix(options, site)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # A closed terminal is no reason to leave a host half repaired.
        signal.signal(number, signal.default_int_handler)
    try:
        if options.dry_run:
            return fix.dry_run()
        with locked(site):
            return fix.repair()
    except RepairFailed as error:
        raise WrongUsage(str(error)) from error


class _Fix:
    """One call of the command."""

    def __init__(self, options: FixOptions, site: Site) -> None:
        self.options = options
        self.site = site
        self.accepted = _accepted(options.accept)
        _known((*self.accepted, *options.check.only))
        if options.check.auth:
            # Saying who verifies passwords, where nobody can log in yet, is the choice to open a service.
            self.accepted.setdefault(WANTED, None)
        self.asking = not options.yes and not options.check.as_json and asking.is_possible()
        self.declined: set[tuple[str, str]] = set()
        self.listener = Listener(options.check.service)

    def dry_run(self) -> ExitStatus:
        """Show the plan."""
        course = self._begin()
        proposals, _ = self._propose(course.before)
        course.proposals = proposals
        course.steps = [*preview(self.site, _steps(proposals, course.before))]
        course.status = "dry-run" if proposals else "nothing-to-do"
        self._show(plan_text.plan(proposals, course.steps))
        return self._report(course)

    def repair(self) -> ExitStatus:
        """Repair in rounds, since mending one fault may show another."""
        course = self._begin()
        if course.interrupted and not self._undo_interrupted(course):
            return self._report(course)
        proposals, _ = self._propose(course.before)
        if not proposals and not self._choices(course.before):
            return self._report(course)
        if not (self.options.yes or self.asking):
            course.proposals = proposals
            course.steps = [*preview(self.site, _steps(proposals, course.before))]
            course.status = "needs-yes"
            self._show(plan_text.plan(proposals, course.steps))
            return self._report(course)
        self._rounds(course)
        return self._report(course)

    def _rounds(self, course: Course) -> None:
        self._say("trying to log in with a made-up user, to compare afterwards ...")
        mending = Mending(self.site, course.before, self._look, self.listener.listen)
        try:
            for _ in range(ROUNDS):
                proposals = self._agreed(mending, course)
                if not proposals:
                    break
                self._say("repairing, and looking whether it helped ...")
                mending.mend(proposals)
                self.declined |= {(each.code, each.finding.subject) for each in proposals}
                if mending.outcome.interrupted or mending.outcome.problems:
                    break
        except KeyboardInterrupt:
            # At a prompt: what was mended before stays.
            mending.outcome.interrupted = True
        finally:
            course.outcome, course.after = mending.end(), mending.now
        course.status = _status(course)

    def _agreed(self, mending: Mending, course: Course) -> list[Proposal]:
        """Show the next round's plan and ask; give what is to be done."""
        if self.asking:
            self._ask_choices(mending.now)
        proposals, _ = self._propose(mending.now)
        if not proposals:
            return []
        steps = preview(self.site, mending.steps(proposals))
        self._show(plan_text.plan(proposals, steps))
        if self.asking:
            agreed = asking.which_repairs(proposals)
            self.declined |= {(e.code, e.finding.subject) for e in proposals if e not in agreed}
            if agreed != proposals:
                proposals, steps = agreed, preview(self.site, mending.steps(agreed))
        course.proposals += proposals
        course.steps += steps
        return proposals

    def _begin(self) -> Course:
        try:
            diagnosis = self._look()
        except UnknownName as error:
            raise WrongUsage(str(error)) from error
        course = Course(diagnosis, diagnosis)
        if os.geteuid() == 0:
            course.interrupted = next((r for r in records(self.site) if r.status is Status.INTERRUPTED), None)
        return course

    def _look(self) -> Diagnosis:
        host = LiveHost()
        host.intended = self.options.check.auth
        host.intended_user = self.options.user
        return diagnose(host, skip=self.options.check.skip, service=self.options.check.service)

    def _propose(self, diagnosis: Diagnosis) -> tuple[list[Proposal], list[Finding]]:
        taken, left = propose(diagnosis, self.accepted, self.options.check.only)
        return [each for each in taken if (each.code, each.finding.subject) not in self.declined], left

    def _choices(self, diagnosis: Diagnosis) -> list[Finding]:
        """Give the findings on which the admin can be asked to choose."""
        if not self.asking:
            return []
        _, left = self._propose(diagnosis)
        return [
            each
            for each in left
            if each.remedy.safety is Safety.CHOICE and (each.code, each.subject) not in self.declined
        ]

    def _ask_choices(self, diagnosis: Diagnosis) -> None:
        for finding in self._choices(diagnosis):
            self._show(plan_text.choice(finding, self.site.system))
            if name := asking.which_option([option.name for option in finding.remedy.options]):
                self.accepted[finding.code] = name
            else:
                self.declined.add((finding.code, finding.subject))

    def _undo_interrupted(self, course: Course) -> bool:
        """Take back a run that was killed, before anything else; tell whether to go on."""
        from maildoctor.remedy.engine import undo

        assert course.interrupted
        course.status = "interrupted"
        self._show(plan_text.interrupted(course.interrupted))
        agreed = self.options.yes or (self.asking and asking.agrees("Take it back now"))
        if not agreed:
            return False
        try:
            course.outcome.problems = undo(self.site, course.interrupted.id)
        except ChangedSince as error:
            course.outcome.problems = [str(error)]
        if course.outcome.problems:
            return False
        course.undone.append(course.interrupted.id)
        course.status = "nothing-to-do"
        course.before = course.after = self._look()
        return True

    def _left(self, after: Diagnosis) -> list[Finding]:
        """Give what waits for the admin: choices, and what was declined or did not help."""
        _, left = propose(after, {}, self.options.check.only)
        refused = [each for each in after.root_causes if (each.code, each.subject) in self.declined]
        return [*left, *(each for each in refused if each not in left)]

    def _say(self, text: str) -> None:
        if not self.options.check.quiet:
            print(f"maildoctor: {text}", file=sys.stderr, flush=True)

    def _show(self, lines: list[Line]) -> None:
        if self.asking or not (self.options.check.as_json or self.options.check.quiet):
            write(lines, self.options.check.colour)
            sys.stdout.flush()

    def _report(self, course: Course) -> ExitStatus:
        left = self._left(course.after)
        with report_stream(self.options.check.output) as stream:
            if self.options.check.as_json:
                from maildoctor.report import plan_json

                stream.write(plan_json.render(course, left, self.site.system))
            else:
                write(plan_text.result(course, left, self.site.system), self.options.check.colour, stream)
        if course.outcome.interrupted:
            return ExitStatus.INTERRUPTED
        if course.outcome.problems or course.outcome.taken_back or course.status == "interrupted":
            return ExitStatus.FOUND
        return exit_status(course.after, self.options.check.fail_on)


def _steps(proposals: list[Proposal], diagnosis: Diagnosis) -> tuple[Step, ...]:
    return steps_of(proposals, silent=is_throttled(diagnosis))


def _status(course: Course) -> str:
    outcome = course.outcome
    if outcome.problems:
        return "interrupted"
    if outcome.taken_back:
        return "partly-mended" if outcome.mended else "taken-back"
    return "mended" if outcome.mended else "declined"


def _known(codes: tuple[str, ...]) -> None:
    """Raise WrongUsage for a code that no check has."""
    unknown = set(codes) - {each.code for each in all_checks()}
    if unknown:
        raise WrongUsage(f"no check is named {min(unknown)!r}; `maildoctor checks` lists them")


def _accepted(words: tuple[str, ...]) -> dict[str, str | None]:
    accepted: dict[str, str | None] = {}
    for word in words:
        code, equals, option = word.partition("=")
        accepted[code] = option if equals else None
    return accepted

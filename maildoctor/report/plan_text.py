"""A plan, and what came of it, for people."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from maildoctor.finding import Finding
from maildoctor.remedy import Safety, System
from maildoctor.remedy.difference import masked
from maildoctor.report.check_text import VERDICT_STYLE, headline
from maildoctor.report.ink import Line

if TYPE_CHECKING:
    from maildoctor.commands.fix import Course
    from maildoctor.mending import Proposal
    from maildoctor.remedy.preview import PreviewedStep
    from maildoctor.remedy.record import Record

DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def plan(proposals: "Sequence[Proposal]", steps: "Iterable[PreviewedStep]") -> list[Line]:
    """Give each root cause with its commands and what they change; a shared step stands under the first."""
    lines: list[Line] = []
    shown: set[str] = set()
    steps = list(steps)
    for number, proposal in enumerate(proposals, 1):
        finding, option = proposal.finding, proposal.option
        lines += [[(f"{number}  ", "bold"), (finding.code, "bold")], [(f"   {finding.summary}", "")]]
        if option.meaning:
            lines.append([(f"   {option.name}: ", "bold"), (option.meaning, "")])
        for step in steps:
            if finding.code in step.codes:
                lines += _step(step, again=step.command in shown)
                shown.add(step.command)
        lines.append([])
    return lines


def _step(step: "PreviewedStep", *, again: bool) -> list[Line]:
    note = "  (once, as above)" if again else ""
    lines: list[Line] = [[("   $ ", "dim"), (step.command, "bold"), (note, "dim")]]
    if again:
        return lines
    lines += [[("       ", ""), (text, DIFF_STYLES.get(text[:1], "dim"))] for text in step.changes]
    if step.trouble:
        lines.append([("       cannot be shown beforehand: ", "yellow"), (step.trouble, "")])
    return lines


def choice(finding: Finding, system: System) -> list[Line]:
    """Give the ways in which a finding can be mended, numbered, and what each means."""
    lines: list[Line] = [[(finding.code, "bold")], [(f"   {finding.summary}", "")]]
    for number, option in enumerate(finding.remedy.options, 1):
        lines.append([(f"   {number}  {option.name}: ", "bold"), (option.meaning, "")])
        lines += [[("        $ ", "dim"), (masked(text), "bold")] for text in option.commands(system)]
    if finding.remedy.notes:
        lines.append([(f"   {finding.remedy.notes}", "")])
    return lines


def interrupted(record: "Record") -> list[Line]:
    """Say that a run was killed, and what it was about."""
    lines: list[Line] = [
        [(f"The repair {record.id} of {when(record)} was interrupted and is half done.", "bold yellow")]
    ]
    lines += [[(f"   {each['code']}: {each['summary']}", "")] for each in record.causes]
    return lines


def result(course: "Course", left: Sequence[Finding], system: System) -> list[Line]:
    """Say what was done, what was taken back, what is left, and what only a real user can prove."""
    lines = [*_done(course), *_left(course, left, system)]
    verdict = course.after.verdict
    if course.status != "dry-run":
        lines += [[(verdict.upper(), VERDICT_STYLE[verdict]), (f"  {headline(course.after)}", "")]]
    if course.outcome.mended:
        lines += [
            [(f"`maildoctor undo {course.outcome.run}` takes this back.", "dim")],
            [("That a real user can log in only a real user proves: `maildoctor probe --user NAME`.", "dim")],
        ]
    return lines


def _done(course: "Course") -> list[Line]:
    outcome = course.outcome
    lines: list[Line] = [[(f"Taken back: the interrupted repair {name}.", "")] for name in course.undone]
    lines += [[("Mended: ", "green"), (code, "bold")] for code in outcome.mended]
    for code, reason in outcome.taken_back.items():
        lines.append([("Not mended, and taken back: ", "yellow"), (code, "bold"), (f": {reason}", "")])
    lines += [[("Could not be brought back: ", "bold red"), (text, "")] for text in outcome.problems]
    if outcome.problems:
        lines.append([("`maildoctor undo` tries again.", "bold")])
    said = {
        "nothing-to-do": "There is nothing to repair.",
        "dry-run": "A dry run: nothing was changed.",
        "declined": "Nothing was changed.",
        "needs-yes": "Nothing was changed: nobody can be asked here. `--yes` takes every safe repair.",
    }.get(course.status)
    if course.status == "interrupted" and not outcome.problems:
        said = "Nothing was changed. `maildoctor undo` takes the interrupted repair back."
    return [*lines, [(said, "")]] if said else lines


def _left(course: "Course", left: Sequence[Finding], system: System) -> list[Line]:
    lines: list[Line] = []
    for finding in left:
        if finding.code in course.outcome.taken_back:
            continue
        remedy = finding.remedy
        lines.append([("Left to you: ", "yellow"), (finding.code, "bold"), (f": {finding.summary}", "")])
        if remedy.safety is Safety.CHOICE:
            for option in remedy.options:
                lines.append(
                    [(f"   --accept {finding.code}={option.name}", "bold"), (f"  {option.meaning}", "")]
                )
        elif remedy.notes:
            lines.append([(f"   {remedy.notes}", "")])
    return lines


def history(records: "Sequence[Record]", *, whole: bool = True) -> list[Line]:
    """Give the runs, the latest first: when, why, what, and how each stands."""
    if not records:
        return [[("Nothing has been repaired here.", "")]]
    lines: list[Line] = []
    for record in records:
        lines.append([(record.id, "bold"), (f"  {when(record)}  {record.status}", "")])
        lines += [[(f"   {each['code']}: {each['summary']}", "")] for each in record.causes]
        lines += [[("     $ ", "dim"), (masked(command), "")] for command in record.commands]
    return lines


def when(record: "Record") -> str:
    """Give a run's beginning in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.time)) if record.time else "unknown time"

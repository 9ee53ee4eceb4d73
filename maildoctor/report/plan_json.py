"""A plan, and what came of it, as JSON: the contract is ``plan.schema.json`` beside this file."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from maildoctor.finding import Finding
from maildoctor.remedy import System
from maildoctor.remedy.difference import masked

if TYPE_CHECKING:
    from maildoctor.commands.fix import Course
    from maildoctor.mending import Proposal
    from maildoctor.remedy.record import Record

SCHEMA_VERSION = 1


def render(course: "Course", left: Sequence[Finding], system: System) -> str:
    """Give what ``check --fix`` did or would do."""
    # Escaped to ASCII, so that no byte of the host's data reaches the terminal as it is.
    return json.dumps(document(course, left, system), indent=2) + "\n"


def document(course: "Course", left: Sequence[Finding], system: System) -> dict[str, Any]:
    """Give the same as plain values, in the shape of the schema."""
    outcome = course.outcome
    return {
        "schema_version": SCHEMA_VERSION,
        "status": course.status,
        "verdict_before": str(course.before.verdict),
        "verdict_after": str(course.after.verdict),
        "run": outcome.run,
        "interrupted_run": course.interrupted.id if course.interrupted else None,
        "plan": [_proposal(each, system) for each in course.proposals],
        "steps": [
            {
                "command": step.command,
                "codes": list(step.codes),
                "changes": list(step.changes),
                "trouble": step.trouble or None,
            }
            for step in course.steps
        ],
        "mended": outcome.mended,
        "taken_back": [{"code": code, "reason": reason} for code, reason in outcome.taken_back.items()],
        "problems": outcome.problems,
        "left": [_left(each, system) for each in left],
        "witnesses": {
            name: {"testimony": heard.testimony, "summary": heard.summary}
            for name, heard in outcome.heard.items()
        },
    }


def _proposal(proposal: "Proposal", system: System) -> dict[str, Any]:
    finding, option = proposal.finding, proposal.option
    return {
        "code": finding.code,
        "subject": finding.subject,
        "services": list(finding.services),
        "summary": finding.summary,
        "safety": str(finding.remedy.safety),
        "option": option.name,
        "meaning": option.meaning,
        "commands": [masked(text) for text in option.commands(system)],
    }


def _left(finding: Finding, system: System) -> dict[str, Any]:
    return {
        "code": finding.code,
        "subject": finding.subject,
        "severity": str(finding.severity),
        "summary": finding.summary,
        "safety": str(finding.remedy.safety),
        "options": [
            {
                "name": option.name,
                "meaning": option.meaning,
                "commands": [masked(text) for text in option.commands(system)],
            }
            for option in finding.remedy.options
        ],
        "notes": finding.remedy.notes,
    }


def history(records: "Sequence[Record]") -> str:
    """Give the runs, the latest first."""
    runs = [
        {
            "id": record.id,
            "time": record.time,
            "status": str(record.status),
            "causes": record.causes,
            "commands": [masked(command) for command in record.commands],
        }
        for record in records
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "runs": runs}, indent=2) + "\n"

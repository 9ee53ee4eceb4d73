"""A diagnosis as JSON: the contract, published as ``check.schema.json`` in this package."""

import json
from typing import Any

from maildoctor.check import Result
from maildoctor.diagnosis import Diagnosis
from maildoctor.finding import Finding
from maildoctor.login_path import LoginPath
from maildoctor.remedy import Remedy, System
from maildoctor.secret import masked

SCHEMA_VERSION = 1


def render(diagnosis: Diagnosis, system: System) -> str:
    """Give the whole diagnosis; commands are those of this ``system``."""
    # Escaped to ASCII, so that no byte of the host's data reaches the terminal as it is.
    return json.dumps(document(diagnosis, system), indent=2) + "\n"


def document(diagnosis: Diagnosis, system: System) -> dict[str, Any]:
    """Give the diagnosis as plain values, in the shape of the schema."""
    present = [finding.code for finding in diagnosis.consequences]
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": str(diagnosis.verdict),
        "services": [_path(path) for path in diagnosis.paths],
        "root_causes": [_finding(each, system, present) for each in diagnosis.root_causes],
        "consequences": [_finding(each, system, present) for each in diagnosis.consequences],
        "information": [_finding(each, system, present) for each in diagnosis.information],
        "results": [_result(result) for result in diagnosis.results],
        "unjudged": [{"reason": each.reason, "codes": list(each.codes)} for each in diagnosis.unjudged],
    }


def _path(path: LoginPath) -> dict[str, Any]:
    service = path.service
    return {
        "name": service.name,
        "port": service.port,
        "address": service.address,
        "chroot": service.chroot,
        "stages": {str(stage): str(state) for stage, state in path.stages.items()},
        "by_reading": path.by_reading,
    }


def _finding(finding: Finding, system: System, present: list[str]) -> dict[str, Any]:
    return {
        "code": finding.code,
        "stage": str(finding.stage),
        "services": list(finding.services),
        "severity": str(finding.severity),
        "impact": finding.impact.name.lower().replace("_", "-"),
        "subject": finding.subject,
        "summary": finding.summary,
        "expected": finding.expected,
        "found": finding.found,
        "evidence": [{"source": each.source, "text": each.text} for each in finding.evidence],
        "proof": finding.proof,
        "remedy": _remedy(finding.remedy, system),
        "explains": [code for code in dict.fromkeys(finding.explains) if code in present],
    }


def _remedy(remedy: Remedy, system: System) -> dict[str, Any]:
    options = [
        {
            "name": option.name,
            "meaning": masked(option.meaning),
            "commands": [masked(command) for command in option.commands(system)],
        }
        for option in remedy.options
    ]
    return {
        "safety": str(remedy.safety),
        "options": options,
        "commands": [masked(command) for command in remedy.commands(system)],
        "notes": masked(remedy.notes),
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "code": result.check.code,
        "service": result.service,
        "status": str(result.status),
        "reason": result.reason,
    }

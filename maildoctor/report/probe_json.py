"""What a probe found as JSON: the contract, published as ``probe.schema.json`` in this package."""

import json
from datetime import UTC, datetime
from typing import Any

from maildoctor.probe.certificate import Certificate
from maildoctor.probe.result import Phase, ProbeResult, Verdict
from maildoctor.report.sanitise import visible

SCHEMA_VERSION = 1


def render(verdict: Verdict, results: list[ProbeResult], reason: str | None = None) -> str:
    """Give everything that was found; ``reason`` says why there is nothing."""
    return json.dumps(document(verdict, results, reason, datetime.now(UTC)), indent=2) + "\n"


def document(
    verdict: Verdict, results: list[ProbeResult], reason: str | None, now: datetime
) -> dict[str, Any]:
    """Give plain values in the shape of the schema. ``now`` decides whether a certificate is expired."""
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": str(verdict),
        "reason": reason and visible(reason),
        "targets": [_target(result, now) for result in results],
    }


def _target(result: ProbeResult, now: datetime) -> dict[str, Any]:
    target = result.target
    return {
        "service": target.service or None,
        "host": visible(target.host),
        "port": target.port,
        "tls": str(target.tls),
        "verdict": str(result.verdict),
        "alarm": result.alarm,
        "stage": next((str(phase.judged.stage) for phase in result.failures), None),
        "user": visible(result.user),
        "made_up": result.made_up,
        "phases": [_phase(phase) for phase in result.phases],
        "offered_before_tls": _names(result.offered_before_tls),
        "offered_after_tls": _names(result.offered_after_tls),
        "tls_version": result.tls_version,
        "certificate": result.certificate and _certificate(result.certificate, target.name, now),
        "transcript": [
            {"who": str(line.who), "text": visible(line.text), "note": visible(line.note)}
            for line in result.transcript
        ],
    }


def _phase(phase: Phase) -> dict[str, Any]:
    judged = phase.judged
    reply = judged.reply
    return {
        "phase": str(phase.step),
        "mechanism": phase.mechanism and visible(phase.mechanism),
        "outcome": str(judged.outcome),
        "summary": visible(judged.summary),
        "reply": reply and {"code": reply.code, "text": [visible(line) for line in reply.text.split("\n")]},
        "stage": judged.stage and str(judged.stage),
        "seconds": round(phase.seconds, 3),
    }


def _certificate(certificate: Certificate, name: str | None, now: datetime) -> dict[str, Any]:
    return {
        "subject": visible(certificate.subject),
        "issuer": visible(certificate.issuer),
        "names": [visible(each) for each in certificate.names],
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "self_signed": certificate.self_signed,
        "expired": certificate.expired(now),
        "not_yet_valid": certificate.not_yet_valid(now),
        "expected_name": name and visible(name),
        "names_host": certificate.names_host(name) if name else None,
    }


def _names(mechanisms: tuple[str, ...] | None) -> list[str] | None:
    return None if mechanisms is None else [visible(name) for name in mechanisms]

"""What a log says, as JSON: the contract, published as ``log.schema.json`` in this package."""

import json
from typing import Any

from maildoctor.maillog.incident import Incident, Judgement, Names, sample
from maildoctor.maillog.scan import Reading
from maildoctor.report.sanitise import visible

SCHEMA_VERSION = 1
TOP_LISTS = "Misra and Gries, in batches: counts of clients and users are at most 'count_error' too small"


def render(judgement: Judgement, reading: Reading, sources: list[str], repeated: int = 0) -> str:
    """Give the whole answer; pure ASCII, so that no byte of the log reaches a terminal as it is."""
    return json.dumps(document(judgement, reading, sources, repeated), indent=2) + "\n"


def document(judgement: Judgement, reading: Reading, sources: list[str], repeated: int = 0) -> dict[str, Any]:
    """Give the answer as plain values, in the shape of the schema.

    ``repeated`` lines stood in several sources and were read once.
    """
    ledger = reading.ledger
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": str(judgement.verdict),
        "summary": judgement.headline,
        "period": {"first": judgement.first or None, "last": judgement.last or None},
        "sources": [visible(name) for name in sources],
        "unreadable": [
            {"source": visible(name), "reason": visible(why)}
            for name, why in sorted(reading.problems.items())
        ],
        "interrupted": reading.interrupted,
        "totals": {
            "lines": ledger.lines,
            "failed": ledger.failed or ledger.verifier_failed,
            "logins": ledger.logins,
            "probes": ledger.probes,
            "repeated_lines": repeated,
        },
        "top_lists": TOP_LISTS,
        "incidents": [_incident(each) for each in judgement.incidents],
        "unknown_messages": [
            {"message": visible(shape), "count": count, "sample": sample(line)}
            for shape, (count, line) in sorted(
                ledger.unknown.items(), key=lambda item: (-item[1][0], item[0])
            )
        ],
    }


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "code": incident.code,
        "side": incident.side,
        "kind": str(incident.kind),
        "stage": str(incident.stage),
        "summary": incident.summary,
        "causes": [
            {
                "code": cause.code,
                "summary": cause.summary,
                "told_apart_by": cause.told_apart_by,
                "remedy": cause.remedy,
            }
            for cause in incident.causes
        ],
        "attempts": incident.attempts,
        "first": incident.first or None,
        "last": incident.last or None,
        "logins_since": incident.logins_since,
        "confirmed_by_check": incident.confirmed,
        "uncertain": incident.uncertain,
        "services": _counts(incident.services),
        "clients": _counts(incident.clients),
        "users": _counts(incident.users),
        "mechanisms": _counts(incident.mechanisms),
        "distinct_addresses": incident.addresses,
        "distinct_users": incident.names,
        "count_error": incident.error,
        "samples": list(incident.samples),
    }


def _counts(names: Names) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in names:
        counts[name] = counts.get(name, 0) + count
    return counts

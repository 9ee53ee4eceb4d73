"""Logs of people who asked for help, with what turned out to be wrong.

``python -m tests.maillog.test_field_cases`` prints the table: right, candidate, wrong, no answer.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.maillog.lines import FIXTURES, judged

CASES = json.loads((FIXTURES / "field-cases.json").read_text(encoding="utf-8"))


def answer(case: dict[str, Any]) -> tuple[str, str]:
    """Give how well the first incident answers a case, and its likeliest cause."""
    incidents = judged(case["lines"]).incidents
    if not incidents:
        return "no answer", "-"
    first = incidents[0]
    if first.code in case["expected"]:
        return "right", first.code
    others = {cause.code for cause in first.causes}
    return ("candidate" if others & set(case["expected"]) else "wrong"), first.code


def table() -> Iterator[tuple[str, bool, str, str]]:
    """Yield case, whether its cause was confirmed, the mark, and the likeliest cause."""
    for case in CASES:
        mark, code = answer(case)
        yield case["case"], case["confirmed"], mark, code


def test_confirmed_cases_are_answered_rightly_or_with_the_right_candidate() -> None:
    bad = [row for row in table() if row[1] and row[2] not in ("right", "candidate")]
    assert not bad


def test_most_cases_are_answered() -> None:
    marks = Counter(mark for _, _, mark, _ in table())
    assert marks["right"] + marks["candidate"] >= 0.95 * len(CASES)
    assert marks["right"] >= 0.5 * len(CASES)


if __name__ == "__main__":
    rows = list(table())
    for name, sure, mark, code in rows:
        print(f"{name:<48} {'confirmed' if sure else 'plausible':<10} {mark:<10} {code}")
    for sure in (True, False):
        print("confirmed" if sure else "plausible", dict(Counter(row[2] for row in rows if row[1] is sure)))

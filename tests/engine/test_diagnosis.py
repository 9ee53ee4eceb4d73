"""Root causes and consequences: what explains what, and what comes first."""

from dataclasses import replace

import pytest

from maildoctor.diagnosis import merged, separate
from maildoctor.finding import Finding, Impact, Severity, Stage


def finding(code: str, *services: str, explains: tuple[str, ...] = ()) -> Finding:
    return Finding(
        code=code, summary=code, subject=code, stage=Stage.REACHABLE, services=services, explains=explains
    )


def test_findings_that_differ_in_their_service_alone_are_one() -> None:
    assert merged([finding("a", "smtp"), finding("b"), finding("a", "submission")]) == [
        finding("a", "smtp", "submission"),
        finding("b"),
    ]


def test_one_line_of_main_cf_is_one_finding_and_its_worst_impact_counts() -> None:
    smtp = replace(finding("a", "smtp"), impact=Impact.INCOMING_MAIL)
    assert merged([finding("a", "submission"), smtp]) == [
        replace(finding("a", "submission", "smtp"), impact=Impact.INCOMING_MAIL)
    ]


def test_what_another_explains_is_a_consequence() -> None:
    cause, effect = finding("cause", explains=("effect",)), finding("effect", "smtp")
    assert separate([effect, cause]) == ([cause], [effect])


def test_a_chain_ends_at_its_beginning() -> None:
    first, second = finding("first", explains=("second",)), finding("second", explains=("third",))
    third = finding("third")
    assert separate([third, second, first]) == ([first], [third, second])


def test_a_cause_on_one_service_does_not_explain_another_service() -> None:
    cause, effect = finding("cause", "smtp", explains=("effect",)), finding("effect", "smtp", "submission")
    assert separate([cause, effect]) == ([cause, effect], [])


def test_a_circle_hides_nothing() -> None:
    one, two = finding("one", explains=("two",)), finding("two", explains=("one",))
    assert separate([one, two]) == ([one, two], [])


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.WARNING])
def test_a_lesser_finding_explains_no_error(severity: Severity) -> None:
    cause = replace(finding("cause", explains=("effect",)), severity=severity)
    assert separate([cause, finding("effect")])[0] == [cause, finding("effect")]

"""What stays and what is taken back, and who decides: with diagnoses and logins that are played."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from maildoctor.diagnosis import Diagnosis, Verdict
from maildoctor.finding import Finding, Severity
from maildoctor.mending import Heard, Mending, Proposal, propose
from maildoctor.remedy import (
    Action,
    AddUserToGroup,
    Option,
    ReloadUnit,
    Remedy,
    RestartUnit,
    SetLine,
)
from maildoctor.remedy.journal import records
from maildoctor.remedy.record import Status
from maildoctor.remedy.trouble import RepairFailed

from .conftest import FakeSite, inventory

START = SetLine("/etc/default/saslauthd", "START", "=", "yes")
MECHANISMS = SetLine("/etc/default/saslauthd", "MECHANISMS", "=", "shadow")
ANSWERS, BROKEN = Heard("answers"), Heard("broken", summary="454")


def finding(code: str, remedy: Remedy, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(summary=f"{code}.", subject=code, code=code, remedy=remedy, severity=severity)


def diagnosis(*findings: Finding, information: tuple[Finding, ...] = ()) -> Diagnosis:
    return Diagnosis(Verdict.BROKEN if findings else Verdict.HEALTHY, (), findings, (), information, ())


def text(site: FakeSite) -> str:
    return Path(site.root, "etc/default/saslauthd").read_text()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maildoctor.mending.SETTLING_SECONDS", -1.0)


START_FAULT = finding("saslauthd-start-not-yes", Remedy.safe(START))
MECHANISM_FAULT = finding("saslauthd-mechanism-unknown", Remedy.safe(MECHANISMS))


def mending(
    site: FakeSite, present: Callable[[str], list[Finding]], heard: list[dict[str, Heard]] | None = None
) -> Mending:
    """Give a run on a host where ``present`` tells the findings from the file's text."""
    said = iter(heard or [])
    return Mending(
        site,
        diagnosis(START_FAULT, MECHANISM_FAULT),
        lambda: diagnosis(*present(text(site))),
        lambda: next(said, {}),
    )


def take(*findings: Finding) -> list[Proposal]:
    return [Proposal(each, each.remedy.options[0]) for each in findings]


def test_repairs_that_help_stay(site: FakeSite) -> None:
    run = mending(site, lambda text: [START_FAULT] if "START=no" in text else [])
    run.mend(take(START_FAULT, MECHANISM_FAULT))
    outcome = run.end()
    assert outcome.mended == ["saslauthd-start-not-yes", "saslauthd-mechanism-unknown"]
    assert "START=yes\nMECHANISMS=shadow" in text(site)
    [record] = records(site)
    assert (record.id, record.status) == (outcome.run, Status.DONE)


def test_repair_that_does_not_help_is_taken_back_alone(site: FakeSite) -> None:
    run = mending(site, lambda text: [MECHANISM_FAULT])
    run.mend(take(START_FAULT, MECHANISM_FAULT))
    outcome = run.end()
    assert outcome.mended == ["saslauthd-start-not-yes"]
    assert outcome.taken_back == {
        "saslauthd-mechanism-unknown": "the finding is still there after the repair"
    }
    assert "START=yes\nMECHANISMS=pam" in text(site)
    assert [each["code"] for each in records(site)[0].causes] == ["saslauthd-start-not-yes"]


def test_what_is_left_as_information_has_helped(site: FakeSite) -> None:
    hint = replace(MECHANISM_FAULT, severity=Severity.INFO)
    run = mending(site, lambda text: [hint])
    run.mend(take(MECHANISM_FAULT))
    assert run.end().mended == ["saslauthd-mechanism-unknown"]


def test_later_round_that_fails_leaves_the_earlier_one(site: FakeSite) -> None:
    run = mending(site, lambda text: [MECHANISM_FAULT] if "START=yes" in text else [START_FAULT])
    run.mend(take(START_FAULT))
    run.mend(take(MECHANISM_FAULT))
    assert run.end().mended == ["saslauthd-start-not-yes"]
    assert "START=yes\nMECHANISMS=pam" in text(site)


def test_worse_login_takes_everything_back(site: FakeSite) -> None:
    before = inventory(site.root)
    run = mending(site, lambda _: [], [{"submission": ANSWERS}, {"submission": BROKEN}])
    run.mend(take(START_FAULT))
    outcome = run.end()
    assert "submission became worse" in outcome.taken_back["saslauthd-start-not-yes"]
    assert inventory(site.root) == before
    assert records(site)[0].status is Status.TAKEN_BACK


def test_login_that_was_broken_may_stay_broken(site: FakeSite) -> None:
    """Stacked faults would undo each other's repair otherwise."""
    run = mending(site, lambda _: [], [{"submission": BROKEN}, {"submission": BROKEN}])
    run.mend(take(START_FAULT))
    assert run.end().mended == ["saslauthd-start-not-yes"]


def test_made_up_user_who_gets_in_is_an_alarm(site: FakeSite) -> None:
    run = mending(site, lambda _: [], [{"submission": BROKEN}, {"submission": Heard("alarm")}])
    run.mend(take(START_FAULT))
    assert run.end().mended == []


def test_failing_action_does_not_keep_others_from_being_mended(site: FakeSite) -> None:
    site.programs["adduser"] = lambda *_: (1, "adduser: the group does not exist\n")
    group = finding("postfix-not-in-group-sasl", Remedy.safe(AddUserToGroup("postfix", "sasl")))
    run = mending(site, lambda _: [])
    run.mend(take(START_FAULT, group))
    outcome = run.end()
    assert outcome.mended == ["saslauthd-start-not-yes"]
    assert "does not exist" in outcome.taken_back["postfix-not-in-group-sasl"]


def test_interrupt_takes_back(site: FakeSite) -> None:
    before = inventory(site.root)

    def present(text: str) -> list[Finding]:
        raise KeyboardInterrupt

    run = mending(site, present)
    run.mend(take(START_FAULT))
    assert run.end().interrupted
    assert inventory(site.root) == before


def test_crash_takes_back(site: FakeSite) -> None:
    before = inventory(site.root)

    def present(text: str) -> list[Finding]:
        raise ZeroDivisionError

    run = mending(site, present)
    with pytest.raises(ZeroDivisionError):
        run.mend(take(START_FAULT))
    run.end()
    assert inventory(site.root) == before
    assert records(site)[0].status is Status.TAKEN_BACK


def test_throttling_is_lifted_by_a_restart(site: FakeSite) -> None:
    reload = finding("smtpd-conf-syntax", Remedy.safe(ReloadUnit("postfix")))
    silent = {"submission": Heard("broken", silent=True)}
    run = mending(site, lambda _: [], [silent])
    assert [step.action for step in run.steps(take(reload))] == [RestartUnit("postfix")]


def option(name: str, *actions: Action) -> Option:
    return Option(name, f"It is {name}.", actions)


CHOICE = finding("auth-not-enabled", Remedy.choice(option("enable", START), option("within-tls", MECHANISMS)))


def test_choices_are_the_admins() -> None:
    told = diagnosis(START_FAULT, CHOICE, finding("open-relay", Remedy.manual("Think.")))
    taken, left = propose(told, {})
    assert [each.code for each in taken] == ["saslauthd-start-not-yes"]
    assert [each.code for each in left] == ["auth-not-enabled", "open-relay"]
    taken, _ = propose(told, {"auth-not-enabled": None})
    assert taken[1].option.name == "enable"
    taken, left = propose(told, {"auth-not-enabled": "within-tls"}, only=["auth-not-enabled"])
    assert [(each.code, each.option.name) for each in taken] == [("auth-not-enabled", "within-tls")]
    assert left == []
    with pytest.raises(RepairFailed, match="it has: enable, within-tls"):
        propose(told, {"auth-not-enabled": "nonsense"})


def test_information_is_mended_only_on_demand() -> None:
    hint = replace(START_FAULT, severity=Severity.INFO)
    told = diagnosis(information=(hint,))
    assert propose(told, {}) == ([], [])
    assert [each.code for each in propose(told, {hint.code: None})[0]] == [hint.code]

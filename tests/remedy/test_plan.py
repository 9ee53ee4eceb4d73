"""Several root causes in one run: order, duplicates, what outdoes what, contradictions."""

from maildoctor.remedy import (
    Action,
    AddUserToGroup,
    InstallPackages,
    ReloadUnit,
    RestartUnit,
    SetLine,
    SetParameter,
    SetServiceOption,
    StartUnit,
)
from maildoctor.remedy.plan import Step, arrange, contradictions

MEMBER = AddUserToGroup("postfix", "sasl")
START = SetLine("/etc/default/saslauthd", "START", "=", "yes")


def test_packages_then_files_then_daemons_then_postfix() -> None:
    steps = arrange(
        [
            ("a", (MEMBER, ReloadUnit("postfix"))),
            ("b", (START, RestartUnit("saslauthd"))),
            ("c", (InstallPackages(("sasl2-bin",)), RestartUnit("saslauthd"))),
        ]
    )
    assert [step.action for step in steps] == [
        InstallPackages(("sasl2-bin",)),
        MEMBER,
        START,
        RestartUnit("saslauthd"),
        ReloadUnit("postfix"),
    ]
    assert steps[3].codes == ("b", "c")


def test_restart_outdoes_reload_and_start_of_the_same_service() -> None:
    asked: list[tuple[str, tuple[Action, ...]]] = [
        ("a", (ReloadUnit("postfix"),)),
        ("b", (RestartUnit("postfix"),)),
        ("c", (StartUnit("postfix.service"), StartUnit("saslauthd"))),
    ]
    assert arrange(asked) == (
        Step(StartUnit("saslauthd"), ("c",)),
        Step(RestartUnit("postfix"), ("b", "a", "c")),
    )


def test_packages_are_installed_in_one_go() -> None:
    asked = [("a", (InstallPackages(("x", "y")),)), ("b", (InstallPackages(("y", "z")),))]
    assert arrange(asked) == (Step(InstallPackages(("x", "y", "z")), ("a", "b")),)


def test_second_value_for_the_same_thing_waits() -> None:
    asked: list[tuple[str, tuple[Action, ...]]] = [
        ("a", (SetParameter("smtpd_sasl_path", "smtpd"),)),
        ("b", (SetParameter("smtpd_sasl_path", "private/auth"),)),
        ("c", (SetServiceOption("submission/inet", "smtpd_sasl_path", "private/auth"),)),
        ("d", (SetParameter("smtpd_sasl_path", "smtpd"),)),
    ]
    assert contradictions(asked) == {"b"}

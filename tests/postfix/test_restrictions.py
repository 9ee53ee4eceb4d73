"""Restriction lists are taken apart as smtpd does it."""

import pytest

from maildoctor.postfix.restrictions import Restriction, flatten, has_safeguard, nearest, parse, render, words

CLASSES = {"staff": "check_sender_access hash:/etc/postfix/staff, reject", "loop": "loop"}


def listed(text: str) -> tuple[Restriction, ...]:
    return parse(text, CLASSES.get, "check_recipient_access")


def test_commas_spaces_and_line_ends_divide_but_braces_hold_together() -> None:
    assert words("a,b  c\n d, { e, f } g") == ["a", "b", "c", "d", "{ e, f }", "g"]


def test_restrictions_take_their_arguments() -> None:
    assert listed(
        "permit_mynetworks, CHECK_POLICY_SERVICE unix:private/policy reject_rbl_client zone.example"
    ) == (
        Restriction("permit_mynetworks"),
        Restriction("check_policy_service", "unix:private/policy"),
        Restriction("reject_rbl_client", "zone.example"),
    )


def test_a_bare_table_is_the_check_of_its_list() -> None:
    assert listed("hash:/etc/postfix/x") == (Restriction("check_recipient_access", "hash:/etc/postfix/x"),)
    assert parse("hash:/etc/postfix/x", CLASSES.get)[0].known is False


def test_a_class_holds_its_members_and_a_circle_ends() -> None:
    (staff,) = listed("staff")
    assert staff.members == (
        Restriction("check_sender_access", "hash:/etc/postfix/staff"),
        Restriction("reject"),
    )
    assert [restriction.name for _, restriction in flatten(listed("loop"))] == ["loop"]


def test_warn_if_reject_holds_for_the_next_one_alone_and_for_a_whole_class() -> None:
    assert listed("warn_if_reject reject, reject") == (
        Restriction("reject", warns_only=True),
        Restriction("reject"),
    )
    (staff,) = listed("warn_if_reject staff")
    assert all(member.warns_only for member in staff.members)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("permit_mynetworks, reject_unauth_destination", True),
        ("permit_mynetworks, defer_if_permit", True),
        ("staff", True),
        ("", False),
        ("permit_mynetworks, permit_sasl_authenticated", False),
        ("permit, reject_unauth_destination", False),
        ("warn_if_reject reject_unauth_destination", False),
    ],
)
def test_the_safeguard_that_smtpd_demands(text: str, safe: bool) -> None:
    assert has_safeguard(listed(text)) is safe


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("permit_sasl_authentificated", "permit_sasl_authenticated"),
        ("permit_sasl_auth", None),
        ("permit-mynetworks", "permit_mynetworks"),
        ("greylist", None),
    ],
)
def test_a_misspelt_restriction(written: str, meant: str | None) -> None:
    assert (listed(written)[0].known, nearest(written)) == (False, meant)


def test_a_list_can_be_written_again() -> None:
    text = "permit_mynetworks, warn_if_reject check_recipient_access hash:/x, reject"
    assert render(listed(text)) == text

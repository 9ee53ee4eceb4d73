"""Each check's page is its host test: what it calls broken is broken and named; ``check --fix`` mends it and
``undo`` breaks it again; and what it prints for people to type mends it as well.
"""

from collections.abc import Iterator

import pytest

from maildoctor.check import Check, all_checks
from maildoctor.page import parse
from tests.hosts.arrangements import ARRANGEMENTS, Arrangement, arranged
from tests.hosts.doctor import RELEASES, Answer, ask, mend, type_in, wait_for_login
from tests.hosts.machine import Host
from tests.hosts.story import Keep, Story

pytestmark = pytest.mark.host

STOPS_LOGINS = ("incoming-mail", "all-logins")
PASSING = (
    "service-throttled",
    "smtpd-older-than-change",
    "saslauthd-older-than-change",
    "saslauthd-mount-stale",
    "service-not-listening",
    "saslauthd-not-answering",
    "dovecot-not-answering",
    "smtpd-limit-reached",
    "package-half-configured",
)
"""Faults of processes and the like, which no undo can bring back: a restart heals them."""


def examples() -> Iterator[object]:
    for check in all_checks():
        page = parse(check.documentation)
        for release, number in RELEASES.items():
            if page.section("Break", number):
                yield pytest.param(check, release, id=f"{check.code}-{release}")


@pytest.mark.parametrize(("check", "release"), list(examples()))
def test_the_page_is_true(check: Check, release: str, record_property: Keep) -> None:
    story = Story(check.code, release, record_property)
    page, number = parse(check.documentation), RELEASES[release]
    start = page.section("Start", number)
    arrangement = ARRANGEMENTS[start]
    with arranged(release, start) as host:
        assert_works(host, arrangement)
        finding = assert_named(host, arrangement, story, check.code, page.section("Break", number))
        if story.tell(host, arrangement, [finding]):
            assert_named_again(host, check.code, page.section("Break", number))
        if mend(host, finding):
            assert_works(host, arrangement)
            type_in(host, page.section("Break", number))
        type_in(host, page.section("Mend", number))
        assert_works(host, arrangement)


def assert_named(
    host: Host, arrangement: Arrangement, story: Story, code: str, script: str
) -> dict[str, object]:
    """Break the host; the check's finding must be the only cause, and logins must really fail."""
    type_in(host, script)
    works = bool(arrangement.port) and arrangement.login(host).works
    answer = ask(host)
    finding = answer.finding(code)
    assert answer.causes == ([code] if finding["severity"] != "info" else []), answer
    assert finding["proof"], "a finding prints a command that shows it"
    assert finding["evidence"], "a finding has evidence"
    assert answer.verdict in expected_verdicts(finding), answer
    if finding["severity"] == "error" and finding["impact"] in STOPS_LOGINS and arrangement.port:
        assert not works, answer
    story.reached("broken", "no login stops" if works or not arrangement.port else "yes")
    story.reached("named")
    return finding


def assert_named_again(host: Host, code: str, script: str) -> None:
    """After ``undo`` the fault is there again; one that lies in running processes must be made anew."""
    answer = ask(host)
    if code in PASSING:
        type_in(host, script)
        answer = ask(host)
    assert answer.finding(code), answer


def expected_verdicts(finding: dict[str, object]) -> tuple[str, ...]:
    if finding["severity"] != "error":
        return ("healthy", "off")
    return ("broken", "degraded") if finding["impact"] in STOPS_LOGINS else ("degraded",)


def assert_works(host: Host, arrangement: Arrangement) -> None:
    """A real login succeeds, and maildoctor has nothing to say."""
    if arrangement.port:
        wait_for_login(host, arrangement)
    answer = ask(host)
    assert_silent(answer, meant=bool(arrangement.port))


def assert_silent(answer: Answer, *, meant: bool) -> None:
    assert answer.causes == [], answer
    assert answer.verdict == ("healthy" if meant else "off"), answer
    assert answer.status == 0


def test_every_check_has_a_whole_page() -> None:
    for check in all_checks():
        page = parse(check.documentation)
        assert page.title.endswith("."), check.code
        missing = {"What", "Why", "Start", "Safety", "See"} - {name.split(" ")[0] for name in page.sections}
        assert not missing, check.code
        assert page.section("Start") in ARRANGEMENTS, check.code

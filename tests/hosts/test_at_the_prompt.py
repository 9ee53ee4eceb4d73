"""An admin at a real terminal: choices, one repair and not the other, and keys that end it."""

import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import ask
from tests.hosts.machine import Host
from tests.hosts.repair import differences, inventory
from tests.hosts.terminal import converse

pytestmark = pytest.mark.host

TWO_FAULTS = """
gpasswd -d postfix sasl
postconf -P submission/inet/smtpd_sasl_auth_enable=no
systemctl restart postfix
"""
FIX = ("maildoctor", "check", "--fix", "--color", "never")
CHOOSE, PLAN = "or n for none)?", "nothing (n)?"


def test_all_one_or_none(release: str) -> None:
    with arranged(release, "saslauthd-chroot") as host:
        host.sh(TWO_FAULTS)
        before = inventory(host)
        assert_unchanged(host, before, [(CHOOSE, "n"), (PLAN, "n")], 1, "Nothing was changed")
        assert_unchanged(host, before, [(CHOOSE, "^D"), (PLAN, "^D")], 1, "Nothing was changed")
        assert_unchanged(host, before, [(CHOOSE, "^C")], 130, "")

        each = [(PLAN, "e"), ("Repair auth-not-enabled (y/n)?", "y"), ("Repair postfix-not", "n")]
        status, shown = converse(host, FIX, [(CHOOSE, "1"), *each])
        assert status == 1
        assert "Mended: auth-not-enabled" in shown
        assert "Left to you: postfix-not-in-group-sasl" in shown
        assert ask(host).causes == ["postfix-not-in-group-sasl"]

        status, shown = converse(host, FIX, [(PLAN, "a")])
        assert (status, "Mended: postfix-not-in-group-sasl" in shown) == (0, True)
        assert ARRANGEMENTS["saslauthd-chroot"].login(host).works

        undo = ("maildoctor", "undo")
        assert converse(host, undo, [("Take this back (y/n)?", "n")])[0] == 1
        assert ask(host).causes == []
        for _ in range(2):
            status, shown = converse(host, undo, [("Take this back (y/n)?", "y")])
            assert (status, "Taken back: " in shown) == (0, True), shown
        assert differences(before, inventory(host)) == []


def assert_unchanged(
    host: Host, before: object, answers: list[tuple[str, str]], status: int, said: str
) -> None:
    ended, shown = converse(host, FIX, answers)
    assert ended == status, shown
    assert said in shown
    assert differences(before, inventory(host)) == []

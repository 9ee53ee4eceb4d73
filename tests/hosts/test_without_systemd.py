"""Repairs where systemd is not init: services are steered by service(8), and boot by update-rc.d(8)."""

import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import ask, wait_for_login
from tests.hosts.story import Keep, Story

pytestmark = pytest.mark.host

FAULTS = {
    "postfix-not-in-group-sasl": ("saslauthd-chroot", "gpasswd -d postfix sasl; service postfix restart"),
    "saslauthd-not-running": ("saslauthd", "service saslauthd stop"),
    "saslauthd-not-enabled": ("saslauthd", "update-rc.d saslauthd remove"),
    "saslauthd-socket-outside-chroot": (
        "saslauthd",
        "postconf -F submission/inet/chroot=y; service postfix restart",
    ),
    "sasldb-unreadable": ("sasldb", "chown root:root /etc/sasldb2"),
    "postfix-not-running": ("sasldb", "service postfix stop"),
    "dovecot-not-running": ("dovecot", "service dovecot stop; service postfix restart"),
    "dovecot-not-enabled": ("dovecot", "update-rc.d dovecot disable"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_mended_and_taken_back(release: str, code: str, record_property: Keep) -> None:
    start, script = FAULTS[code]
    arrangement, story = ARRANGEMENTS[start], Story(f"{code} without systemd", release, record_property)
    with arranged(release, start, systemd=False) as host:
        wait_for_login(host, arrangement)
        host.sh(script)
        works = arrangement.login(host).works
        answer = ask(host)
        assert answer.causes == [code], answer
        assert works == (answer.finding(code)["severity"] != "error")
        story.reached("broken", "no login stops" if works else "yes")
        story.reached("named")
        commands = [*answer.finding(code)["remedy"]["commands"]]
        assert not any("systemctl" in command for command in commands), commands
        assert story.tell(host, arrangement, [answer.finding(code)])
        assert ask(host).causes == [code]

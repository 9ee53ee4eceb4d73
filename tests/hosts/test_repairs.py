"""Repairs of which no page tells: a masked service, and a chroot on a file system of its own."""

import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import ask, wait_for_login
from tests.hosts.machine import Host
from tests.hosts.story import Keep, Story

pytestmark = pytest.mark.host

OWN_FILE_SYSTEM = """
systemctl stop postfix
mkdir /new; mount -t tmpfs -o mode=755 queue /new; cp -a /var/spool/postfix/. /new
mount --move /new /var/spool/postfix 2> /dev/null || mount --bind /new /var/spool/postfix
systemctl start postfix
"""


def test_masked_saslauthd(release: str, record_property: Keep) -> None:
    with arranged(release, "saslauthd-chroot") as host:
        mask = "systemctl stop saslauthd; systemctl mask saslauthd; systemctl restart postfix"
        told(host, "saslauthd-chroot", mask, "saslauthd-not-running", "saslauthd masked", record_property)


def test_sasldb2_moves_where_no_hard_link_leads(release: str, record_property: Keep) -> None:
    with arranged(release, "sasldb") as host:
        host.sh(OWN_FILE_SYSTEM)
        chroot = "postconf -F submission/inet/chroot=y; systemctl restart postfix"
        name = "sasldb2, chroot on a file system of its own"
        told(host, "sasldb", chroot, "sasldb-missing-in-chroot", name, record_property)


def told(host: Host, start: str, script: str, code: str, name: str, keep: Keep) -> None:
    """Break the host and tell the story to its end."""
    arrangement, story = ARRANGEMENTS[start], Story(name, host.release, keep)
    wait_for_login(host, arrangement)
    host.sh(script)
    assert not arrangement.login(host).works
    answer = ask(host)
    assert answer.causes == [code], answer
    story.reached("broken")
    story.reached("named")
    assert story.tell(host, arrangement, [answer.finding(code)])
    assert ask(host).causes == [code]

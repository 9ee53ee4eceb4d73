"""Bad input on real hosts: one clear line, the right status, no secret, and no waiting."""

import time
from typing import NamedTuple

import pytest

from tests.hosts.arrangements import arranged
from tests.hosts.machine import Host, Ran

pytestmark = pytest.mark.host

SECRET = "geheim-7"
HANG = "mv {0} {0}.real; printf '#!/bin/sh\\nsleep 60\\n' > {0}; chmod 755 {0}; "
HANGING = ("/usr/sbin/postconf", "/usr/bin/systemctl", "/usr/bin/journalctl", "/usr/bin/doveconf")


class Bad(NamedTuple):
    """What the script does to a host, and what ``check`` then ends with and says."""

    script: str
    status: int
    says: str


BAD = {
    "no postfix": Bad("systemctl stop 'postfix*'; mv /etc/postfix /root", 3, "/etc/postfix: no such file"),
    "no user postfix": Bad("sed -i /^postfix:/d /etc/passwd", 1, "/etc/passwd: has no user postfix"),
    "everything hangs": Bad(
        "systemctl stop saslauthd; rm /var/log/mail.log; " + "".join(map(HANG.format, HANGING)),
        1,
        "saslauthd does not run",
    ),
    "no saslauthd": Bad("systemctl stop saslauthd; rm /usr/sbin/saslauthd", 1, "saslauthd"),
    "main.cf is a FIFO": Bad(
        "rm /etc/postfix/main.cf; mkfifo /etc/postfix/main.cf", 3, "/etc/postfix/main.cf: is a FIFO"
    ),
    "defaults that run commands": Bad(
        "echo 'X=$(touch /tmp/ran)\\n`touch /tmp/ran`\\ntouch /tmp/ran' >> /etc/default/saslauthd",
        0,
        "submission",
    ),
    "a password in smtpd.conf": Bad(
        f"printf 'sql_passwd: {SECRET}\\nsql_passwd {SECRET}\\n' >> /etc/postfix/sasl/smtpd.conf",
        1,
        "line 4",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(release: str, name: str) -> None:
    bad = BAD[name]
    with arranged(release, "saslauthd-chroot") as host:
        host.sh(bad.script)
        for options in ((), ("-v",), ("--format", "json")):
            begun = time.monotonic()
            ran = host.run(["maildoctor", "check", *options], check=False)
            assert time.monotonic() - begun < PATIENCE, ran
            assert (ran.status, bad.says in ran.stdout) == (bad.status, True), ran
            assert_clean(ran)
        assert not ran_by_maildoctor(host)


PATIENCE = 12
"""Seconds, on a machine that is busy with other tests."""


def assert_clean(ran: Ran) -> None:
    assert SECRET not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert '"crashed"' not in ran.stdout


def ran_by_maildoctor(host: Host) -> bool:
    return host.run(["test", "-e", "/tmp/ran"], check=False).status == 0

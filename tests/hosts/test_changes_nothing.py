"""``check`` only looks: no file written, no connection but to local sockets, no line in a log."""

import pytest

from tests.hosts.arrangements import arranged
from tests.hosts.machine import Host

pytestmark = pytest.mark.host

OPENS = ("open", "openat", "openat2")
TALKS = ("connect", "sendto", "sendmsg")
CHANGES = (
    *("creat", "mkdir", "mkdirat", "mknod", "mknodat", "unlink", "unlinkat", "rmdir", "rename", "renameat"),
    *("renameat2", "link", "linkat", "symlink", "symlinkat", "truncate", "ftruncate", "chmod", "fchmod"),
    *("fchmodat", "chown", "lchown", "fchown", "fchownat", "utimensat", "setxattr", "mount", "umount2"),
)
WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")
LOGS = ("/var/log/mail.log", "/var/log/auth.log")
WRITERS = ("postfix/smtpd", "postfix/master", "postfix/submission/smtpd", "saslauthd", "dovecot", "auth")


@pytest.mark.parametrize("name", ["saslauthd-chroot", "dovecot"])
def test_check_changes_nothing(release: str, name: str) -> None:
    with arranged(release, name) as host:
        host.sh("postconf -P submission/inet/smtpd_sasl_auth_enable=no; postfix reload; sleep 1")
        before = traces(host)
        calls = system_calls(host)
        assert any("/etc/postfix/main.cf" in call for call in calls)
        assert [call for call in calls if changes_something(call)] == []
        assert traces(host) == before


def system_calls(host: Host) -> list[str]:
    """Those of a whole ``check`` and its children that open, talk or change; it finds the fault."""
    trace = f"strace -f -qq -o /root/trace -e trace={','.join((*OPENS, *TALKS, *CHANGES))}"
    ran = host.sh(f"{trace} maildoctor check", check=False)
    assert ran.status == 1, ran
    return [line.split(maxsplit=1)[1] for line in host.read("/root/trace").splitlines()]


def changes_something(call: str) -> bool:
    name = call.partition("(")[0]
    if name in TALKS:
        return "AF_INET" in call
    if name in OPENS:
        return any(flag in call for flag in WRITING) and '"/dev/null"' not in call
    return name in CHANGES


def traces(host: Host) -> tuple[str, ...]:
    """What everybody who works with mail has logged, in files and in the journal, and sasldb2's times."""
    files = host.run(["stat", "--format=%n %s %Y %Z", *LOGS, "/etc/sasldb2"], check=False).stdout
    names = [f"--identifier={name}" for name in WRITERS]
    return files, host.run(["journalctl", "--output=cat", *names]).stdout


@pytest.mark.parametrize("name", ["saslauthd-chroot", "stock"])
def test_without_root_it_says_what_it_could_not_see(release: str, name: str) -> None:
    with arranged(release, name) as host:
        ran = host.run(["runuser", "-u", "nobody", "--", "maildoctor", "check", "-v"], check=False)
        assert ran.status in (0, 3), ran
        assert "root" in ran.stdout
        assert ran.stderr == ""

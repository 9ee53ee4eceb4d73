"""Repairs that cannot be made: a clear error, and a host on which nothing has changed."""

import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.machine import Host, wait_until
from tests.hosts.repair import differences, fix, inventory, undo

pytestmark = pytest.mark.host

HIDDEN = "postconf -e smtpd_discard_ehlo_keywords=AUTH; systemctl restart postfix"
RELOAD_FAILS = """
for unit in postfix postfix@; do
    mkdir -p /etc/systemd/system/$unit.service.d
    printf '[Service]\nExecReload=\nExecReload=/bin/false\n' > /etc/systemd/system/$unit.service.d/no.conf
done
systemctl daemon-reload
"""
IMMUTABLE = """
import fcntl, os
set_flags, immutable = 0x40086602, 0x10  # ioctl_iflags(2); not every host has chattr
fcntl.ioctl(os.open("/etc/postfix/main.cf", os.O_RDONLY), set_flags, immutable.to_bytes(8, "little"))
"""
HIDDEN_CODE = "auth-hidden-by-discard-keywords"
REFUSALS = {
    "reload fails": (RELOAD_FAILS, "reload"),
    "etc is read-only": ("mount --bind /etc /etc; mount -o remount,bind,ro /etc", "Read-only file system"),
    "main.cf is immutable": (f"python3 -c '{IMMUTABLE}'", "immutable"),
    "main.cf is mounted read-only": (
        "cd /etc/postfix; mount --bind main.cf main.cf; mount -o remount,bind,ro main.cf",
        "Read-only file system",
    ),
    "no room beside main.cf": (
        """
        mkdir /full; mount -t tmpfs -o size=300k,mode=755 none /full; cp -a /etc/postfix/. /full
        mount --bind /full /etc/postfix; cat /dev/zero > /etc/postfix/filler || true
        """,
        "No space left on device",
    ),
    "no room for the journal": (
        "mkdir -m 700 /var/lib/maildoctor; mount -t tmpfs -o size=4k,mode=700 none /var/lib/maildoctor",
        "No space left on device",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_repair_changes_nothing(release: str, name: str) -> None:
    script, reason = REFUSALS[name]
    with arranged(release, "saslauthd-chroot") as host:
        host.sh(f"{HIDDEN}\n{script}")
        before = inventory(host)
        done = fix(host, "--yes", "--only", HIDDEN_CODE)
        assert done["mended"] == []
        assert any(reason in each["reason"] for each in done["taken_back"]), done
        assert done["problems"] == []
        assert differences(before, inventory(host)) == []


def test_reload_that_never_ends() -> None:
    """systemctl is not waited for longer than an admin would; what was changed is taken back."""
    hangs = RELOAD_FAILS.replace("/bin/false", "/bin/sleep 600")
    with arranged("trixie", "saslauthd-chroot") as host:
        host.sh(f"{HIDDEN}\n{hangs}")
        before = inventory(host)
        done = fix(host, "--yes", "--only", HIDDEN_CODE)
        assert [each["code"] for each in done["taken_back"]] == [HIDDEN_CODE]
        assert "no answer within" in done["taken_back"][0]["reason"]
        assert done["problems"] == []
        host.sh("pkill -x sleep; until systemctl is-active postfix; do sleep 0.1; done")
        assert differences(before, inventory(host)) == []


def test_packages_without_a_network(release: str) -> None:
    """apt knows the package, and nobody answers at the mirror's address."""
    with arranged(release, "saslauthd-chroot") as host:
        host.sh("dpkg --remove --force-depends libsasl2-modules; systemctl restart postfix")
        host.sh("""
            sed -i 's|file:/srv/packages|http://192.0.2.77/packages|' /etc/apt/sources.list
            cd /var/lib/apt/lists; cp _srv_packages_._Packages 192.0.2.77_packages_._Packages
            apt-cache policy libsasl2-modules | grep -q 192.0.2.77
        """)
        before = inventory(host)
        done = fix(host, "--yes", "--accept", "sasl-modules-missing")
        assert (done["mended"], done["problems"]) == ([], [])
        assert "192.0.2.77" in done["taken_back"][0]["reason"], done
        assert differences(before, inventory(host)) == []


def test_packages_that_cannot_be_fetched_and_then_can(release: str) -> None:
    with arranged(release, "saslauthd-chroot") as host:
        host.sh("dpkg --remove --force-depends libsasl2-modules; systemctl restart postfix")
        host.sh("mv /srv/packages /srv/elsewhere")
        before = inventory(host)
        accepted = ("--accept", "sasl-modules-missing")
        assert fix(host, "--yes", *accepted)["status"] == "taken-back"
        assert differences(before, inventory(host)) == []
        host.sh("mv /srv/elsewhere /srv/packages")
        assert fix(host, "--yes", *accepted)["mended"] == ["sasl-modules-missing"]
        assert ARRANGEMENTS["saslauthd-chroot"].login(host).works
        undo(host)
        assert differences(before, inventory(host)) == []
        assert host.sh("dpkg -l libsasl2-modules | grep -c ^rc").stdout == "1\n"


def test_at_a_terminal_it_asks(release: str) -> None:
    with arranged(release, "saslauthd-chroot") as host:
        host.sh(HIDDEN)
        before = inventory(host)
        declined = at_terminal(host, "n")
        assert "postconf -X smtpd_discard_ehlo_keywords" in declined
        assert "-smtpd_discard_ehlo_keywords = AUTH" in declined
        assert differences(before, inventory(host)) == []
        assert "Mended" in at_terminal(host, "a")
        assert ARRANGEMENTS["saslauthd-chroot"].login(host).works


def at_terminal(host: Host, answer: str) -> str:
    words = ["script", "-qec", "maildoctor check --fix --color never", "/dev/null"]
    return host.run(words, input=f"{answer}\n", check=False, timeout=120).stdout


def test_two_admins_at_once(release: str) -> None:
    """The second waits a little and says who repairs; what the first does is not disturbed."""
    with arranged(release, "saslauthd-chroot") as host:
        host.sh(HIDDEN)
        host.sh("maildoctor check --fix --yes > /root/first 2>&1 & sleep 2; true")
        second = host.run(["maildoctor", "check", "--fix", "--yes"], check=False)
        if second.status == 2:
            assert "another repair is under way: process" in second.stderr
        else:
            assert "nothing to repair" in second.stdout
        wait_until(lambda: "HEALTHY" in host.read("/root/first"), "the first repair to end", timeout=90)
        assert host.run(["maildoctor", "history", "--format", "json"]).stdout.count('"id"') == 1

"""Repairs of whole hosts: from nothing, by choice, by two admins, over a reboot, and back."""

import pytest

from tests.hosts import smtp
from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import ask
from tests.hosts.machine import wait_until
from tests.hosts.repair import differences, fix, inventory, undo
from tests.hosts.terminal import converse

pytestmark = pytest.mark.host


@pytest.mark.parametrize("verifier", ["saslauthd", "sasldb", "dovecot"])
def test_from_nothing_to_logins_that_survive_a_reboot(release: str, verifier: str) -> None:
    with arranged(release, "stock") as host:
        host.sh("adduser --quiet --disabled-password --gecos '' hoge; echo 'hoge:correct horse' | chpasswd")
        before = inventory(host)
        user = ["--user", "hoge@mail.example.com"] if verifier == "sasldb" else []
        done = fix(host, "--yes", "--auth", verifier, *user, input="correct horse\n")
        assert done["mended"] == ["login-service-wanted"]
        assert "smtpd_tls_security_level=encrypt" in done["plan"][0]["meaning"]
        assert "correct horse" not in str(done)
        for boots in range(2):
            if boots:
                host.reboot()
            wait_until(lambda: smtp.login(host, tls="starttls").works, "a login", timeout=40)
            assert not smtp.without_login(host, port=25).relays
            assert not smtp.without_login(host, port=25).mechanisms()
            assert not smtp.without_login(host, port=587, tls="starttls").relays
        assert ask(host).verdict == "healthy"
        assert fix(host, "--yes", "--auth", verifier)["status"] == "nothing-to-do"
        undo(host)
        assert differences(before, inventory(host)) == []


@pytest.mark.parametrize(("verifier", "missing"), [("saslauthd", "sasl2-bin"), ("dovecot", "dovecot-*")])
def test_from_nothing_at_all(release: str, verifier: str, missing: str) -> None:
    """What verifies passwords is not installed either; first there is no archive to install it from."""
    with arranged(release, "stock") as host:
        host.sh("adduser --quiet --disabled-password --gecos '' hoge; echo 'hoge:correct horse' | chpasswd")
        host.sh(
            f"dpkg --purge $(dpkg-query -W -f '${{Package}} ' '{missing}'); mv /srv/packages /srv/elsewhere"
        )
        before = inventory(host)
        refused = fix(host, "--yes", "--auth", verifier)
        assert (refused["mended"], refused["problems"]) == ([], [])
        assert "apt-get" in refused["taken_back"][0]["reason"], refused
        assert differences(before, inventory(host)) == []
        host.sh("mv /srv/elsewhere /srv/packages")
        done = fix(host, "--yes", "--auth", verifier)
        assert done["mended"] == ["login-service-wanted"], done
        wait_until(lambda: smtp.login(host, tls="starttls").works, "a login", timeout=40)
        assert ask(host).verdict == "healthy"
        undo(host)
        assert differences(before, inventory(host)) == []


def test_from_nothing_at_a_terminal(release: str) -> None:
    """The password is asked for at the prompt, and shows nowhere."""
    with arranged(release, "stock") as host:
        words = ["maildoctor", "check", "--fix", "--auth", "sasldb", "--user", "hoge@mail.example.com"]
        answers = [("nothing (n)?", "a"), ("Password for hoge@mail.example.com:", "correct horse")]
        status, shown = converse(host, words, answers)
        assert status == 0, shown
        assert "Mended: login-service-wanted" in shown
        assert "correct horse" not in shown
        assert smtp.login(host, tls="starttls").works
        assert not smtp.without_login(host, port=25).relays
        assert host.sh("grep -r 'correct horse' /var/lib/maildoctor /var/log", check=False).stdout == ""


def test_only_what_the_admin_agreed_to(release: str) -> None:
    """Without --yes and a terminal nothing changes; a choice waits for --accept; history tells."""
    with arranged(release, "saslauthd-chroot") as host:
        host.sh("gpasswd -d postfix sasl; postconf -P submission/inet/smtpd_sasl_auth_enable=no")
        host.sh("systemctl restart postfix")
        before = inventory(host)
        assert fix(host)["status"] == "needs-yes"
        assert fix(host, "--dry-run")["status"] == "dry-run"
        assert differences(before, inventory(host)) == []
        assert not host.run(["maildoctor", "history", "--format", "json"]).stdout.count('"id"')
        done = fix(host, "--yes", "--only", "auth-not-enabled")
        assert (done["status"], done["run"]) == ("nothing-to-do", None)
        assert [each["code"] for each in done["left"]] == ["auth-not-enabled"]
        done = fix(host, "--yes", "--accept", "auth-not-enabled=enable")
        assert set(done["mended"]) == {"auth-not-enabled", "postfix-not-in-group-sasl"}
        assert ARRANGEMENTS["saslauthd-chroot"].login(host).works
        history = host.run(["maildoctor", "history"]).stdout
        assert "postfix-not-in-group-sasl" in history
        assert "adduser postfix sasl" in history
        undo(host)
        assert "nothing to take back" in undo(host)
        assert differences(before, inventory(host)) == []


def test_undo_respects_edits_and_needs_no_postfix(release: str) -> None:
    with arranged(release, "saslauthd-chroot") as host:
        host.sh("postconf -e smtpd_discard_ehlo_keywords=AUTH; systemctl restart postfix")
        before = host.read("/etc/postfix/main.cf")
        fix(host, "--yes")
        host.sh("echo 'not a parameter' >> /etc/postfix/main.cf; rm -f /usr/sbin/postconf")
        refused = host.run(["maildoctor", "undo", "--yes"], check=False)
        assert refused.status == 1
        assert "+not a parameter" in refused.stdout
        assert "not a parameter" in host.read("/etc/postfix/main.cf")
        undo(host, "--force")
        assert host.read("/etc/postfix/main.cf") == before

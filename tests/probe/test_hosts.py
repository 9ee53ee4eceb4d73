"""``maildoctor probe`` on real Debian hosts in all their states."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest

from maildoctor.probe import Credentials, Outcome, Password, Step, Target, Verdict, probe, witness
from tests.hosts import smtp
from tests.hosts.arrangements import arranged
from tests.hosts.machine import ADDRESS, Host
from tests.hosts.tree import RELEASES
from tests.probe.test_command import SCHEMA

pytestmark = pytest.mark.host

RIGHT, WRONG = "correct horse\n", "wrong horse\n"
HOGE = Credentials("hoge", Password(b"correct horse"))


@dataclass(frozen=True)
class Seen:
    """What one run of the program answered: exit status, verdict, stage, and each phase's outcome."""

    status: int
    document: dict[str, Any]
    phases: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The verdict of all targets."""
        return str(self.document["verdict"])

    @property
    def stage(self) -> str | None:
        """The stage at which the first target that fails does."""
        stages = [target["stage"] for target in self.document["targets"] if target["stage"]]
        return stages[0] if stages else None


def doctor(host: Host, *words: str, password: str = RIGHT) -> Seen:
    """Run the program on the host, with JSON; the password never shows itself."""
    command = ["maildoctor", "probe", "--format", "json", "--timeout", "4", *words]
    ran = host.run(command, check=False, input=password, timeout=120)
    document = json.loads(ran.stdout)
    jsonschema.validate(document, SCHEMA)
    assert password.strip() not in ran.stdout + ran.stderr
    phases = {
        " ".join(filter(None, (phase["phase"], phase["mechanism"]))): phase["outcome"]
        for target in document["targets"]
        for phase in target["phases"]
    }
    return Seen(ran.status, document, phases)


def as_hoge(host: Host, *words: str, password: str = RIGHT) -> Seen:
    """Log in as the user that every arrangement knows, with PLAIN alone: PAM takes seconds to say no."""
    return doctor(host, "--user", "hoge", "--mechanism", "plain", *words, password=password)


@pytest.fixture(scope="module", params=RELEASES)
def saslauthd(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host with saslauthd in its chroot, which each test leaves as it was."""
    with arranged(request.param, "saslauthd-chroot") as host:
        yield host


@contextlib.contextmanager
def broken(host: Host, fault: str, mend: str) -> Iterator[None]:
    """The host with a fault for as long as the block runs, and working again after it."""
    host.sh(fault)
    try:
        yield
    finally:
        host.sh(mend)
        smtp.wait_for_banner(host)


# systemd gives up on a service that is restarted too often.
RESTART = "systemctl reset-failed; systemctl restart postfix"


def setting(*settings: str) -> tuple[str, str]:
    """Shell that sets options of submission and restarts, and shell that takes them back."""
    values = " ".join(f"'submission/inet/{each}'" for each in settings)
    keep = "cp /etc/postfix/master.cf /root/kept;"
    return (
        f"{keep} postconf -P {values}; {RESTART}",
        f"cp /root/kept /etc/postfix/master.cf; {RESTART}",
    )


def main_cf(*settings: str) -> tuple[str, str]:
    """Shell that sets parameters in main.cf and restarts, and shell that takes them back."""
    values = " ".join(f"'{each}'" for each in settings)
    keep = "cp /etc/postfix/main.cf /root/kept;"
    return f"{keep} postconf -e {values}; {RESTART}", f"cp /root/kept /etc/postfix/main.cf; {RESTART}"


def smtpd_conf(change: str) -> tuple[str, str]:
    """Shell that edits smtpd.conf with sed and restarts, and shell that takes that back."""
    path = "/etc/postfix/sasl/smtpd.conf"
    return f"cp {path} /root/kept; sed -i '{change}' {path}; {RESTART}", f"cp /root/kept {path}; {RESTART}"


def test_a_login_that_works(saslauthd: Host) -> None:
    seen = doctor(saslauthd, "--user", "hoge")
    assert (seen.status, seen.verdict, seen.stage) == (0, "whole", None)
    assert seen.phases == {
        "connect": "ok",
        "banner": "ok",
        "ehlo": "ok",
        "offered-before-tls": "ok",
        "tls": "ok",
        "offered-after-tls": "ok",
        "auth PLAIN": "ok",
        "auth LOGIN": "ok",
        "relay-after-login": "ok",
        "relay-without-login": "ok",
        "relay-without-login-25": "ok",
    }
    (target,) = seen.document["targets"]
    assert (target["service"], target["host"], target["port"]) == ("submission", ADDRESS, 587)
    assert target["certificate"]["self_signed"] is True
    assert "Username:" in "".join(line["note"] for line in target["transcript"])


def test_no_mail_is_sent(saslauthd: Host) -> None:
    as_hoge(saslauthd)
    log = saslauthd.read("/var/log/mail.log")
    assert "sasl_username=hoge" in log or "auth=1" in log
    assert "queue active" not in log
    assert saslauthd.run(["mailq"]).stdout.strip() == "Mail queue is empty"


def test_a_wrong_password(saslauthd: Host) -> None:
    seen = as_hoge(saslauthd, password=WRONG)
    assert (seen.status, seen.verdict, seen.stage) == (1, "broken", "verifying")


def test_a_made_up_user(saslauthd: Host) -> None:
    seen = doctor(saslauthd)
    assert (seen.status, seen.verdict, seen.stage) == (0, "nothing-wrong-found", None)
    assert seen.phases["auth PLAIN"] == seen.phases["auth LOGIN"] == "not-judged"
    assert "maildoctor-probe-" in saslauthd.read("/var/log/auth.log")


def test_loopback_cannot_judge_relaying(saslauthd: Host) -> None:
    seen = as_hoge(saslauthd, "--host", "127.0.0.1")
    assert (seen.status, seen.verdict) == (0, "whole")
    assert seen.phases["relay-without-login"] == "ok"
    assert seen.phases["relay-without-login-25"] == "not-judged"


NO_RESTRICTIONS = (
    "smtpd_relay_restrictions=",
    "smtpd_recipient_restrictions=check_recipient_access,static:OK,reject",
)
FAULTS: dict[str, tuple[tuple[str, str], str, str]] = {
    "postfix not in group sasl": (
        (f"gpasswd -d postfix sasl; {RESTART}", f"adduser --quiet postfix sasl; {RESTART}"),
        "auth PLAIN",
        "reachable",
    ),
    "saslauthd killed": (
        ("pkill -KILL saslauthd", "systemctl reset-failed; systemctl restart saslauthd"),
        "auth PLAIN",
        "reachable",
    ),
    "saslauthd wedged": (
        ("pkill -STOP saslauthd", "pkill -CONT saslauthd; systemctl restart saslauthd"),
        "auth PLAIN",
        "reachable",
    ),
    "PAM refuses": (
        (
            "printf 'auth required pam_deny.so\\naccount required pam_deny.so\\n' > /etc/pam.d/smtp; "
            "systemctl restart saslauthd",
            "rm /etc/pam.d/smtp; systemctl restart saslauthd",
        ),
        "auth PLAIN",
        "verifying",
    ),
    "smtpd.conf with =": (smtpd_conf("s/pwcheck_method:/pwcheck_method =/"), "banner", "listening"),
    "unknown pwcheck_method": (smtpd_conf("s/saslauthd/saslautd/"), "auth PLAIN", "configured"),
    "noplaintext": (
        setting(
            "smtpd_sasl_security_options=noanonymous,noplaintext",
            "smtpd_sasl_tls_security_options=noanonymous,noplaintext",
        ),
        "banner",
        "listening",
    ),
    "AUTH off": (setting("smtpd_sasl_auth_enable=no"), "offered-after-tls", "offered"),
    "AUTH discarded": (setting("smtpd_discard_ehlo_keywords=auth"), "offered-after-tls", "offered"),
    "no key": (setting("smtpd_tls_key_file=/nonexistent"), "tls", "offered"),
    "may not relay": (setting("smtpd_relay_restrictions=reject"), "relay-after-login", "permitted"),
    "anybody may relay": (
        setting(*NO_RESTRICTIONS),
        "relay-without-login",
        "permitted",
    ),
    "an open relay on 25": (main_cf("mynetworks=0.0.0.0/0"), "relay-without-login-25", "permitted"),
    "Postfix stopped": (("systemctl stop postfix", RESTART), "connect", "listening"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: str, saslauthd: Host) -> None:
    (breaks, mends), phase, stage = FAULTS[fault]
    with broken(saslauthd, breaks, mends):
        seen = as_hoge(saslauthd)
    assert seen.phases.get(phase) == "failed", seen.document
    assert (seen.status, seen.stage) == (1, stage)
    assert next(name for name, outcome in seen.phases.items() if outcome == "failed") == phase


def test_anybody_is_let_in(saslauthd: Host) -> None:
    with broken(saslauthd, *smtpd_conf("s/saslauthd/alwaystrue/")):
        seen = doctor(saslauthd)
    assert (seen.status, seen.verdict, seen.stage) == (1, "broken", "verifying")
    assert seen.document["targets"][0]["alarm"] is True


def test_a_missing_key_leaves_the_login_in_clear(saslauthd: Host) -> None:
    with broken(saslauthd, *setting("smtpd_tls_key_file=/nonexistent")):
        seen = as_hoge(saslauthd)
    assert (seen.status, seen.verdict) == (1, "degraded")
    assert seen.phases["auth PLAIN"] == seen.phases["relay-after-login"] == "ok"


def test_mynetworks_that_hide_auth_from_loopback(saslauthd: Host) -> None:
    with broken(saslauthd, *setting("smtpd_sasl_exceptions_networks=127.0.0.0/8")):
        assert as_hoge(saslauthd).verdict == "whole"
        assert as_hoge(saslauthd, "--host", "127.0.0.1").stage == "offered"


def test_a_service_that_listens_elsewhere(saslauthd: Host) -> None:
    entry = "'127.0.0.1:587/inet = 127.0.0.1:587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes'"
    start = (
        f"cp /etc/postfix/master.cf /root/kept; postconf -MX submission/inet; postconf -M {entry}; {RESTART}"
    )
    with broken(saslauthd, start, f"cp /root/kept /etc/postfix/master.cf; {RESTART}"):
        seen = as_hoge(saslauthd)
    assert seen.document["targets"][0]["host"] == "127.0.0.1"
    assert (seen.status, seen.verdict) == (0, "whole")


def test_a_witness(saslauthd: Host) -> None:
    target = Target(ADDRESS, 587)

    def testimony() -> str:
        with saslauthd.cradle.outside():
            return str(witness(target, 4).testimony)

    assert testimony() == "answers"
    for fault, expected in (
        ("postfix not in group sasl", "broken"),
        ("saslauthd wedged", "broken"),
        ("noplaintext", "broken"),
        ("Postfix stopped", "broken"),
        ("AUTH off", "not-offered"),
    ):
        with broken(saslauthd, *FAULTS[fault][0]):
            assert testimony() == expected, fault
    with broken(saslauthd, *smtpd_conf("s/saslauthd/alwaystrue/")):
        assert testimony() == "alarm"


def test_a_stranger_sees_an_open_relay(saslauthd: Host) -> None:
    def from_outside() -> tuple[Verdict, Outcome]:
        with saslauthd.cradle.outside():
            result = probe(Target(ADDRESS, 587), HOGE, 5, mechanism="PLAIN")
        relaying = {phase.step: phase.judged.outcome for phase in result.phases}
        return result.verdict, relaying[Step.RELAY_WITHOUT_LOGIN_25]

    assert from_outside() == (Verdict.WHOLE, Outcome.OK)
    with broken(saslauthd, *main_cf("mynetworks=0.0.0.0/0")):
        assert from_outside() == (Verdict.BROKEN, Outcome.FAILED)


WORKING: dict[str, tuple[str, list[str]]] = {
    "sasldb-chroot": ("submission", ["auth PLAIN", "auth LOGIN", "auth CRAM-MD5"]),
    "dovecot": ("submission", ["auth PLAIN", "auth LOGIN"]),
    "submission-tls": ("submission", ["auth PLAIN", "auth LOGIN"]),
    "submissions-465": ("submissions", ["auth PLAIN", "auth LOGIN"]),
    "auth-on-25": ("smtp", ["auth PLAIN", "auth LOGIN"]),
}


@pytest.mark.parametrize("name", WORKING)
def test_arrangement(name: str, release: str) -> None:
    service, logins = WORKING[name]
    with arranged(release, name) as host:
        seen = doctor(host, "--service", service, "--user", "hoge")
        assert (seen.status, seen.verdict) == (0, "whole"), seen.document
        assert [phase for phase in seen.phases if phase.startswith("auth")] == logins
        assert seen.phases["relay-without-login"] == "ok"


def test_sasldb2_gone_looks_like_a_wrong_password(release: str) -> None:
    with arranged(release, "sasldb-chroot") as host:
        host.sh("rm /var/spool/postfix/etc/sasldb2")
        assert as_hoge(host).stage == "verifying"
        assert doctor(host).verdict == "nothing-wrong-found"


def test_dovecot_dies(release: str) -> None:
    with arranged(release, "dovecot") as host:
        host.sh("systemctl kill --signal=KILL dovecot")
        assert as_hoge(host, "--service", "submission").status == 1
        host.sh(RESTART)
        seen = as_hoge(host, "--service", "submission")
        assert (seen.status, seen.phases["banner"], seen.stage) == (1, "failed", "listening")


def test_dovecot_makes_one_wait_longer_than_postfix_does(release: str) -> None:
    """Dovecot's penalty for an address that fails is no fault of the server, though smtpd answers 454."""
    with arranged(release, "dovecot") as host:
        with host.cradle.outside():
            heard = [str(witness(Target(ADDRESS, 587)).testimony) for _ in range(3)]
        assert heard == ["answers", "answers", "unknown"]
        assert as_hoge(host, "--service", "submission").verdict == "whole"


@pytest.mark.parametrize("name", ["stock", "satellite"])
def test_nobody_is_meant_to_log_in(name: str, release: str) -> None:
    with arranged(release, name) as host:
        seen = doctor(host)
        assert (seen.status, seen.verdict, seen.document["targets"]) == (3, "unknown", [])
        seen = doctor(host, "--port", "25")
        assert (seen.status, seen.stage, seen.phases["relay-without-login"]) == (1, "offered", RELAYING[name])


RELAYING = {"stock": "ok", "satellite": "not-judged"}

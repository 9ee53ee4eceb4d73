"""What a verifier knows of the attempts that smtpd writes as refused."""

from collections.abc import Iterator

from maildoctor.maillog.incident import Verdict
from tests.maillog.lines import judged
from tests.maillog.test_judge import healthy, line, logged_in, refused


def saslauthd(second: int, user: str, reason: str, *said: str) -> Iterator[str]:
    """One refusal, as saslauthd writes it into auth.log, with what PAM said before."""
    for text in (
        *said,
        f": auth failure: [user={user}] [service=smtp] [realm=] [mech=pam] [reason={reason}]",
    ):
        yield f"2026-11-07T10:00:{second:02d}+01:00 mail saslauthd[713]: {text}"


def test_an_account_that_has_expired_is_named_though_others_log_in() -> None:
    lines = list(healthy())
    for second in (1, 2):
        said = "pam_unix(smtp:account): account user3 has expired (account expired)"
        lines += [*saslauthd(second, "user3", "PAM acct error", said)]
        lines += [line(second, refused("unknown[203.0.113.77]", "user3"))]
    judgement = judged(lines)
    assert judgement.verdict is Verdict.MISTYPED
    assert [each.code for each in judgement.incidents] == ["account-expired"]
    assert "has expired" in judgement.incidents[0].samples[0]


def test_what_a_verifier_says_of_others_is_not_said_of_a_typing_user() -> None:
    said = "pam_unix(smtp:account): account root has expired (account expired)"
    lines = [*healthy(), *saslauthd(1, "root", "PAM acct error", said)]
    lines += [line(2, refused("unknown[203.0.113.77]", "user3"))]
    assert [each.code for each in judged(lines).incidents] == ["wrong-password"]


def test_a_rule_that_shuts_out_all_who_come_is_a_fault_and_one_that_excludes_a_user_is_not() -> None:
    def excluded(*users: str) -> list[str]:
        said = "pam_listfile(smtp:auth): Refused user {} for service smtp"
        lines = list(healthy())
        for second, user in enumerate(users, 1):
            lines += [*saslauthd(second, user, "PAM auth error", said.format(user))]
            lines += [line(700 + second, refused("dsl3.example.net[198.51.100.3]", user))]
        return lines

    everybody, one = judged(excluded("user3", "user4")), judged(excluded("user3", "user3"))
    assert (everybody.verdict, one.verdict) == (Verdict.BROKEN, Verdict.MISTYPED)
    assert {each.incidents[0].code for each in (everybody, one)} == {"user-not-permitted"}


def test_attempts_that_met_a_dead_back_end_are_counted_once() -> None:
    lines = []
    for second in (1, 2, 3):
        connect = "auth_rimap: connect 127.0.0.1[127.0.0.1]/143: Connection refused"
        reason = "[ALERT] Couldn't contact remote authentication server"
        lines += [
            *saslauthd(second, "user3", reason, connect, "auth_rimap: couldn't connect to 127.0.0.1/143")
        ]
        lines += [line(second, refused("unknown[203.0.113.77]", "user3"))]
    found = judged(lines).incidents
    assert [(each.code, each.attempts) for each in found] == [("verifier-backend-unreachable", 3)]


def test_a_pam_module_without_its_file_is_a_fault_once_nobody_gets_in() -> None:
    said = "pam_listfile(smtp:auth): Couldn't open /etc/mailusers"
    after = []
    for second in (1, 2):
        after += [*saslauthd(second, "user3", "PAM auth error", said)]
        after += [line(second, refused("unknown[203.0.113.77]", "user3"))]
    before = logged_in("unknown[203.0.113.77]", "user3")
    broken = judged([line(0, before), *after])
    assert (broken.verdict, broken.incidents[0].code) == (Verdict.BROKEN, "pam-service-refuses")
    assert judged([*after, *healthy()]).verdict is Verdict.MISTYPED


def test_refusals_for_their_number_are_counted_once_and_are_no_guesses() -> None:
    client = "dsl3.example.net[198.51.100.3]"
    lines = list(healthy())
    for second in range(5):
        rate = f"warning: AUTH command rate limit exceeded: {second} from {client} for service submission"
        bye = f"disconnect from {client} ehlo=1 auth=0/1 quit=1 commands=2/3"
        lines += [line(600 + second, rate), line(600 + second, bye)]
    found = judged(lines)
    assert [(each.code, each.attempts) for each in found.incidents] == [("auth-rate-limited", 5)]
    assert found.verdict is Verdict.MISTYPED


def test_a_user_whom_dovecots_pam_excludes_is_no_broken_pam() -> None:
    said = [
        "auth-worker(280): Error: conn unix:auth-worker (pid=278,uid=102): auth-worker<3>: "
        "pam(user3,198.51.100.3): pam_acct_mgmt() failed: Authentication failure",
        "auth-worker(user3,198.51.100.3)<300>: request [3]: Error: pam: pam_acct_mgmt() failed: "
        "Authentication failure",
    ]
    for text in said:
        lines = [*healthy(), f"2026-11-07T10:10:01+01:00 mail dovecot: {text}"]
        lines += [
            line(601, refused("dsl3.example.net[198.51.100.3]", "user3", "PLAIN", "(reason unavailable)"))
        ]
        found = judged(lines)
        assert (found.verdict, found.incidents[0].code) == (Verdict.MISTYPED, "user-not-permitted")


def test_a_password_file_that_others_do_without_is_no_fault() -> None:
    missing = (
        "dovecot: auth: Error: passwd-file /etc/dovecot/users:open(/etc/dovecot/users) failed: No such file"
    )
    wrong = line(700, refused("dsl3.example.net[198.51.100.3]", "user3", "PLAIN", "(reason unavailable)"))
    before, after = (f"2026-11-07T{clock}+01:00 mail {missing}" for clock in ("10:00:00", "10:11:39"))
    assert judged([before, *healthy(), wrong]).verdict is Verdict.MISTYPED
    assert judged([*healthy(), after, wrong]).incidents[0].code == "dovecot-passdb-unprepared"

"""Whole logs and their verdicts: a broken server, users who mistype, strangers who guess, nothing wrong."""

from collections.abc import Iterator

from maildoctor.maillog.incident import Kind, Verdict
from maildoctor.maillog.order import Seen
from tests.maillog.lines import gathered, judged

SASLAUTHD = "warning: SASL authentication failure: cannot connect to saslauthd server: Permission denied"
BYE = "disconnect from {} ehlo=1 auth=0/1 quit=1 commands=2/3"
PLAIN_FAILED = "warning: SASL authentication failure: Password verification failed"


def line(second: int, text: str, *, pid: int = 100, service: str = "submission") -> str:
    clock = f"{second // 60:02d}:{second % 60:02d}"
    return f"2026-11-07T10:{clock}+01:00 mail postfix/{service}/smtpd[{pid}]: {text}"


def master(text: str) -> str:
    return f"2026-11-07T10:00:02+01:00 mail postfix/master[9]: warning: {text}"


def refused(client: str, user: str, mechanism: str = "LOGIN", reason: str = "authentication failure") -> str:
    return f"warning: {client}: SASL {mechanism} authentication failed: {reason}, sasl_username={user}"


def logged_in(client: str, user: str) -> str:
    return f"4F1B5A0123: client={client}, sasl_method=PLAIN, sasl_username={user}"


def healthy() -> Iterator[str]:
    for second in range(0, 600, 3):
        client = f"dsl{second}.example.net[198.51.100.{second % 200}]"
        yield line(second, logged_in(client, f"user{second % 40}"))
        yield line(second + 1, f"disconnect from {client} ehlo=2 starttls=1 auth=1 mail=1 quit=1 commands=6")


def campaign(count: int = 300) -> Iterator[str]:
    for number in range(count):
        client = f"unknown[203.0.{number % 110}.{number % 250}]"
        yield line(number % 3000, refused(client, f"name{number}"), pid=200 + number % 12, service="smtps")
        yield line(
            number % 3000,
            BYE.format(client),
            pid=200 + number % 12,
        )


def broken(second: int = 30) -> list[str]:
    return [
        line(second, SASLAUTHD),
        line(second, PLAIN_FAILED),
        line(second, refused("client.example.com[192.0.2.7]", "hoge", "PLAIN", "generic failure")),
    ]


def test_three_lines_of_one_process_are_one_attempt_under_its_cause() -> None:
    ledger = gathered(broken())
    assert ledger.failed == 1
    judgement = judged(broken())
    assert judgement.verdict is Verdict.BROKEN
    (incident,) = judgement.incidents
    assert (incident.code, incident.attempts, incident.stage) == ("postfix-not-in-group-sasl", 1, "reachable")
    assert incident.users == (("hoge", 1),)
    assert incident.mechanisms == (("PLAIN", 1),)
    assert "cannot connect" in incident.samples[0]


def test_lines_of_other_processes_between_do_not_confuse() -> None:
    mine, theirs = broken(), [each.replace("[100]", "[101]").replace("hoge", "other") for each in broken()]
    mixed = [each for pair in zip(mine, theirs, strict=True) for each in pair]
    assert gathered(mixed).failed == 2
    assert judged(mixed).incidents[0].attempts == 2


def test_a_healthy_log_has_nothing_wrong() -> None:
    judgement = judged(healthy())
    assert judgement.verdict is Verdict.NOTHING_WRONG
    assert not judgement.incidents


def test_a_campaign_does_not_hide_one_broken_attempt() -> None:
    judgement = judged([*campaign(), *broken(), *campaign()])
    assert judgement.verdict is Verdict.BROKEN
    assert judgement.incidents[0].code == "postfix-not-in-group-sasl"
    assert Kind.GUESSING in {each.kind for each in judgement.incidents}


def test_one_typing_user_is_no_attack() -> None:
    client = "dsl5.example.net[198.51.100.5]"
    typing = [line(700 + n, refused(client, "alice", reason="authentication failure")) for n in range(3)]
    judgement = judged([*healthy(), *typing, line(720, logged_in(client, "alice"))])
    assert judgement.verdict is Verdict.MISTYPED
    (incident,) = judgement.incidents
    assert (incident.kind, incident.attempts, incident.users) == (Kind.MISTYPED, 3, (("alice", 3),))


def test_a_typing_user_beside_a_campaign_is_kept_apart() -> None:
    client = "dsl5.example.net[198.51.100.5]"
    judgement = judged([*healthy(), *campaign(), line(700, refused(client, "alice"))])
    assert judgement.verdict is Verdict.GUESSING
    kinds = {each.kind: each for each in judgement.incidents}
    assert kinds[Kind.GUESSING].attempts == 300
    assert kinds[Kind.MISTYPED].users == (("alice", 1),)


def test_everybody_refused_and_nobody_in_names_both_readings() -> None:
    lines = []
    for number in range(4):
        client = f"pc{number}.lan.example.com[192.168.0.{number + 1}]"
        lines.append(line(number * 60, PLAIN_FAILED, pid=number))
        lines.append(line(number * 60, refused(client, f"u{number}", "PLAIN"), pid=number))
    judgement = judged(lines)
    codes = [cause.code for cause in judgement.incidents[0].causes]
    assert judgement.incidents[0].code == "every-login-fails"
    assert {"wrong-password", "smtpd-conf-missing", "sasldb-missing-in-chroot"} <= set(codes)
    assert "maildoctor check" in judgement.incidents[0].causes[0].told_apart_by


def test_what_check_sees_decides() -> None:
    lines = [line(1, refused("localhost[127.0.0.1]", "hoge", "PLAIN"))]
    judgement = judged(lines, {"sasldb-missing-in-chroot": Seen("sasldb2 is not in the chroot")})
    assert judgement.verdict is Verdict.BROKEN
    assert judgement.incidents[0].code == "sasldb-missing-in-chroot"
    assert judgement.incidents[0].confirmed
    reordered = judged(broken(), {"saslauthd-directory-impassable": Seen("a directory")})
    assert reordered.incidents[0].code == "saslauthd-directory-impassable"


def test_a_fatal_line_is_explained_by_the_line_before_it() -> None:
    lines = [
        line(1, "warning: SASL: Connect to Dovecot auth socket 'private/auth' failed: Connection refused"),
        line(1, "fatal: no SASL authentication mechanisms"),
        master("process /usr/lib/postfix/sbin/smtpd pid 100 exit status 1"),
        master("/usr/lib/postfix/sbin/smtpd: bad command startup -- throttling"),
    ]
    judgement = judged(lines)
    assert [each.code for each in judgement.incidents] == ["dovecot-not-running"]
    assert gathered(lines).failed == 0


def test_the_client_side_is_kept_apart() -> None:
    relay = "smtp.example.net[192.0.2.25]"
    lines = [
        f"2026-11-07T10:00:02+01:00 mail postfix/smtp[9]: 4F1: to=<b@example.org>, relay={relay}:587, "
        f"delay=1, status=deferred (SASL authentication failed; server {relay} said: 535 5.7.8 no)"
    ]
    (incident,) = judged(lines).incidents
    assert (incident.side, incident.code) == ("client", "relayhost-refuses-login")
    assert gathered(lines).failed == 0


def test_relay_denied_depends_on_the_login() -> None:
    denied = (
        "NOQUEUE: reject: RCPT from pc.example.com[192.0.2.7]: 554 5.7.1 <b@example.org>: "
        "Relay access denied; from=<a@example.com> to=<b@example.org> proto=ESMTP helo=<pc>"
    )
    assert judged([line(1, denied)]).incidents[0].code == "client-did-not-log-in"
    assert judged([line(1, denied)]).verdict is Verdict.NOTHING_WRONG
    known = judged([line(1, denied + " sasl_method=PLAIN sasl_username=hoge")])
    assert known.incidents[0].code == "relay-refuses-logged-in-clients"
    assert known.verdict is Verdict.BROKEN
    failed = judged([*broken(1), line(2, denied)])
    assert [each.code for each in failed.incidents] == [
        "postfix-not-in-group-sasl",
        "relay-after-failed-login",
    ]


def test_a_probe_is_no_attack() -> None:
    probe = refused("localhost[127.0.0.1]", "maildoctor-probe-0a1b2c")
    judgement = judged([*healthy(), line(900, probe)])
    assert judgement.verdict is Verdict.NOTHING_WRONG
    assert gathered([line(900, probe)]).probes == 1


def test_logins_since_are_told() -> None:
    assert judged([*broken(), *healthy()]).incidents[0].logins_since is True
    assert judged([*healthy(), *broken(1000)]).incidents[0].logins_since is False
    assert judged(broken()).incidents[0].logins_since is None


def test_unknown_lines_are_counted_and_shown_once_each() -> None:
    lines = [line(n, f"warning: SASL authentication failure: new thing {n}") for n in range(5)]
    assert [count for _, (count, _) in gathered(lines).most_unknown()] == [5]


def test_auth_that_wrote_no_line_is_counted_from_the_disconnect_line() -> None:
    text = "disconnect from unknown[203.0.113.9] ehlo=1 auth=0/3 quit=1 commands=2/5"
    assert gathered([line(1, text)]).failed == 3
    assert gathered([line(1, refused("unknown[203.0.113.9]", "x")), line(2, text)]).failed == 3


def test_repeated_messages_count_as_often_as_they_were_said() -> None:
    said = refused("unknown[203.0.113.9]", "x")
    assert gathered([line(1, f"message repeated 4 times: [ {said}]")]).failed == 4
    assert gathered([line(1, said), "Nov  7 10:16:36 mail last message repeated 2 times"]).failed == 3


def test_somebody_who_got_in_after_many_names_is_pointed_out() -> None:
    client = "unknown[203.0.113.9]"
    tries = [line(n, refused(client, f"name{n}")) for n in range(6)]
    judgement = judged([*healthy(), *tries, line(10, logged_in(client, "name9"))])
    assert "password-guessed" in {each.code for each in judgement.incidents}


def test_users_who_could_log_in_and_all_no_longer_can() -> None:
    after = []
    for number in range(0, 30, 3):
        client = f"dsl{number}.example.net[198.51.100.{number % 200}]"
        after.append(line(900 + number, refused(client, f"user{number % 40}", "PLAIN")))
    judgement = judged([*healthy(), *after])
    assert judgement.verdict is Verdict.BROKEN
    assert judgement.incidents[0].code == "every-login-fails"


def test_a_root_cause_stands_before_its_consequence() -> None:
    findings = {
        "saslauthd-mechanism-odd": Seen("no such mechanism", explains=("saslauthd-not-running",)),
        "saslauthd-not-running": Seen("it does not run"),
    }
    gone = [each.replace("Permission denied", "No such file or directory") for each in broken()]
    codes = [cause.code for cause in judged(gone, findings).incidents[0].causes]
    assert codes[:2] == ["saslauthd-mechanism-odd", "saslauthd-not-running"]


def test_postfix_tells_only_at_the_end_that_a_refused_client_had_logged_in() -> None:
    denied = "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <b@example.org>: {}"
    denied = denied.format("Relay access denied; from=<a>")
    bye = "disconnect from unknown[192.0.2.7] ehlo=1{} mail=1 rcpt=0/1 quit=1 commands=4/5"
    known = judged([line(1, denied), line(1, bye.format(" auth=1"))])
    assert known.incidents[0].code == "relay-refuses-logged-in-clients"
    assert known.verdict is Verdict.BROKEN
    unknown = judged([line(1, denied), line(1, bye.format(""))])
    assert unknown.incidents[0].code == "client-did-not-log-in"


def test_one_user_from_a_new_address_is_no_attack() -> None:
    typing = [line(700 + n, refused("unknown[203.0.113.77]", "user3")) for n in range(3)]
    judgement = judged([*healthy(), *typing])
    assert judgement.verdict is Verdict.MISTYPED
    assert judgement.incidents[0].users == (("user3", 3),)


def test_a_proxy_that_hides_all_clients_hides_no_campaign() -> None:
    proxy = "unknown[172.17.0.1]"
    lines = [line(n, logged_in(proxy, f"user{n}")) for n in range(20)]
    lines += [line(100 + n, refused(proxy, f"name{n}")) for n in range(200)]
    judgement = judged(lines)
    assert judgement.verdict is Verdict.GUESSING
    assert judgement.incidents[0].code == "password-guessing"


def test_a_warning_that_stops_nobody_is_no_broken_server() -> None:
    warning = line(5, "warning: No server certs available. TLS won't be enabled")
    assert judged([*healthy(), warning]).verdict is Verdict.NOTHING_WRONG


def dovecot_said(number: int, client: str, user: str) -> str:
    said = f"passwd-file({user},{client},<a{number}>): unknown user"
    return f"Nov  7 10:{number:02d}:00 mail dovecot: auth: {said}"


def test_guesses_that_only_dovecot_saw_are_guesses() -> None:
    judgement = judged(dovecot_said(n, f"203.0.113.{n}", f"name{n}") for n in range(40))
    assert judgement.verdict is Verdict.GUESSING
    (incident,) = judgement.incidents
    assert (incident.code, incident.attempts, incident.addresses) == ("password-guessing", 40, 40)
    assert incident.clients[0][0].startswith("203.0.113.")


def saslauthd_said(number: int, user: str) -> str:
    said = f"auth failure: [user={user}] [service=smtp] [realm=] [mech=pam] [reason=PAM auth error]"
    return f"Nov  7 10:{number % 60:02d}:00 mail saslauthd[99]: do_auth         : {said}"


def test_guesses_that_only_saslauthd_saw_are_guesses_and_users_who_are_shut_out_are_none() -> None:
    judgement = judged(saslauthd_said(n, f"name{n}") for n in range(50))
    assert judgement.verdict is Verdict.GUESSING
    assert "from addresses that this log does not show" in judgement.headline
    assert judged(saslauthd_said(n, f"user{n % 25}") for n in range(100)).verdict is Verdict.MISTYPED


def test_a_user_that_only_dovecot_saw_is_no_stranger() -> None:
    judgement = judged(dovecot_said(n, "203.0.113.7", "alice") for n in range(4))
    assert judgement.verdict is Verdict.MISTYPED
    inside = judged(dovecot_said(n, f"192.168.0.{n}", f"user{n}") for n in range(8))
    assert inside.verdict is Verdict.MISTYPED


def test_a_single_client_that_sent_plain_is_no_guesser() -> None:
    judgement = judged([line(1, refused("unknown[198.51.100.7]", "alice", "PLAIN", "(reason unavailable)"))])
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.incidents[0].code == "every-login-fails"


def test_a_connection_that_is_lost_while_dovecot_answers_others_is_no_dead_dovecot() -> None:
    client = "web.example.com[192.0.2.7]"
    lost = line(5, refused(client, "alice", "PLAIN", "Connection lost to authentication server"))
    assert judged([lost]).incidents[0].code == "dovecot-answers-late"
    dead = line(9, "warning: SASL: Connect to private/auth failed: Connection refused", pid=101)
    causes = {each.code: each.causes[0].code for each in judged([lost, dead]).incidents}
    assert "dovecot-answers-late" not in causes.values()


def test_auth_that_is_off_on_a_service_is_no_fault() -> None:
    said = "warning: restriction `reject_authenticated_sender_login_mismatch' ignored: no SASL support"
    judgement = judged([*healthy(), line(3, said, service="smtp")])
    assert judgement.verdict is Verdict.NOTHING_WRONG
    assert [each.code for each in judgement.incidents] == ["auth-not-enabled"]


def test_users_who_all_fell_silent_are_told_once() -> None:
    after = []
    for number in range(0, 30, 3):
        client = f"dsl{number}.example.net[198.51.100.{number % 200}]"
        after.append(line(900 + number, refused(client, f"user{number % 40}", "PLAIN")))
    found = judged([*healthy(), *after]).incidents
    assert [(each.code, each.attempts, each.names) for each in found] == [("every-login-fails", 10, 10)]


def test_logins_on_one_service_do_not_tell_that_another_works_again() -> None:
    client = "dsl5.example.net[198.51.100.5]"

    def logins(second: int, service: str) -> str:
        return line(second, logged_in(client, "alice"), service=service)

    def fault(second: int, service: str) -> str:
        return line(second, SASLAUTHD, service=service, pid=second)

    before = [logins(1, "submission"), logins(2, "smtps"), fault(10, "submission"), fault(11, "smtps")]
    judgement = judged([*before, logins(20, "smtps")])
    assert judgement.incidents[0].logins_since is False
    assert "No login on submission has succeeded since" in judgement.headline
    assert judged([*before, logins(20, "smtps"), logins(21, "submission")]).incidents[0].logins_since is True

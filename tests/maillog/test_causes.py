"""Which cause comes first: by what worked before, what the verifier said, who was refused."""

from maildoctor.maillog.incident import Kind, Verdict
from tests.maillog.lines import gathered, judged
from tests.maillog.test_judge import broken, campaign, healthy, line, logged_in, refused

PC = "pc.example.com[192.0.2.7]"
GONE = "warning: SASL authentication failure: cannot connect to saslauthd server: No such file or directory"


def saslauthd(second: int, text: str) -> str:
    return f"2026-11-07T10:{second // 60:02d}:{second % 60:02d}+01:00 mail saslauthd[713]: {text}"


def gone(second: int = 700) -> list[str]:
    return [line(second, GONE), line(second, refused(PC, "hoge", "PLAIN", "generic failure"))]


def first_code(*lines: str) -> str:
    return judged(lines).incidents[0].code


def test_what_never_worked_was_set_up_wrongly_and_what_worked_has_stopped() -> None:
    assert first_code(*gone()) == "saslauthd-socket-outside-chroot"
    assert first_code(*healthy(), *gone()) == "saslauthd-not-running"


def test_what_saslauthd_said_of_itself_decides() -> None:
    listens = "ipc_init        : listening on socket: "
    outside = saslauthd(1, listens + "/var/run/saslauthd/mux")
    inside = saslauthd(1, listens + "/var/spool/postfix/var/run/saslauthd/mux")
    ended = saslauthd(2, "server_exit     : master exited: 713")
    assert first_code(outside, *gone()) == "saslauthd-socket-outside-chroot"
    assert first_code(inside, *gone()) == "saslauthd-socket-in-chroot-unchrooted"
    assert first_code(inside, ended, *gone()) == "saslauthd-not-running"
    assert not judged([*healthy(), inside, ended]).incidents


def test_a_moment_without_saslauthd_between_logins_was_a_restart() -> None:
    judgement = judged([*list(healthy())[:200], *gone(301), *gone(303), *list(healthy())[202:]])
    assert judgement.incidents[0].code == "verifier-restarted"
    assert judgement.incidents[0].logins_since is True
    assert "It is over" in judgement.headline
    lasting = judged([*list(healthy())[:200], *gone(301), *gone(501), *list(healthy())[398:]])
    assert lasting.incidents[0].code == "saslauthd-not-running"


def test_logins_on_another_service_do_not_end_a_fault() -> None:
    other = [each.replace("/submission/", "/smtps/") for each in healthy()]
    judgement = judged([*broken(1), *other])
    assert judgement.incidents[0].logins_since is False
    assert "No login on submission has succeeded since" in judgement.headline


def test_a_verifier_whose_back_end_is_down_explains_the_line_of_a_wrong_password() -> None:
    reason = "[reason=[ALERT] Couldn't contact remote authentication server]"
    lines = [
        saslauthd(1, f"do_auth : auth failure: [user=hoge] [service=smtp] [realm=] [mech=rimap] {reason}"),
        line(1, refused(PC, "hoge", "PLAIN")),
    ]
    (incident,) = judged(lines).incidents
    assert (incident.code, incident.attempts) == ("verifier-backend-unreachable", 1)
    assert incident.users == (("hoge", 1),)
    assert gathered(lines).failed == 1


def test_a_line_of_dovecot_and_one_of_smtpd_are_one_attempt() -> None:
    failed = "sql(hoge,192.0.2.7): Password query failed: Not connected to database"
    lines = [
        f"2026-11-07T10:00:01+01:00 mail dovecot: auth-worker(9): Error: {failed}",
        line(1, refused(PC, "hoge", "PLAIN", "Temporary authentication failure [mail:2026-11-07 10:00:01]")),
    ]
    (incident,) = judged(lines).incidents
    assert (incident.code, incident.attempts) == ("verifier-backend-unreachable", 1)


def test_the_verifier_knows_more_of_a_few_refusals() -> None:
    said = "do_auth : auth failure: [user=hoge] [service=smtp] [realm=] [mech=pam] [reason=PAM acct error]"
    judgement = judged([saslauthd(1, said), line(1, refused(PC, "hoge", "PLAIN"))])
    assert [each.code for each in judgement.incidents] == ["user-not-permitted"]
    expired = "pam_unix(smtp:account): account hoge has expired (account expired)"
    judgement = judged([saslauthd(1, expired), saslauthd(1, said), line(1, refused(PC, "hoge", "PLAIN"))])
    assert [each.code for each in judgement.incidents] == ["account-expired"]
    assert judgement.incidents[0].kind is Kind.MISTYPED


def test_shared_secrets_that_never_work_are_no_attack() -> None:
    judgement = judged([line(n, refused("unknown[203.0.113.9]", "hoge", "CRAM-MD5")) for n in range(3)])
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.incidents[0].code == "mech-list-unserved"
    others = [line(n, refused(f"unknown[203.0.113.{n}]", "hoge", "CRAM-MD5")) for n in range(30)]
    assert judged(others).verdict is Verdict.GUESSING


def test_a_handful_of_refusals_is_no_campaign() -> None:
    judgement = judged([line(1, refused(PC, "hoge", "PLAIN"))])
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.incidents[0].code == "every-login-fails"
    assert "maildoctor check" in judgement.headline


def test_where_nobody_got_in_guessing_does_not_prove_a_sound_server() -> None:
    judgement = judged(campaign())
    assert judgement.verdict is Verdict.GUESSING
    assert "nothing on the server is broken" not in judgement.headline
    assert "nothing on the server is broken" in judged([*healthy(), *campaign()]).headline


def test_people_from_outside_who_never_get_in_are_shut_out() -> None:
    lines = []
    for number in range(5):
        client = f"dsl{number}.example.net[198.51.100.{number}]"
        lines += [line(number * 9 + n, refused(client, f"u{number}", "PLAIN")) for n in range(3)]
    judgement = judged(lines)
    assert judgement.verdict is Verdict.BROKEN
    assert judgement.incidents[0].code == "every-login-fails"


def test_each_incident_of_a_crowd_shows_its_own_people() -> None:
    client = "dsl5.example.net[198.51.100.5]"
    typing = [line(700 + n, refused(client, "alice")) for n in range(2)]
    judgement = judged([*healthy(), *campaign(), *typing, line(720, logged_in(client, "alice"))])
    kinds = {each.kind: each for each in judgement.incidents}
    assert "alice" not in dict(kinds[Kind.GUESSING].users)
    assert kinds[Kind.MISTYPED].first == "2026-11-07T10:11:40+01:00"
    assert not kinds[Kind.MISTYPED].services


def test_an_answer_to_ehlo_without_auth_is_heard() -> None:
    assert first_code("250-PIPELINING", "250 DSN") == "auth-not-enabled"
    assert first_code("S: 250-PIPELINING", "S: 250-STARTTLS", "S: 250 DSN") == "client-without-tls"
    assert not judged(["250-PIPELINING", "250-AUTH PLAIN LOGIN", "250 DSN"]).incidents


def test_a_mechanism_that_is_not_there_is_named_though_cyrus_calls_it_no_mechanism() -> None:
    lines = [
        line(1, "warning: SASL authentication failure: Couldn't find mech LOGIN"),
        line(1, refused(PC, "hoge", "LOGIN", "no mechanism available")),
    ]
    assert first_code(*lines) == "mechanism-not-offered"
    assert first_code(lines[1]) == "auxprop-plugin-unknown"


def test_auxprop_is_no_unknown_verifier_but_one_without_its_plugin() -> None:
    problem = "warning: SASL authentication problem: unknown password verifier(s) {}"
    ended = "no mechanism available"

    def codes(verifier: str) -> list[str]:
        lines = [line(1, problem.format(verifier)), line(1, refused(PC, "hoge", "LOGIN", ended))]
        lines += [line(2, refused(PC, "hoge", "CRAM-MD5", ended))]
        return [each.code for each in judged(lines).incidents]

    assert codes("auxprop") == ["auxprop-plugin-unknown"]
    assert set(codes("auxprop-hashed")) == {"pwcheck-method-unknown"}


def test_nothing_is_broken_only_where_somebody_got_in_since() -> None:
    user = "dsl3.example.net[198.51.100.3]"
    wrong = [line(700 + n, refused(user, "user3")) for n in range(3)]
    silent, mended = (
        judged([*healthy(), *wrong]),
        judged([*healthy(), *wrong, line(710, logged_in(user, "x"))]),
    )
    assert (silent.verdict, mended.verdict) == (Verdict.MISTYPED, Verdict.MISTYPED)
    assert "Nothing on the server is broken" in mended.headline
    assert "Nobody has logged in since 2026-11-07 10:09:57" in silent.headline


def test_a_table_that_turns_away_who_logged_in_is_a_fault_while_nobody_sends() -> None:
    table = "warning: hash:/etc/postfix/none is unavailable. open database /etc/postfix/none.db: No such file"
    denied = "NOQUEUE: reject: RCPT from unknown[198.51.100.3]: 451 4.3.5 <user3>: SASL login name rejected: "
    denied += "Server configuration error; from=<a@example.org> to=<b@example.net> proto=ESMTP"
    lines = [line(700, table), line(700, denied)]
    broken = judged([*healthy(), *lines])
    assert (broken.verdict, broken.incidents[0].code) == (Verdict.BROKEN, "lookup-table-broken")
    assert (
        judged([*lines, *(each.replace("T10:", "T11:") for each in healthy())]).verdict is not Verdict.BROKEN
    )

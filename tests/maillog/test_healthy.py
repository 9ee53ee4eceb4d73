"""What the world does to a healthy server, and what strange servers answer, is no fault of it."""

import pytest

from maildoctor.maillog.incident import Kind, Verdict
from tests.maillog.lines import judged
from tests.maillog.test_judge import healthy

AT = "2026-11-07T10:05:10+01:00 mail "
MX = "4F1: to=<b@x.example>, relay={0}[192.0.2.25]:25, delay=1, delays=0/1, dsn=5.7.1, status=bounced ({1})"
QUIET = {
    "no reverse name": "postfix/smtpd[7]: warning: hostname x.example does not resolve to address x",
    "no TLS": "postfix/smtpd[7]: SSL_accept error from unknown[203.0.113.9]: -1",
    "TLS library": "postfix/smtpd[7]: warning: TLS library problem: error:0A00010B:SSL routines::wrong",
    "gone in AUTH": "postfix/smtpd[7]: lost connection after AUTH from unknown[203.0.113.9]",
    "relay denied": "postfix/smtpd[7]: NOQUEUE: reject: RCPT from x[203.0.113.9]: 554 5.7.1 <x@b.example>: "
    "Relay access denied; from=<a@example.net> to=<x@example.org> proto=SMTP helo=<x>",
    "other command": "postfix/smtpd[7]: warning: non-SMTP command from unknown[203.0.113.9]: GET / HTTP/1.1",
    "dead MX": "postfix/smtp[7]: connect to mx.example.org[192.0.2.25]:25: Connection timed out",
    "milter": "postfix/smtpd[7]: warning: connect to Milter service inet:[::1]:8: Connection refused",
    "old table": "postfix/smtpd[7]: warning: database /etc/postfix/virtual.db is older than source file x",
    "IMAP": "dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, TLS",
    "MX relays not": "postfix/smtp[7]: "
    + MX.format("mx.example.org", "host mx.example.org[192.0.2.25] said: 554 5.7.1 Relay access denied"),
    "MX wants a login": "postfix/smtp[7]: "
    + MX.format("mx.example.org", "host mx.example.org[192.0.2.25] said: 530 5.7.1 Authentication required"),
    "MX without TLS": "postfix/smtp[7]: "
    + MX.format("mx.example.org", "TLS is required, but was not offered by host mx.example.org[192.0.2.25]"),
    "MX wants SPF": "postfix/smtp[7]: "
    + MX.format("mx.example.org", "host x said: 550 5.7.26 must authenticate with either SPF or DKIM."),
}


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_wrong(name: str) -> None:
    rows = list(healthy())
    judgement = judged([*rows[:200], AT + QUIET[name], *rows[200:]])
    assert judgement.verdict is Verdict.NOTHING_WRONG
    assert all(each.kind is Kind.POLICY for each in judgement.incidents)


def test_a_satellite_whose_only_relay_turns_it_away_has_a_broken_client() -> None:
    refusal = "host relay.example.net[192.0.2.25] said: 530 5.7.1 Authentication required"
    judgement = judged([f"{AT}postfix/smtp[7]: {MX.format('relay.example.net', refusal)}"] * 3)
    assert (judgement.incidents[0].kind, judgement.incidents[0].side) == (Kind.BROKEN, "client")
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.headline.startswith("Our own login at another server: ")
    assert (judgement.incidents[0].side, judgement.incidents[0].code) == (
        "client",
        "client-login-not-configured",
    )

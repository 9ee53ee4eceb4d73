"""The last fatal errors of a log, without what only echoes them and without older stories."""

from maildoctor.finding import Evidence
from maildoctor.postfix.last_words import last_words
from tests.postfix.conftest import MakeHost

LOG = "/var/log/mail.log"
START = (
    "Nov 24 10:00:00 mail postfix/master[10]: daemon started -- version 3.7.11, configuration /etc/postfix"
)
OLD = "Nov 24 09:00:00 mail postmulti[9]: fatal: an older story"
OWNER = "Nov 24 10:01:00 mail postmulti[11]: fatal: parameter mail_owner: unknown user name value: nosuch"
ECHO = "Nov 24 10:01:01 mail postfix/postfix-script[12]: fatal: mail system startup failed"
SASL = "Nov 24 10:02:00 mail postfix/submission/smtpd[13]: fatal: no SASL authentication mechanisms"
EXEC = "Nov 24 10:03:00 mail master[14]: fatal: master_spawn: exec /usr/lib/postfix/sbin/smtpd: No such file"
OTHER = "Nov 24 10:04:00 mail postfix/qmgr[15]: warning: fatal: is a word here"


def log(*lines: str) -> dict[str, str]:
    return {LOG: "\n".join(lines) + "\n"}


def test_of_master(make_host: MakeHost) -> None:
    host = make_host(**log(OLD, START, OWNER, ECHO, SASL, OTHER))
    assert last_words(host, "master") == (Evidence(LOG, OWNER),)


def test_of_smtpd(make_host: MakeHost) -> None:
    host = make_host(**log(START, SASL, SASL.replace("[13]", "[16]"), EXEC))
    assert last_words(host, "smtpd") == (
        Evidence(LOG, SASL.replace("[13]", "[16]")),
        Evidence(LOG, EXEC),
    )


def test_no_log(make_host: MakeHost) -> None:
    assert last_words(make_host(), "smtpd") == ()


def test_only_the_end_of_a_long_log_is_read(make_host: MakeHost) -> None:
    host = make_host(**log(SASL, *["x" * 1000] * 200))
    assert last_words(host, "smtpd") == ()

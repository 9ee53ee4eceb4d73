"""One word of master.cf changes, and no other byte; what is unusual is left to postconf."""

import pytest

from maildoctor.remedy.master_edit import with_column, with_option, without_option

HEAD = b"smtp      inet  n       -       y       -       -       smtpd\n# people\n"
ENTRY = (
    b"submission\tinet n  - y - - smtpd\n"
    b"# AUTH, for people\n"
    b"\t-o smtpd_sasl_auth_enable=no\n"
    b"    # in the middle\n"
    b"\n"
    b"  -o syslog_name=postfix/submission\n"
)
TAIL = b"# end\npickup unix n - y 60 1 pickup\n"
FILE = HEAD + ENTRY + TAIL


def test_value_of_an_option() -> None:
    changed = with_option(FILE, "submission/inet", "smtpd_sasl_auth_enable", "yes")
    assert changed == FILE.replace(b"enable=no", b"enable=yes")


def test_new_option_stands_below_the_last() -> None:
    changed = with_option(FILE, "submission/inet", "smtpd_sasl_type", "dovecot")
    last = b"  -o syslog_name=postfix/submission\n"
    assert changed == FILE.replace(last, last + b"  -o smtpd_sasl_type=dovecot\n")
    changed = with_option(HEAD.rstrip(), "smtp/inet", "smtpd_sasl_type", "dovecot")
    assert changed == HEAD.replace(b"smtpd\n", b"smtpd\n    -o smtpd_sasl_type=dovecot\n").rstrip()


def test_option_goes() -> None:
    changed = without_option(FILE, "submission/inet", "smtpd_sasl_auth_enable")
    assert changed == FILE.replace(b"\t-o smtpd_sasl_auth_enable=no\n", b"")


def test_column() -> None:
    changed = with_column(FILE, "submission/inet", "chroot", "n")
    assert changed == FILE.replace(b"\tinet n  - y - - smtpd", b"\tinet n  - n - - smtpd")


@pytest.mark.parametrize(
    "entry",
    [
        b"submission inet n - y - - smtpd -o smtpd_sasl_auth_enable=no\n",
        b"submission inet n - y - - smtpd\n  -o { smtpd_sasl_auth_enable = no }\n",
        b"submission inet n - y - - smtpd\n  -o a=b -o smtpd_sasl_auth_enable=no\n",
        b"submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=no\n  -o smtpd_sasl_auth_enable=no\n",
        b"submission inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n",
        b"",
    ],
)
def test_unusual_ways_are_left_to_postconf(entry: bytes) -> None:
    assert with_option(HEAD + entry + TAIL, "submission/inet", "smtpd_sasl_auth_enable", "yes") is None
    assert without_option(HEAD + entry + TAIL, "submission/inet", "smtpd_sasl_auth_enable") is None


def test_values_that_need_braces_are_left_to_postconf() -> None:
    assert with_option(FILE, "submission/inet", "smtpd_relay_restrictions", "permit, reject") is None
    assert with_option(FILE, "submission/inet", "smtpd_relay_restrictions", "") is None

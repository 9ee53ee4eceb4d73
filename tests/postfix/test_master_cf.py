"""master.cf as master reads it: options with their lines, and what stops master or one service."""

import pytest

from maildoctor.postfix.main_cf import Problem
from maildoctor.postfix.master_cf import Entry, MasterCf, parse
from maildoctor.source import Source, Sourced

SUBMISSION = """\
submission inet n       -       y       -       -       smtpd
  -o smtpd_sasl_auth_enable=yes
# a comment between
  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }
  -v -osyslog_name=postfix/submission
"""


def at(line: int) -> Source:
    return Source("/etc/postfix/master.cf", line)


def entry(line: str, number: int = 1) -> Entry:
    service, type_, private, unpriv, chroot, wakeup, maxproc, command = line.split()
    return Entry(service, type_, private, unpriv, chroot, wakeup, maxproc, command, at(number))


def test_options_have_their_own_lines() -> None:
    options = {
        "smtpd_sasl_auth_enable": Sourced("yes", at(2)),
        "smtpd_relay_restrictions": Sourced("permit_sasl_authenticated, reject", at(4)),
        "syslog_name": Sourced("postfix/submission", at(5)),
    }
    arguments = (
        "-o",
        "smtpd_sasl_auth_enable=yes",
        "-o",
        "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
        "-v",
        "-osyslog_name=postfix/submission",
    )
    expected = Entry("submission", "inet", "n", "-", "y", "-", "-", "smtpd", at(1), arguments, options)
    assert parse(SUBMISSION) == MasterCf((expected,))


def test_the_last_entry_of_a_service_counts() -> None:
    read = parse("smtp inet n - y - - smtpd\nsmtp inet n - n - - smtpd\nsmtp unix - - y - - smtp\n")
    assert read.entries == (entry("smtp inet n - n - - smtpd", 2), entry("smtp unix - - y - - smtp", 3))
    assert read.overridden == (entry("smtp inet n - y - - smtpd", 1),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("submission inet n - y\n", "submission: the column wakeup is missing"),
        ("submission inet n - y - -\n", "submission: the column command is missing"),
        ("submission\n", "submission: the column type is missing"),
        ("-o a=b\n", "begins with '-o': an option must be indented, or it is taken for a service"),
        ("a tcp n - y - - smtpd\n", "a: no such type of service: 'tcp'"),
        ("a inet N - y - - smtpd\n", "a: the column private cannot be 'N'"),
        ("a inet n - yes - - smtpd\n", "a: the column chroot cannot be 'yes'"),
        ("a inet n - y - many smtpd\n", "a: the column maxproc cannot be 'many'"),
        ("\ufeffsmtp inet n - y - - smtpd\n", "a byte order mark stands before the first service"),
    ],
)
def test_what_stops_master(text: str, why: str) -> None:
    assert parse(text) == MasterCf((), (Problem(at(1), why),))


def test_a_first_line_that_continues_nothing_is_ignored() -> None:
    read = parse("  smtp inet n - y - - smtpd\nqmgr unix n - n 300 1 qmgr\n")
    assert read.entries == (entry("qmgr unix n - n 300 1 qmgr", 2),)
    assert [(problem.source.line, problem.fatal) for problem in read.problems] == [(1, False)]


@pytest.mark.parametrize(
    "option",
    ["-o smtpd_sasl_auth_enable = yes", "-o smtpd_sasl_auth_enable yes", "-o smtpd_sasl_auth_enable"],
)
def test_options_that_stop_smtpd(option: str) -> None:
    read = parse(f"smtp inet n - y - - smtpd\n\t{option}\n")
    problem = Problem(at(2), "-o smtpd_sasl_auth_enable: no '=' right after the parameter's name")
    assert read.option_problems == (("smtp/inet", problem),)
    assert read.entries[0].options == {}


def test_a_file_cut_in_the_middle_names_its_last_line() -> None:
    assert parse(SUBMISSION[:30]).problems == (Problem(at(1), "submission: the column chroot is missing"),)

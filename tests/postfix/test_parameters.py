"""postconf's answer taken apart, defaults by version, and the fall back to our own reading."""

import pytest

from maildoctor.host import CommandHung, Output
from maildoctor.postfix.defaults import of_version
from maildoctor.postfix.parameters import Postconf, parameter, parse_postconf
from maildoctor.postfix.value import expected, fits
from maildoctor.source import Source, Sourced
from tests.postfix.conftest import MakeHost

WARNED = "/usr/sbin/postconf: warning: /etc/postfix/main.cf: unused parameter: smtpd_sasl_auth_enabled=yes\n"
FATAL = "postconf: fatal: /etc/postfix/main.cf, line 48: missing '=' after attribute name: \"bare\"\n"


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        (Output(0, "a = b = c\nempty = \nbare =\n", ""), Postconf({"a": "b = c", "empty": "", "bare": ""})),
        (
            Output(0, "a = b\n", WARNED * 2),
            Postconf({"a": "b"}, ("/etc/postfix/main.cf: unused parameter: smtpd_sasl_auth_enabled=yes",)),
        ),
        (
            Output(1, "", FATAL),
            Postconf({}, (), "/etc/postfix/main.cf, line 48: missing '=' after attribute name: \"bare\""),
        ),
        (Output(-11, "", ""), Postconf({}, (), "exit status -11")),
        (Output(0, "", ""), Postconf({}, (), "exit status 0")),
    ],
)
def test_postconf(output: Output, answer: Postconf) -> None:
    assert parse_postconf(output) == answer


@pytest.mark.parametrize(
    ("version", "name", "value"),
    [
        ((2, 7, 1), "smtpd_relay_restrictions", None),
        ((2, 6), "smtpd_recipient_restrictions", "permit_mynetworks, reject_unauth_destination"),
        ((2, 7, 1), "smtpd_sasl_response_limit", None),
        ((3, 5, 25), "smtpd_sasl_response_limit", "12288"),
        ((3, 5, 25), "smtpd_per_record_deadline", "${stress?{yes}:{no}}"),
        ((3, 9), "smtpd_per_record_deadline", None),
        ((4, 0), "smtpd_sasl_type", "cyrus"),
    ],
)
def test_defaults_by_version(version: tuple[int, ...], name: str, value: str | None) -> None:
    assert of_version(version).get(name) == value


@pytest.mark.parametrize(
    ("main", "hostname", "name", "domain"),
    [
        ("", "mail.example.com\n", "mail.example.com", "example.com"),
        ("", "mail\n", "mail.localdomain", "localdomain"),
        ("mydomain = example.org\n", "mail\n", "mail.localdomain", "example.org"),
        ("myhostname = mx.example.net\n", "mail\n", "mx.example.net", "example.net"),
    ],
)
def test_names_from_the_host(make_host: MakeHost, main: str, hostname: str, name: str, domain: str) -> None:
    host = make_host(main, **{"/etc/hostname": hostname})
    assert (parameter(host, "myhostname").value, parameter(host, "mydomain").value) == (name, domain)


def test_a_hanging_postconf_is_asked_once_and_then_done_without(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def hang(*command: str, timeout: float = 3.0) -> Output:
        asked.append(command)
        raise CommandHung(command[0], timeout)

    host = make_host("smtpd_sasl_path = x\n")
    monkeypatch.setattr(host, "run", hang)
    assert parameter(host, "smtpd_sasl_path") == Sourced("x", Source("/etc/postfix/main.cf", 1))
    assert parameter(host, "smtpd_sasl_type") == Sourced("cyrus")
    assert asked == [("postconf",)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("smtpd_sasl_auth_enable", "yes or no"),
        ("smtpd_recipient_limit", "a number"),
        ("max_idle", "a time such as 30s"),
        ("smtpd_banner", None),
        ("no_such_parameter", None),
    ],
)
def test_kind_of_a_parameter(name: str, kind: str | None) -> None:
    assert expected(name, of_version((3, 7))) == kind


@pytest.mark.parametrize(
    ("value", "kind", "answer"),
    [
        ("yes", "yes or no", True),
        ("NO", "yes or no", True),
        ("true", "yes or no", False),
        ("1", "yes or no", False),
        ("", "yes or no", False),
        ("100", "a number", True),
        ("many", "a number", False),
        ("30", "a time such as 30s", True),
        ("5minutes", "a time such as 30s", True),
        ("5M", "a time such as 30s", False),
        ("5 m", "a time such as 30s", False),
        ("30x", "a time such as 30s", False),
    ],
)
def test_fits(value: str, kind: str, answer: bool) -> None:
    assert fits(value, kind) is answer

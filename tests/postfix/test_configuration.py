"""Which services take logins, which are meant to, and what each sees of the parameters."""

import pytest

from maildoctor.host import Missing, NotRegular, TooLarge, TreeHost
from maildoctor.postfix.configuration import (
    login_services,
    meant_for_logins,
    parameter,
    signs_of_logins,
    version,
)
from maildoctor.source import Source, Sourced
from tests.postfix.conftest import MAIN_CF, MakeHost

SMTP = "smtp inet n - y - - smtpd\n"
SUBMISSION = "submission inet n - y - - smtpd\n -o smtpd_sasl_auth_enable=yes\n"


def at(file: str, line: int) -> Source:
    return Source(f"/etc/postfix/{file}", line)


@pytest.mark.parametrize(
    ("line", "endpoint"),
    [
        ("smtp inet n - y - - smtpd", (None, 25)),
        ("587 inet n - y - - smtpd", (None, 587)),
        ("smtps inet n - y - - smtpd", (None, 465)),
        ("submissions inet n - y - - smtpd", (None, 465)),
        ("192.0.2.10:submission inet n - y - - smtpd", ("192.0.2.10", 587)),
        ("[2001:db8::1]:587 inet n - y - - smtpd", ("2001:db8::1", 587)),
        ("127.0.0.1:587 inet n - y - - smtpd", ("127.0.0.1", 587)),
        ("submision inet n - y - - smtpd", (None, None)),
        ("2525 inet n - y - - /usr/lib/postfix/sbin/smtpd", (None, 2525)),
        ("127.0.0.1:10025 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes", ("127.0.0.1", 10025)),
    ],
)
def test_where_clients_log_in(
    make_host: MakeHost, line: str, endpoint: tuple[str | None, int | None]
) -> None:
    (service,) = login_services(make_host(master=line + "\n"))
    assert (service.address, service.port) == endpoint
    assert service.name == line.split()[0]


@pytest.mark.parametrize(
    "line",
    [
        "smtp inet n - y - 1 postscreen",
        "smtpd pass - - y - - smtpd",
        "smtp unix - - y - - smtp",
        "127.0.0.1:10025 inet n - y - - smtpd",
        "localhost:10025 inet n - y - - smtpd",
        "[::1]:10025 inet n - y - - smtpd",
        "10025 inet n - y - - smtpd -o content_filter= -o smtpd_authorized_xforward_hosts=127.0.0.0/8",
        "#submission inet n - y - - smtpd",
    ],
)
def test_where_nobody_logs_in(make_host: MakeHost, line: str) -> None:
    assert login_services(make_host(master=line + "\n")) == []


def test_parameters_are_those_of_the_service(make_host: MakeHost) -> None:
    main = "smtpd_sasl_local_domain = $domain\ndomain = example.com\nqueue_directory = /srv/mail\n"
    host = make_host(main, SUBMISSION + " -o domain=example.org -o syslog_name=postfix/$service_name\n")
    (service,) = login_services(host)
    assert service.parameter("smtpd_sasl_local_domain") == Sourced("example.org", at("main.cf", 1))
    assert service.parameter("syslog_name") == Sourced("postfix/submission", at("master.cf", 3))
    assert service.parameter("smtpd_sasl_path") == Sourced("smtpd", None)
    assert service.parameter("no_such_parameter") == Sourced("", None)
    assert service.flag("smtpd_sasl_auth_enable")
    assert service.chroot == "/srv/mail"
    assert parameter(host, "smtpd_sasl_local_domain").value == "example.com"


@pytest.mark.parametrize(
    ("column", "release", "level", "chrooted"),
    [
        ("y", "3.7.11", "3.6", True),
        ("n", "2.7.1", "", False),
        ("-", "2.7.1", "", True),
        ("-", "2.11.3", "2", True),
        ("-", "3.5.25", "", True),
        ("-", "3.5.25", "0", True),
        ("-", "3.7.11", "1", False),
        ("-", "3.10.13", "3.6", False),
    ],
)
def test_chroot(make_host: MakeHost, column: str, release: str, level: str, chrooted: bool) -> None:
    main = f"compatibility_level = {level}\n" if level else ""
    host = make_host(main, f"smtp inet n - {column} - - smtpd\n", version=f"{release}-1")
    (service,) = login_services(host)
    assert service.root == ("/var/spool/postfix" if chrooted else "/")


@pytest.mark.parametrize(
    ("package", "numbers"),
    [("3.7.11-0+deb12u1", (3, 7, 11)), ("2.7.1-1+squeeze1", (2, 7, 1)), ("3.10~rc1-1", (3, 10))],
)
def test_version_comes_from_the_package(make_host: MakeHost, package: str, numbers: tuple[int, ...]) -> None:
    assert version(make_host(version=package)) == numbers


def meant(host: TreeHost) -> list[str]:
    return [service.name for service in login_services(host) if meant_for_logins(host, service)]


@pytest.mark.parametrize(
    ("main", "master", "names"),
    [
        ("", SMTP, []),
        ("smtp_sasl_auth_enable = yes\nrelayhost = smtp.example.net\n", SMTP, []),
        ("smtpd_sasl_auth_enable = no\n", SMTP, []),
        ("smtpd_sasl_auth_enable = yes\n", SMTP, ["smtp"]),
        ("smtpd_sasl_auth_enable = ja\n", SMTP, ["smtp"]),
        ("smtpd_sasl_auth_enabled = yes\n", SMTP, ["smtp"]),
        ("", SMTP + SUBMISSION, ["submission"]),
        ("smtpd_sasl_auth_enable = yes\n", SMTP + SUBMISSION, ["smtp", "submission"]),
        (
            "smtpd_sasl_auth_enable = yes\n",
            SMTP + " -o smtpd_sasl_auth_enable=no\n" + SUBMISSION,
            ["submission"],
        ),
        ("", SMTP + "submission inet n - y - - smtpd\n", ["submission"]),
        ("", SMTP + "465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes\n", ["465"]),
        ("", SMTP + "2525 inet n - y - - smtpd\n", []),
        ("", SMTP + "2525 inet n - y - - smtpd -o smtpd_sasl_type=dovecot\n", ["2525"]),
        ("smtpd_sasl_path = private/auth\n", SMTP, []),
    ],
)
def test_meant_for_logins(make_host: MakeHost, main: str, master: str, names: list[str]) -> None:
    assert meant(make_host(main, master)) == names


def test_auth_switched_off_beside_an_smtpd_conf_is_no_decision(make_host: MakeHost) -> None:
    conf = {"/etc/postfix/sasl/smtpd.conf": "pwcheck_method: saslauthd\n"}
    assert meant(make_host("smtpd_sasl_auth_enable = no\n", SMTP, **conf)) == ["smtp"]


def test_the_admin_says_that_logins_are_meant(make_host: MakeHost) -> None:
    host = make_host("", SMTP)
    host.intended = "sasldb"
    assert meant(host) == ["smtp"]


def test_signs_of_logins(make_host: MakeHost) -> None:
    assert signs_of_logins(make_host(MAIN_CF + "smtp_sasl_auth_enable = yes\n")) == ()
    conf = "/etc/postfix/sasl/smtpd.conf"
    host = make_host("smtpd_sasl_path = smtpd\n", **{conf: "mech_list: plain\n"})
    assert signs_of_logins(host) == (
        Sourced("smtpd_sasl_path = smtpd", at("main.cf", 1)),
        Sourced("is there", Source(conf)),
    )


def test_what_is_no_file_is_named_and_never_opened(make_host: MakeHost) -> None:
    import os

    host = make_host()
    main = host.here("/etc/postfix/main.cf")
    os.remove(main)
    with pytest.raises(Missing, match=r"/etc/postfix/main.cf: no such file"):
        login_services(host)
    os.mkfifo(main)
    host.memory.clear()
    with pytest.raises(NotRegular, match=r"/etc/postfix/main.cf: is a FIFO"):
        login_services(host)


def test_a_main_cf_of_20_megabytes_is_no_main_cf(make_host: MakeHost) -> None:
    with pytest.raises(TooLarge, match=r"/etc/postfix/main.cf"):
        login_services(make_host("a = b\n" * 4_000_000))

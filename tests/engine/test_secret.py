"""Passwords are taken out of whatever a check shows; what only sounds like one stays."""

import pytest

from maildoctor.check import Check, run
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import TreeHost
from maildoctor.secret import masked


@pytest.mark.parametrize(
    "line",
    [
        "sql_passwd: geheim und lang",
        "ldapdb_pw: geheim",
        'OPTIONS="-O ldap_password=geheim -c -m /run/saslauthd"',
        "saslauthd -a rimap -O imap://hoge:geheim@imap.example.com/143 -c",
        "connect = host=192.0.2.1 dbname=mail user=mail password=geheim",
        "dnpass = geheim",
        "auth required pam_mysql.so user=mail passwd=geheim host=192.0.2.1",
        "-O hoge:geheim@imap.example.com",
        "first line\npassword = geheim\nlast line",
        'password="ge\\"geheim" host=x',
    ],
)
def test_passwords_are_hidden(line: str) -> None:
    assert "geheim" not in masked(line)
    assert "***" in masked(line)


@pytest.mark.parametrize(
    "line",
    [
        "smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd",
        "pwcheck_method: saslauthd",
        "hoge@mail.example.com",
        "check_sender_access hash:/etc/postfix/x@y",
        "ldap_servers: ldap://192.0.2.1/",
        "smtpd_tls_key_file = /etc/ssl/private/key.pem",
        "0710 root:sasl",
    ],
)
def test_the_rest_stays(line: str) -> None:
    assert masked(line) == line


def test_no_check_need_think_of_it() -> None:
    def leaks(host: object) -> list[Finding]:
        text = "password=geheim"
        return [Finding(summary=text, subject=text, found=text, evidence=(Evidence("x", text),))]

    check = Check("leaks", Stage.HYGIENE, leaks, False, (), False, False, False)
    (result,) = run(check, TreeHost("/nonexistent"), ())
    assert "geheim" not in repr(result.findings)

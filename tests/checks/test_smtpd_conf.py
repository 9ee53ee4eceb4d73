"""The checks of smtpd.conf, on a Debian 12 as a directory tree."""

from pathlib import Path

import pytest

from maildoctor.finding import Evidence, Impact, Severity, Stage
from maildoctor.host import TreeHost
from maildoctor.remedy import MakeDirectory, MoveFile, Remedy, RestartUnit, SetLine, WriteFile
from tests.checks.tree import ask, mail_server

CONF = "/etc/postfix/sasl/smtpd.conf"
FILE = "etc__postfix__sasl__smtpd.conf"
DEFAULTS = 'START=yes\nMECHANISMS="pam"\nOPTIONS="-c -m /var/spool/postfix/var/run/saslauthd"\n'
SASLAUTHD = {"etc__default__saslauthd": DEFAULTS, "etc__init.d__saslauthd": '[ "$START" != "yes" ]\n'}
EVERY = (
    "smtpd-conf-missing",
    "smtpd-conf-misplaced",
    "sasl-config-path-wrong",
    "smtpd-conf-syntax",
    "smtpd-conf-unreadable",
    "smtpd-conf-unknown-key",
    "smtpd-conf-option-twice",
    "smtpd-conf-left-over",
    "saslauthd-not-asked",
    "pwcheck-method-unknown",
    "pwcheck-method-alwaystrue",
    "auxprop-plugin-unknown",
    "mech-list-unknown",
    "mech-list-unserved",
)


def named(root: Path, text: str, main: str = "") -> dict[str, Severity]:
    """Give what the checks of this file find in an smtpd.conf."""
    host = mail_server(root, main, **{FILE: text}, **SASLAUTHD)
    return {code: found[0].severity for code in EVERY if (found := ask(host, code))}


@pytest.mark.parametrize(
    "text",
    [
        "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n",
        "Pwcheck_Method:saslauthd\r\nMECH_LIST:  plain login  ",
        "# comment\n\npwcheck_method: saslauthd auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN CRAM-MD5\n",
        "pwcheck_method: saslauthd\nlog_level: 7\n",
        "pwcheck_method: saslauthd\npwcheck_method: SASLAUTHD\n",
    ],
)
def test_what_works_is_no_fault(tmp_path: Path, text: str) -> None:
    assert named(tmp_path, text) == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pwcheck_method = saslauthd\n", "smtpd-conf-syntax"),
        ("\ufeffpwcheck_method: saslauthd\n", "smtpd-conf-syntax"),
        ("pwcheck_metod: saslauthd\n", "smtpd-conf-unknown-key"),
        ("pwcheck_method: auxprop\npwcheck_method: saslauthd\n", "smtpd-conf-option-twice"),
        ("mech_list: PLAIN LOGIN\n", "saslauthd-not-asked"),
        ("pwcheck_method: auxprop\n", "saslauthd-not-asked"),
        ("pwcheck_method: pam\n", "pwcheck-method-unknown"),
        ('pwcheck_method: "saslauthd"\n', "pwcheck-method-unknown"),
        ("pwcheck_method: alwaystrue\n", "pwcheck-method-alwaystrue"),
        ("pwcheck_method: saslauthd\nmech_list: plain,login\n", "mech-list-unknown"),
        ("pwcheck_method: saslauthd\nmech_list: CRAM-MD5\n", "mech-list-unserved"),
    ],
)
def test_each_fault_alone(tmp_path: Path, text: str, code: str) -> None:
    assert named(tmp_path, text) == {code: Severity.ERROR}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pwcheck_method: saslauthd\nsome_option: x\n", "smtpd-conf-unknown-key"),
        ("pwcheck_method: saslauthd\nmech_list: PLAIN CRAM-MD5\n", "mech-list-unserved"),
        ("pwcheck_method: saslauthd courier\n", "pwcheck-method-unknown"),
    ],
)
def test_what_is_worth_knowing(tmp_path: Path, text: str, code: str) -> None:
    assert named(tmp_path, text) == {code: Severity.INFO}


def test_a_syntax_fault_as_a_whole(tmp_path: Path) -> None:
    host = mail_server(tmp_path, **{FILE: "pwcheck_method = saslauthd\n"})
    (found,) = ask(host, "smtpd-conf-syntax")
    assert found.stage is Stage.CONFIGURED
    assert found.impact is Impact.ALL_LOGINS
    assert found.evidence == (Evidence(f"{CONF}:1", "pwcheck_method = saslauthd"),)
    assert found.remedy == Remedy.safe(
        WriteFile(CONF, "pwcheck_method: saslauthd\n", mode=0o644), RestartUnit("postfix")
    )


def test_with_auth_on_25_it_stops_incoming_mail(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "smtpd_sasl_auth_enable = yes\n", **{FILE: "word\n"})
    assert ask(host, "smtpd-conf-syntax")[0].impact is Impact.INCOMING_MAIL


@pytest.mark.parametrize(
    "line", ["sql_passwd = geheim", "sql_passwd geheim", "\ufeffldapdb_pw=geheim", "\tSQL_PASSWORD geheim"]
)
def test_a_password_is_never_shown(tmp_path: Path, line: str) -> None:
    text = f"{line}\npwcheck_method: auxprop\nauxprop_plugin: sql\n"
    (found,) = ask(mail_server(tmp_path, **{FILE: text}), "smtpd-conf-syntax")
    assert "geheim" not in repr(found)


def test_a_misplaced_file_moves(tmp_path: Path) -> None:
    host = mail_server(tmp_path, **SASLAUTHD, etc__sasl2__smtpd_conf="")
    (tmp_path / "etc/postfix/sasl/smtpd.conf").rename(tmp_path / "etc/sasl2/smtpd.conf")
    (found,) = ask(host, "smtpd-conf-misplaced")
    assert found.remedy == Remedy.safe(MoveFile("/etc/sasl2/smtpd.conf", CONF), RestartUnit("postfix"))
    (tmp_path / "etc/postfix/sasl").rmdir()
    (found,) = ask(TreeHost(str(tmp_path)), "smtpd-conf-misplaced")
    assert found.remedy.options[0].actions[0] == MakeDirectory("/etc/postfix/sasl")


def test_without_a_file_saslauthd_is_not_asked(tmp_path: Path) -> None:
    host = mail_server(tmp_path, **SASLAUTHD)
    (tmp_path / "etc/postfix/sasl/smtpd.conf").unlink()
    (found,) = ask(host, "smtpd-conf-missing")
    assert found.remedy.options[0].actions[0] == WriteFile(
        CONF, "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n"
    )


def test_without_a_file_and_without_saslauthd_nothing_is_missing(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    (tmp_path / "etc/postfix/sasl/smtpd.conf").unlink()
    assert ask(host, "smtpd-conf-missing") == ()


def test_a_misspelt_key_is_set_under_its_right_name(tmp_path: Path) -> None:
    host = mail_server(tmp_path, **{FILE: "pwcheck_metod: saslauthd\n"})
    (found,) = ask(host, "smtpd-conf-unknown-key")
    assert found.remedy.options[0].actions[0] == SetLine(CONF, "pwcheck_method", ": ", "saslauthd")

"""Dovecot's auth process: mechanisms that it cannot serve or does not know, and its password databases."""

from pathlib import Path

import pytest

from maildoctor.dovecot.config import DOVECOT_CONF
from maildoctor.dovecot.passdb import pam_service, passdbs
from maildoctor.finding import Evidence
from maildoctor.remedy import Remedy, RestartUnit, Safety, SetLine
from tests.checks.test_dovecot import dovecot_server
from tests.checks.tree import ask
from tests.trees.tree import as_root

pytestmark = as_root

CONF = "/etc/dovecot/conf.d/10-auth.conf"
PAM = "passdb {\n  driver = pam\n}\n"
NEW = "dovecot_config_version = 2.4.0\n!include conf.d/*.conf\n"
CODES = [
    "dovecot-mechanism-unserved",
    "dovecot-mechanism-unknown",
    "dovecot-passdb-missing",
    "dovecot-passdb-unprepared",
    "dovecot-passdb-driver-missing",
    "dovecot-worker-unprivileged",
]


@pytest.mark.parametrize(
    ("text", "main", "found"),
    [
        (PAM, "", []),
        ("auth_mechanisms = plain login\n" + PAM, "", []),
        ("auth_mechanisms = plain cram-md5\n" + PAM, "", ["dovecot-mechanism-unserved"]),
        ("auth_mechanisms = SCRAM-SHA-256\npassdb pam {\n}\n", NEW, ["dovecot-mechanism-unserved"]),
        ("auth_mechanisms = cram-md5\npassdb {\n  driver = passwd-file\n  args = %u\n}\n", "", []),
        ("auth_mechanisms = plain cram-md5\n" + PAM + "passdb {\n  driver = sql\n}\n", "", []),
        ("auth_mechanisms = plain logn\n" + PAM, "", ["dovecot-mechanism-unknown"]),
        ("auth_mechanisms = plain, login\n" + PAM, "", ["dovecot-mechanism-unknown"]),
        ("auth_mechanisms = plain, login\npassdb pam {\n}\n", NEW, []),
        ("auth_mechanisms = plain login\n", "", ["dovecot-passdb-missing"]),
        ("passdb {\n  driver = pam\n  deny = yes\n}\n", "", ["dovecot-passdb-missing"]),
        ("passdb {\n  driver = passwd-file\n  args = /etc/none\n}\n", "", ["dovecot-passdb-unprepared"]),
        ("passdb {\n  driver = passwd-file\n  args = /etc/%d\n}\n", "", []),
        (PAM + "passdb {\n  driver = passwd-file\n  args = /etc/none\n}\n", "", []),
        (PAM + "service auth-worker {\n  user = vmail\n}\n", "", ["dovecot-worker-unprivileged"]),
        (PAM + "service auth-worker {\n  user = root\n}\n", "", []),
        ("passdb {\n  driver = sql\n}\nservice auth-worker {\n  user = vmail\n}\n", "", []),
    ],
)
def test_what_keeps_it_from_serving(tmp_path: Path, text: str, main: str, found: list[str]) -> None:
    host = dovecot_server(tmp_path, **{CONF[1:]: text})
    if main:
        (tmp_path / DOVECOT_CONF[1:]).write_text(main)
    assert [code for code in CODES if ask(host, code)] == found


def test_a_driver_without_its_package(tmp_path: Path) -> None:
    host = dovecot_server(tmp_path, **{CONF[1:]: "passdb {\n  driver = ldap\n}\n"})
    assert not ask(host, "dovecot-passdb-driver-missing")  # Of a tree without modules nothing is said.
    (tmp_path / "usr/lib/dovecot/modules/auth").mkdir(parents=True)
    host.memory.clear()
    (finding,) = ask(host, "dovecot-passdb-driver-missing")
    assert (finding.subject, finding.remedy.safety) == ("dovecot-ldap", Safety.MANUAL)


def test_the_mechanism_is_taken_away_where_it_stands(tmp_path: Path) -> None:
    host = dovecot_server(tmp_path, **{CONF[1:]: "auth_mechanisms = plain login cram-md5\n" + PAM})
    (finding,) = ask(host, "dovecot-mechanism-unserved")
    assert finding.evidence == (
        Evidence(f"{CONF}:1", "auth_mechanisms = plain login cram-md5"),
        Evidence(f"{CONF}:2", "passdb pam"),
    )
    line = SetLine(CONF, "auth_mechanisms", " = ", "plain login")
    assert finding.remedy == Remedy.safe(line, RestartUnit("dovecot"), RestartUnit("postfix"))


def test_an_include_that_is_not_there_leaves_it_open(tmp_path: Path) -> None:
    host = dovecot_server(tmp_path, **{CONF[1:]: "!include auth-sql.conf.ext\n"})
    with pytest.raises(AssertionError, match="auth-sql"):
        ask(host, "dovecot-passdb-missing")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ("", "dovecot"),
        ("  args = session=yes dovecot\n", "dovecot"),
        ("  args = mail\n", "mail"),
        ("  args = %s\n", "smtp"),
        ("  args = *\n", "smtp"),
        ("  service_name = imap\n", "imap"),
    ],
)
def test_which_pam_service_is_asked(tmp_path: Path, settings: str, name: str) -> None:
    host = dovecot_server(tmp_path, **{CONF[1:]: f"passdb {{\n  driver = pam\n{settings}}}\n"})
    (passdb,) = passdbs(host) or ()
    assert pam_service(passdb) == name

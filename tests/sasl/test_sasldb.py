"""sasldb2 of a host: where it is looked for, and who is in it."""

import os
import shutil
from pathlib import Path

import pytest

from maildoctor.postfix.service import Service
from maildoctor.sasl.sasldb import Account, Place, alone, database, default_realm, in_use, outside, place
from maildoctor.source import Source, Sourced
from tests.checks.tree import mail_server, service

TEN = Path(__file__).parents[2] / "fixtures/sasldb2/debian-12-10.db"
AUXPROP = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"


def test_accounts_are_user_and_realm(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    shutil.copy(TEN, tmp_path / "etc/sasldb2")
    found = database(host, "/etc/sasldb2")
    assert found is not None
    assert len(found.accounts) == 10
    assert found.accounts[0] == Account("user-1", "realm1.example.com")
    assert str(found.accounts[0]) == "user-1@realm1.example.com"
    assert found.fault == ""


@pytest.mark.parametrize("target", ["nowhere", "sasldb2"])
def test_a_link_that_leads_nowhere_is_no_database(tmp_path: Path, target: str) -> None:
    host = mail_server(tmp_path)
    (tmp_path / "etc/sasldb2").symlink_to(target)
    assert database(host, "/etc/sasldb2") is None


def test_a_directory_is_a_database_with_a_fault(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    (tmp_path / "etc/sasldb2").mkdir()
    found = database(host, "/etc/sasldb2")
    assert found is not None
    assert found.fault == "is a directory, not a regular file"


def test_hard_links_are_one_file_and_copies_are_not(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    first = tmp_path / "etc/sasldb2"
    shutil.copy(TEN, first)
    os.link(first, tmp_path / "etc/second")
    shutil.copy2(first, tmp_path / "etc/copy")
    one, two, copy = (database(host, f"/etc/{name}") for name in ("sasldb2", "second", "copy"))
    assert one
    assert two
    assert copy
    assert one.same_file(two)
    assert not one.same_file(copy)


@pytest.mark.parametrize(
    ("conf", "used", "only"),
    [
        (AUXPROP, True, True),
        ("pwcheck_method: saslauthd auxprop\n", True, False),
        ("pwcheck_method: saslauthd\n", False, False),
        ("pwcheck_method: auxprop\nauxprop_plugin: sql\n", False, False),
        ("mech_list: PLAIN\n", True, True),
    ],
)
def test_whether_sasldb2_is_asked(tmp_path: Path, conf: str, used: bool, only: bool) -> None:
    host = mail_server(tmp_path, etc__postfix__sasl__smtpd_conf="")
    (tmp_path / "etc/postfix/sasl/smtpd.conf").write_text(conf)
    submission = service(host)
    assert (in_use(host, submission), alone(host, submission)) == (used, only)


def test_the_place_is_seen_from_inside_the_chroot(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    (tmp_path / "etc/postfix/sasl/smtpd.conf").write_text(f"{AUXPROP}sasldb_path: /etc/users\n")
    where = place(host, service(host))
    assert where == Place("/etc/users", "/var/spool/postfix", Source("/etc/postfix/sasl/smtpd.conf", 3))
    assert where.on_host == "/var/spool/postfix/etc/users"
    assert outside(host, service(host)) is None


@pytest.mark.parametrize(
    ("local_domain", "realm"),
    [("", "mail.example.com"), ("example.com", "example.com"), (" ", "mail.example.com")],
)
def test_the_realm_of_a_name_without_at(local_domain: str, realm: str) -> None:
    parameters = {
        "smtpd_sasl_local_domain": Sourced(local_domain),
        "myhostname": Sourced("mail.example.com"),
    }
    smtpd = Service("submission", "submission/inet", None, 587, None, Source("x"), {}, parameters)
    assert default_realm(smtpd) == realm

"""Tables, daemons and directories without which a logged-in client gets nowhere."""

import os
from pathlib import Path

import pytest

from maildoctor.finding import Impact
from maildoctor.remedy import ChangeOwner, Remedy, RestartUnit
from tests.checks.tree import SMTP, SUBMISSION, ask, mail_server
from tests.trees.tree import as_root

DAEMONS = """\
cleanup unix n - y - 0 cleanup
rewrite unix - - y - - trivial-rewrite
proxymap unix - - n - - proxymap
tlsmgr unix - - y 1000? 1 tlsmgr
"""


@pytest.mark.parametrize(
    ("main", "found"),
    [
        ("virtual_alias_maps = hash:/etc/postfix/virtual\n", ["/etc/postfix/virtual.db"]),
        ("virtual_alias_maps = proxy:hash:/etc/postfix/virtual\n", ["/etc/postfix/virtual.db"]),
        ("transport_maps = texthash:/etc/postfix/there\n", []),
        ("transport_maps = mysql:/etc/postfix/there\n", ["transport_maps"]),
        ("mydestination = $myhostname, /etc/postfix/domains\n", ["/etc/postfix/domains"]),
        ("virtual_mailbox_maps = hash:/etc/postfix/boxes\n", ["/etc/postfix/boxes.db"]),
        ("alias_maps = hash:/etc/none\n", []),
        ("smtpd_sender_login_maps = hash:/etc/postfix/owners\n", []),
        (
            "smtpd_sender_login_maps = hash:/etc/postfix/owners\n"
            "smtpd_sender_restrictions = reject_sender_login_mismatch\n",
            ["/etc/postfix/owners.db"],
        ),
        (
            "relay_domains = hash:/etc/postfix/r\nvirtual_alias_domains = hash:/etc/postfix/r\n",
            ["/etc/postfix/r.db"],
        ),
        ("virtual_alias_maps = inline:{ {a=b} } static:x tcp:localhost:10001 ldap:names\n", []),
    ],
)
def test_tables_that_every_recipient_is_looked_up_in(tmp_path: Path, main: str, found: list[str]) -> None:
    types = {"etc/postfix/dynamicmaps.cf": "ldap\tpostfix-ldap.so.1.0.1\tdict_ldap_open\n"}
    host = mail_server(tmp_path, main, etc__postfix__there="", **types)
    assert [each.subject for each in ask(host, "lookup-table-missing")] == found


@pytest.mark.parametrize(
    ("main", "without", "found"),
    [
        ("", "", []),
        ("", "cleanup", ["cleanup/unix"]),
        ("cleanup_service_name = pre-cleanup\n", "", ["pre-cleanup/unix"]),
        ("", "rewrite", ["rewrite/unix"]),
        ("", "tlsmgr", []),
        ("smtpd_tls_security_level = may\n", "tlsmgr", ["tlsmgr/unix"]),
        ("local_recipient_maps =\n", "proxymap", []),
        ("local_recipient_maps = proxy:unix:passwd.byname\n", "proxymap", ["proxymap/unix"]),
    ],
)
def test_daemons_that_smtpd_asks(tmp_path: Path, main: str, without: str, found: list[str]) -> None:
    daemons = "".join(line for line in DAEMONS.splitlines(True) if not line.startswith(without or "-"))
    host = mail_server(tmp_path, main, SMTP + SUBMISSION + daemons)
    findings = ask(host, "companion-service-missing")
    assert [each.subject for each in findings] == found
    assert all(each.impact is Impact.INCOMING_MAIL for each in findings)


@as_root
def test_a_directory_of_the_queue_in_other_hands(tmp_path: Path) -> None:
    passwd = "root:x:0:0::/root:/bin/sh\npostfix:x:5001:5002::/var/spool/postfix:/bin/false\n"
    host = mail_server(tmp_path, etc__passwd=passwd, etc__group="root:x:0:\npostfix:x:5002:\n")
    private = tmp_path / "var/spool/postfix/private"
    private.mkdir(parents=True, mode=0o700)
    from maildoctor.check import all_checks, run

    check = next(each for each in all_checks() if each.code == "queue-subdirectory-impassable")
    (result,) = run(check, host, ())
    (finding,) = result.findings
    path = "/var/spool/postfix/private"
    assert (finding.subject, finding.found) == (path, "0700 root:root")
    assert finding.remedy == Remedy.safe(ChangeOwner(path, "postfix", "root", 0o700), RestartUnit("postfix"))
    os.chown(private, 5001, 0)
    host.memory.clear()
    (result,) = run(check, host, ())
    assert result.findings == ()


@pytest.mark.parametrize(
    ("table", "before", "found"),
    [
        ("mail.example.com REJECT\n", "", True),
        ("mail.example.com 550 no\n", "", True),
        ("mail.example.com OK\n", "", False),
        ("spammer.example REJECT\n", "", False),
        ("mail.example.com REJECT\n", "permit_sasl_authenticated,", False),
    ],
)
def test_senders_of_our_own(tmp_path: Path, table: str, before: str, found: bool) -> None:
    main = f"smtpd_sender_restrictions = {before} check_sender_access texthash:/etc/postfix/own\n"
    host = mail_server(tmp_path, main, etc__postfix__own=table)
    assert bool(ask(host, "own-senders-refused")) == found

"""Dovecot's socket: each way in which an smtpd does not get at it, and what mends it."""

import os
import socket
from pathlib import Path

import pytest

from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import TreeHost
from maildoctor.remedy import (
    ChangeOwner,
    Remedy,
    RemoveServiceOption,
    RestartUnit,
    Safety,
    SetParameter,
    SetServiceOption,
    WriteFile,
)
from tests.checks.tree import SMTP, SUBMISSION, ask, mail_server
from tests.trees.tree import as_root

pytestmark = as_root

QUEUE = "/var/spool/postfix"
MAIN = "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {}\n"
PASSWD = "root:x:0:0::/root:/bin/sh\npostfix:x:5001:5002::/var/spool/postfix:/bin/false\n"
GROUP = "root:x:0:\npostfix:x:5002:\n"
LISTENER = """\
service auth {{
  unix_listener {} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""
FILE = "/etc/dovecot/conf.d/99-postfix.conf"
CODES = [
    "dovecot-socket-outside-chroot",
    "dovecot-socket-path-wrong",
    "dovecot-socket-missing",
    "dovecot-socket-unreachable",
    "sasl-type-dovecot-meant",
]
OWN = """\
# Postfix's smtpd asks here: smtpd_sasl_type = dovecot.
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
"""


def dovecot_server(
    root: Path,
    path: str = "private/auth",
    main: str = MAIN,
    told: str | None = f"{QUEUE}/private/auth",
    bound: str | None = f"{QUEUE}/private/auth",
    **files: str,
) -> TreeHost:
    """A server whose Dovecot is ``told`` to listen at one place, and has ``bound`` a socket at another."""
    contents = {"etc/passwd": PASSWD, "etc/group": GROUP, "usr/sbin/dovecot": ""}
    contents["etc/dovecot/dovecot.conf"] = "!include conf.d/*.conf\n"
    contents[FILE[1:]] = LISTENER.format(told) if told else ""
    host = mail_server(root, main.format(path), **contents, **files)
    (root / "var/spool/postfix/private").mkdir(parents=True)
    for directory in (root, *(each for each in root.rglob("*") if each.is_dir())):
        directory.chmod(0o755)
    os.chown(root / "var/spool/postfix/private", 5001, 0)
    (root / "var/spool/postfix/private").chmod(0o700)
    if bound:
        bind(root / bound[1:])
    return host


def bind(path: Path, mode: int = 0o660, owner: int = 5001) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    os.chown(path, owner, owner and 5002)
    path.chmod(mode)


def codes(root: Path) -> list[str]:
    return [each.code for code in CODES for each in ask(TreeHost(str(root)), code)]


@pytest.mark.parametrize("path", ["private/auth", "unix:private/auth", "/private/auth"])
def test_the_usual_socket_is_healthy(tmp_path: Path, path: str) -> None:
    dovecot_server(tmp_path, path)
    assert codes(tmp_path) == []


def test_a_dovecot_elsewhere_is_not_judged(tmp_path: Path) -> None:
    dovecot_server(tmp_path, "inet:192.0.2.20:12345", told=None, bound=None)
    assert codes(tmp_path) == []


def test_a_tree_without_its_sockets_is_not_blamed(tmp_path: Path) -> None:
    dovecot_server(tmp_path, bound=None)
    assert codes(tmp_path) == []


def test_outside_the_chroot_is_whole(tmp_path: Path) -> None:
    path = f"{QUEUE}/private/auth"
    host = dovecot_server(tmp_path, path)
    assert ask(host, "dovecot-socket-outside-chroot") == (
        Finding(
            code="dovecot-socket-outside-chroot",
            stage=Stage.REACHABLE,
            services=("submission",),
            summary=f"Dovecot listens at {path}, but smtpd looks for it inside {QUEUE}",
            subject=f"{QUEUE}{path}",
            impact=Impact.ALL_LOGINS,
            expected=f"Dovecot's socket at {QUEUE}{path}",
            found=f"a socket at {path}",
            evidence=(
                Evidence("/etc/postfix/main.cf:6", f"smtpd_sasl_path = {path}"),
                Evidence("chroot", QUEUE),
                Evidence(f"connect to {path} as postfix, inside {QUEUE}", "No such file or directory"),
            ),
            proof=f"ls -l {path} {QUEUE}{path}",
            remedy=Remedy.safe(SetParameter("smtpd_sasl_path", "private/auth"), RestartUnit("postfix")),
            explains=("service-throttled", "no-mechanism-left"),
        ),
    )
    assert codes(tmp_path) == ["dovecot-socket-outside-chroot"]


def test_where_incoming_mail_stops_as_well(tmp_path: Path) -> None:
    host = dovecot_server(tmp_path, f"{QUEUE}/private/auth", main=f"smtpd_sasl_auth_enable = yes\n{MAIN}")
    (finding,) = ask(host, "dovecot-socket-outside-chroot")
    assert finding.impact is Impact.INCOMING_MAIL


def test_dovecots_own_directory_is_outside_and_needs_one_more_socket(tmp_path: Path) -> None:
    host = dovecot_server(
        tmp_path,
        "/run/dovecot/auth-client",
        told="/run/dovecot/auth-client",
        bound="/run/dovecot/auth-client",
    )
    (finding,) = ask(host, "dovecot-socket-outside-chroot")
    assert finding.remedy.safety is Safety.CHOICE
    assert finding.remedy.options[0].actions == (
        WriteFile("/etc/dovecot/conf.d/zz-postfix-auth.conf", OWN),
        RestartUnit("dovecot"),
        SetParameter("smtpd_sasl_path", "private/auth"),
        RestartUnit("postfix"),
    )


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("private/dovecot-auth", "not where Dovecot is told to listen"),
        ("smtpd", "not where Dovecot is told to listen"),
        ("private/Auth", "not where Dovecot is told to listen"),
        ("private", "a directory, not a socket"),
        ("private/auth-userdb", "a socket of Dovecot that speaks another protocol"),
    ],
)
def test_a_wrong_path(tmp_path: Path, path: str, found: str) -> None:
    host = dovecot_server(tmp_path, path)
    (finding,) = ask(host, "dovecot-socket-path-wrong")
    assert finding.found == f"{path}: {found}"
    assert finding.remedy == Remedy.safe(
        SetParameter("smtpd_sasl_path", "private/auth"), RestartUnit("postfix")
    )
    assert codes(tmp_path) == ["dovecot-socket-path-wrong"]


def test_a_wrong_path_of_one_service_is_mended_there(tmp_path: Path) -> None:
    master = (
        "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_sasl_path=private/x\n"
    )
    host = dovecot_server(tmp_path, master=SMTP + master)
    (finding,) = ask(host, "dovecot-socket-path-wrong")
    action = SetServiceOption("submission/inet", "smtpd_sasl_path", "private/auth")
    assert finding.remedy.options[0].actions[0] == action


def test_dovecot_is_not_told_to_listen(tmp_path: Path) -> None:
    host = dovecot_server(tmp_path, told=None, bound=None)
    (finding,) = ask(host, "dovecot-socket-missing")
    assert finding.found == "nothing"
    assert finding.remedy.options[0].actions == (
        WriteFile("/etc/dovecot/conf.d/zz-postfix-auth.conf", OWN),
        RestartUnit("dovecot"),
        RestartUnit("postfix"),
    )
    assert codes(tmp_path) == ["dovecot-socket-missing"]


@pytest.mark.parametrize(("mode", "owner"), [(0o600, 0), (0o660, 0)])
def test_a_socket_that_keeps_smtpd_out(tmp_path: Path, mode: int, owner: int) -> None:
    host = dovecot_server(tmp_path, bound=None)
    bind(tmp_path / QUEUE[1:] / "private/auth", mode, owner)
    (finding,) = ask(host, "dovecot-socket-unreachable")
    assert finding.subject == f"{QUEUE}/private/auth"
    assert Evidence(f"{FILE}:2", "mode = 0660, user = postfix, group = postfix") in finding.evidence
    assert finding.remedy.options[0].actions[0] == WriteFile("/etc/dovecot/conf.d/zz-postfix-auth.conf", OWN)
    assert codes(tmp_path) == ["dovecot-socket-unreachable"]


def test_a_directory_that_keeps_smtpd_out(tmp_path: Path) -> None:
    host = dovecot_server(tmp_path)
    os.chown(tmp_path / QUEUE[1:] / "private", 0, 0)
    (finding,) = ask(host, "dovecot-socket-unreachable")
    closed = ChangeOwner(f"{QUEUE}/private", "postfix", "root", 0o700)
    assert finding.remedy == Remedy.safe(closed, RestartUnit("postfix"))


@pytest.mark.parametrize(
    "main", ["smtpd_sasl_type = cyrus\nsmtpd_sasl_path = {}\n", "smtpd_sasl_path = {}\n"]
)
def test_cyrus_with_a_socket_for_a_name(tmp_path: Path, main: str) -> None:
    host = dovecot_server(tmp_path, main=main)
    (finding,) = ask(host, "sasl-type-dovecot-meant")
    assert finding.remedy == Remedy.safe(SetParameter("smtpd_sasl_type", "dovecot"), RestartUnit("postfix"))
    assert (finding.stage, finding.severity) == (Stage.CONFIGURED, Severity.ERROR)


def test_cyrus_with_a_socket_for_a_name_where_no_dovecot_listens(tmp_path: Path) -> None:
    master = f"{SMTP}{SUBMISSION}  -o smtpd_sasl_path=private/auth\n"
    host = dovecot_server(tmp_path, main="", told=None, bound=None, master=master)
    (finding,) = ask(host, "sasl-type-dovecot-meant")
    assert [option.name for option in finding.remedy.options] == ["dovecot", "cyrus"]
    assert finding.remedy.options[0].actions[0] == SetServiceOption(
        "submission/inet", "smtpd_sasl_type", "dovecot"
    )
    assert finding.remedy.options[1].actions[0] == RemoveServiceOption("submission/inet", "smtpd_sasl_path")

"""The checks of saslauthd's settings and of the way to its socket, on trees (Debian 12 and 13)."""

import os
from pathlib import Path

import pytest
from maildoctor_checks import saslauthd_daemon

from maildoctor.finding import Evidence, Severity
from maildoctor.remedy import (
    AddUserToGroup,
    ReloadUnit,
    Remedy,
    RestartUnit,
    SetLine,
    StatOverride,
    System,
    UnmaskUnit,
)
from tests.checks.tree import SMTP, ask, mail_server, service
from tests.trees.tree import as_root

DEFAULTS = "/etc/default/saslauthd"
IN_CHROOT = "/var/spool/postfix/var/run/saslauthd"
UNIT = """\
[Service]
Type=forking
PIDFile=/var/run/saslauthd/saslauthd.pid
EnvironmentFile=/etc/default/saslauthd
ExecStart=/usr/sbin/saslauthd -a $MECHANISMS $MECH_OPTIONS $OPTIONS -n $THREADS
RuntimeDirectory=saslauthd
"""
DROP_IN = f"[Service]\nPIDFile={IN_CHROOT}/saslauthd.pid\n"
UNCHROOTED = SMTP + "submission inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
ACCOUNTS = {
    "etc__passwd": "root:x:0:0::/root:/bin/sh\npostfix:x:100:103::/var/spool/postfix:/bin/false\n",
    "etc__group": "root:x:0:\npostfix:x:103:\nsasl:x:45:postfix\n",
}
EVERY = (
    "saslauthd-start-not-yes",
    "saslauthd-not-enabled",
    "saslauthd-defaults-syntax",
    "saslauthd-defaults-missing",
    "saslauthd-options-wrong",
    "saslauthd-pidfile-mismatch",
    "saslauthd-directory-missing",
    "saslauthd-instance-ignored",
    "saslauthd-socket-outside-chroot",
    "saslauthd-socket-in-chroot-unchrooted",
    "saslauthd-socket-elsewhere",
    "saslauthd-path-without-mux",
    "saslauthd-path-wrong",
    "postfix-not-in-group-sasl",
    "saslauthd-directory-impassable",
    "saslauthd-mechanism-unknown",
    "saslauthd-mechanism-unprepared",
    "saslauthd-sasldb-empty",
    "saslauthd-realm-combined",
    "pam-service-refuses",
    "pam-module-missing",
)


def defaults(start: str = "START=yes\n", mechanisms: str = "pam", directory: str = IN_CHROOT) -> str:
    return f'{start}MECHANISMS="{mechanisms}"\nTHREADS=5\nOPTIONS="-c -m {directory}"\n'


def old(**files: str) -> dict[str, str]:
    """Give a Debian 12's files."""
    script = {"etc__init.d__saslauthd": '[ "$START" != "yes" ]\n', "etc__rc2.d__S01saslauthd": ""}
    program = {"usr__sbin__saslauthd": "", "etc__pam.d__other": "auth required pam_unix.so\n"}
    return {"etc__default__saslauthd": defaults(), **script, **program, **ACCOUNTS, **files}


def new(**files: str) -> dict[str, str]:
    """Give a Debian 13's files."""
    base = "etc__systemd__system__"
    unit = {"usr__lib__systemd__system__saslauthd.service": UNIT}
    unit[f"{base}multi-user.target.wants__saslauthd.service"] = ""
    unit[f"{base}saslauthd.service.d__chroot.conf"] = DROP_IN
    directory = {"var__spool__postfix__var__run__saslauthd__.keep": ""}
    return old(**{**unit, **directory, **files})


def named(root: Path, files: dict[str, str], main: str = "", **kwargs: str) -> list[str]:
    host = mail_server(root, main, **kwargs, **files)
    return [code for code in EVERY if any(each.severity > Severity.INFO for each in ask(host, code))]


def test_the_usual_arrangement_has_no_fault(tmp_path: Path) -> None:
    assert named(tmp_path / "12", old()) == []
    assert named(tmp_path / "13", new()) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (defaults(start=""), "saslauthd-start-not-yes"),
        (defaults(start="START=no\n"), "saslauthd-start-not-yes"),
        (defaults(start="START=Yes\n"), "saslauthd-start-not-yes"),
        (defaults(directory="/var/run/saslauthd"), "saslauthd-socket-outside-chroot"),
        (defaults(directory="/var/spool/postfix/run/saslauthd"), "saslauthd-socket-elsewhere"),
        (defaults(mechanisms="pam,shadow"), "saslauthd-mechanism-unknown"),
        (defaults(mechanisms="rimap"), "saslauthd-mechanism-unprepared"),
        (defaults(mechanisms="ldap"), "saslauthd-mechanism-unprepared"),
        (defaults(mechanisms="sasldb"), "saslauthd-sasldb-empty"),
        (f"START=yes\nMECHANISMS=pam\nOPTIONS=-c -m {IN_CHROOT}\n", "saslauthd-defaults-syntax"),
    ],
)
def test_the_settings_of_debian_12(tmp_path: Path, text: str, code: str) -> None:
    assert code in named(tmp_path, old(etc__default__saslauthd=text))


def test_an_instance_of_another_name_starts_as_well(tmp_path: Path) -> None:
    files = {"etc__default__saslauthd": defaults(start=""), "etc__default__saslauthd-postfix": defaults()}
    assert named(tmp_path, old(**files)) == []


def test_on_debian_13_it_is_ignored(tmp_path: Path) -> None:
    files = {"etc__default__saslauthd": defaults(directory="/var/run/saslauthd")}
    files |= {
        "etc__default__saslauthd-postfix": defaults(),
        "etc__systemd__system__saslauthd.service.d__chroot.conf": "",
    }
    assert "saslauthd-instance-ignored" in named(tmp_path, new(**files))


def test_the_unit_of_debian_13_waits_elsewhere(tmp_path: Path) -> None:
    host = mail_server(tmp_path, **new(**{"etc__systemd__system__saslauthd.service.d__chroot.conf": ""}))
    (found,) = ask(host, "saslauthd-pidfile-mismatch")
    assert (found.expected, found.found) == (
        f"PIDFile={IN_CHROOT}/saslauthd.pid",
        "PIDFile=/var/run/saslauthd/saslauthd.pid",
    )
    drop_in, restart = found.remedy.options[0].actions
    assert f"PIDFile={IN_CHROOT}/saslauthd.pid\n" in repr(drop_in).replace("\\n", "\n")
    assert restart == RestartUnit("saslauthd")


def test_start_as_a_whole(tmp_path: Path) -> None:
    host = mail_server(tmp_path, **old(etc__default__saslauthd=defaults(start="START=no\n")))
    (found,) = ask(host, "saslauthd-start-not-yes")
    assert [str(each.source) for each in found.evidence] == [f"{DEFAULTS}:1"]
    assert found.remedy == Remedy.safe(SetLine(DEFAULTS, "START", "=", "yes"), RestartUnit("saslauthd"))


def test_a_broken_line_beside_a_sound_one_is_left_to_the_admin(tmp_path: Path) -> None:
    host = mail_server(tmp_path, **old(etc__default__saslauthd=defaults() + 'OPTIONS="-c -m\n'))
    (found,) = ask(host, "saslauthd-defaults-syntax")
    assert (found.found, found.remedy.options) == ('OPTIONS="-c -m', ())


def test_a_masked_saslauthd_is_unmasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = mail_server(tmp_path, **new())
    (tmp_path / "etc/systemd/system/saslauthd.service").symlink_to("/dev/null")
    monkeypatch.setattr(saslauthd_daemon, "unit_state", lambda _: None)
    (found,) = saslauthd_daemon.saslauthd_not_running(host, service(host))
    assert Evidence("/etc/systemd/system/saslauthd.service", "is a link to /dev/null") in found.evidence
    assert found.remedy.options[0].actions == (UnmaskUnit("saslauthd"), RestartUnit("saslauthd"))
    assert UnmaskUnit("saslauthd").command(System()) == "systemctl unmask saslauthd"


def test_the_group_is_missed_before_the_directory_is_there(tmp_path: Path) -> None:
    files = old(etc__group="root:x:0:\npostfix:x:103:\nsasl:x:45:\n")
    (found,) = ask(mail_server(tmp_path, **files), "postfix-not-in-group-sasl")
    assert found.remedy == Remedy.safe(AddUserToGroup("postfix", "sasl"), ReloadUnit("postfix"))


@as_root
def test_no_other_group_is_given_to_postfix(tmp_path: Path) -> None:
    group = "root:x:0:\npostfix:x:103:\nsasl:x:45:postfix\nshadow:x:5042:\n"
    host = mail_server(tmp_path, **old(etc__group=group, **{f"{IN_CHROOT[1:]}/.keep".replace("/", "__"): ""}))
    os.chmod(tmp_path / IN_CHROOT[1:], 0o710)
    os.chown(tmp_path / IN_CHROOT[1:], 0, 5042)
    assert not ask(host, "postfix-not-in-group-sasl")
    (found,) = ask(host, "saslauthd-directory-impassable")
    assert found.remedy == Remedy.safe(StatOverride(IN_CHROOT, "root", "sasl", 0o710))


def test_a_unit_and_a_service_that_agree_are_left_as_they_are(tmp_path: Path) -> None:
    files = new(
        etc__default__saslauthd=defaults(directory="/run/authd"),
        **{"etc__systemd__system__saslauthd.service.d__chroot.conf": ""},
    )
    (found,) = ask(mail_server(tmp_path, master=UNCHROOTED, **files), "saslauthd-socket-elsewhere")
    options = SetLine(DEFAULTS, "OPTIONS", "=", '"-c -m /var/run/saslauthd"')
    assert found.remedy == Remedy.safe(options, RestartUnit("saslauthd"))
    assert "saslauthd-pidfile-mismatch" in found.explains


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/var/run/saslauthd", "saslauthd-path-without-mux"),
        (f"{IN_CHROOT}/mux", "saslauthd-path-wrong"),
        ("/run/elsewhere/mux", "saslauthd-path-wrong"),
        ("/var/run/saslauthd/mux", ""),
    ],
)
def test_saslauthd_path(tmp_path: Path, path: str, code: str) -> None:
    conf = f"pwcheck_method: saslauthd\nsaslauthd_path: {path}\n"
    files = old(
        **{"etc__postfix__sasl__smtpd.conf": conf, "var__spool__postfix__var__run__saslauthd__.keep": ""}
    )
    found = [each for each in named(tmp_path, files) if each.startswith("saslauthd-path")]
    assert found == ([code] if code else [])


def test_a_wrong_saslauthd_path_is_what_was_found(tmp_path: Path) -> None:
    conf = "pwcheck_method: saslauthd\nsaslauthd_path: /var/run/saslauthd\n"
    host = mail_server(tmp_path, **old(**{"etc__postfix__sasl__smtpd.conf": conf}))
    (found,) = ask(host, "saslauthd-path-without-mux")
    assert (found.expected, found.found) == (f"{IN_CHROOT}/mux", IN_CHROOT)


def test_an_unchrooted_service_does_not_look_into_the_chroot(tmp_path: Path) -> None:
    assert "saslauthd-socket-in-chroot-unchrooted" in named(tmp_path, old(), master=UNCHROOTED)


def test_dovecot_needs_no_saslauthd(tmp_path: Path) -> None:
    main = "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n"
    assert named(tmp_path, old(etc__default__saslauthd=defaults(start="")), main) == []

"""sasldb2: each way in which an smtpd does not get at its users, and what mends it."""

import os
import shutil
from pathlib import Path

import pytest

from maildoctor.check import all_checks, run
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import TreeHost
from maildoctor.remedy import (
    AddUserToGroup,
    ChangeOwner,
    HardLink,
    MakeDirectory,
    MoveFile,
    ReloadUnit,
    Remedy,
    RestartUnit,
    Safety,
    SetLine,
    SetParameter,
    SetSaslPassword,
    SymbolicLink,
)
from tests.checks.tree import ask, mail_server
from tests.trees.tree import as_root

pytestmark = as_root

RECORDED = Path(__file__).parents[2] / "fixtures/sasldb2"
TEN, NOBODY = RECORDED / "debian-12-10.db", RECORDED / "debian-12-none.db"
INSIDE = "/var/spool/postfix/etc/sasldb2"
PASSWD = "root:x:0:0::/root:/bin/sh\npostfix:x:5001:5002::/var/spool/postfix:/bin/false\n"
GROUP = "root:x:0:\nsasl:x:5003:{}\npostfix:x:5002:\n"
PLUGIN = {"usr/lib/x86_64-linux-gnu/sasl2/libsasldb.so": ""}
AUXPROP = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"


def sasldb_server(root: Path, main: str = "", conf: str = AUXPROP, members: str = "") -> TreeHost:
    """A working server: /etc/sasldb2 for group postfix, hard linked into the chroot."""
    host = mail_server(root, main, etc__passwd=PASSWD, etc__group=GROUP.format(members), **PLUGIN)
    (root / "etc/postfix/sasl/smtpd.conf").write_text(conf)
    queue = root / "var/spool/postfix/etc"
    queue.mkdir(parents=True)
    shutil.copy(TEN, root / "etc/sasldb2")
    os.chown(root / "etc/sasldb2", 0, 5002)
    (root / "etc/sasldb2").chmod(0o640)
    (queue / "sasldb2").hardlink_to(root / "etc/sasldb2")
    for directory in (root, *(each for each in root.rglob("*") if each.is_dir())):
        directory.chmod(0o755)
    return host


def ask_all(root: Path) -> list[str]:
    """Give the codes of all findings about sasldb2 above information."""
    host = TreeHost(str(root))
    codes = [each.code for each in all_checks() if "sasldb" in each.code]
    found = [finding for code in codes for finding in _ask(host, code)]
    return [each.code for each in found if each.severity > Severity.INFO]


def _ask(host: TreeHost, code: str) -> tuple[Finding, ...]:
    check = next(each for each in all_checks() if each.code == code)
    if check.per_service:
        return ask(host, code)
    return next(iter(run(check, host, []))).findings


def test_a_hard_link_is_healthy(tmp_path: Path) -> None:
    sasldb_server(tmp_path)
    assert ask_all(tmp_path) == []


def test_a_symbolic_link_into_the_chroot_is_healthy(tmp_path: Path) -> None:
    sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").unlink()
    (tmp_path / "etc/sasldb2").symlink_to(INSIDE)
    assert ask_all(tmp_path) == []


def test_users_in_the_chroot_alone_are_healthy(tmp_path: Path) -> None:
    """As after ``saslpasswd2 -f``; the package's own file lies outside, with nobody in it."""
    sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").unlink()
    shutil.copy(NOBODY, tmp_path / "etc/sasldb2")
    assert ask_all(tmp_path) == []


def test_another_verifier_makes_sasldb2_no_matter(tmp_path: Path) -> None:
    sasldb_server(tmp_path, conf="pwcheck_method: saslauthd\n")
    (tmp_path / INSIDE[1:]).unlink()
    assert ask_all(tmp_path) == []


def test_missing_in_the_chroot_is_whole(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / INSIDE[1:]).unlink()
    assert ask(host, "sasldb-missing-in-chroot") == (
        Finding(
            code="sasldb-missing-in-chroot",
            stage=Stage.REACHABLE,
            services=("submission",),
            summary=f"/etc/sasldb2 is outside the chroot: smtpd looks for {INSIDE}",
            subject=INSIDE,
            expected="the same file as /etc/sasldb2",
            found="no such file",
            evidence=(
                Evidence("chroot", "/var/spool/postfix"),
                Evidence(f"stat {INSIDE}", "No such file or directory"),
                Evidence("stat /etc/sasldb2", "0640 root:postfix"),
            ),
            proof=f"ls -li /etc/sasldb2 {INSIDE}",
            remedy=Remedy.safe(HardLink("/etc/sasldb2", INSIDE)),
        ),
    )


def test_a_missing_directory_of_the_chroot_is_made(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    shutil.rmtree(tmp_path / "var/spool/postfix/etc")
    (finding,) = ask(host, "sasldb-missing-in-chroot")
    directory = MakeDirectory("/var/spool/postfix/etc")
    assert finding.remedy == Remedy.safe(directory, HardLink("/etc/sasldb2", INSIDE))


def test_missing_in_the_chroot_and_unreadable_are_both_named(tmp_path: Path) -> None:
    sasldb_server(tmp_path)
    (tmp_path / INSIDE[1:]).unlink()
    os.chown(tmp_path / "etc/sasldb2", 0, 0)
    assert ask_all(tmp_path) == ["sasldb-missing-in-chroot", "sasldb-unreadable"]


def test_with_a_second_verifier_only_some_cannot_log_in(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path, conf="pwcheck_method: saslauthd auxprop\nauxprop_plugin: sasldb\n")
    (tmp_path / INSIDE[1:]).unlink()
    (finding,) = ask(host, "sasldb-missing-in-chroot")
    assert finding.impact is Impact.SOME_LOGINS


@pytest.mark.parametrize("target", ["/etc/sasldb2", "../../../../etc/sasldb2", "/srv/sasldb2"])
def test_a_link_that_leads_nowhere_inside(tmp_path: Path, target: str) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / INSIDE[1:]).unlink()
    (tmp_path / INSIDE[1:]).symlink_to(target)
    (finding,) = ask(host, "sasldb-link-out-of-chroot")
    assert finding.found == f"a symbolic link to {target}"
    assert finding.remedy == Remedy.safe(HardLink("/etc/sasldb2", INSIDE))
    assert ask_all(tmp_path) == ["sasldb-link-out-of-chroot"]


def test_a_wrong_sasldb_path_leads_back_to_the_users(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path, conf=f"{AUXPROP}sasldb_path: /etc/users\n")
    (finding,) = ask(host, "sasldb-missing")
    assert finding.evidence[0] == Evidence("/etc/postfix/sasl/smtpd.conf:3", "sasldb_path: /etc/users")
    back = SetLine("/etc/postfix/sasl/smtpd.conf", "sasldb_path", ": ", "/etc/sasldb2")
    assert finding.remedy.options[0].actions == (back, RestartUnit("postfix"))


@pytest.mark.parametrize("in_the_way", [False, True])
def test_where_var_is_a_file_system_of_its_own_the_file_moves_into_the_chroot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_the_way: bool
) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / INSIDE[1:]).unlink()
    if in_the_way:
        (tmp_path / INSIDE[1:]).symlink_to("/etc/sasldb2")
    monkeypatch.setattr("maildoctor_checks._sasldb._device", lambda host, path: path.startswith("/var"))
    (finding,) = ask(host, "sasldb-link-out-of-chroot" if in_the_way else "sasldb-missing-in-chroot")
    aside = (MoveFile(INSIDE, f"{INSIDE}.old"),) * in_the_way
    moved = (MoveFile("/etc/sasldb2", INSIDE), SymbolicLink(INSIDE, "/etc/sasldb2"))
    assert finding.remedy.options[0].actions == (*aside, *moved)


@pytest.mark.parametrize(
    ("gid", "mode", "members", "action"),
    [
        (5003, 0o660, "", ChangeOwner(INSIDE, "root", "postfix", 0o640)),
        (0, 0o600, "", ChangeOwner(INSIDE, "root", "postfix", 0o640)),
        (5003, 0o660, "cyrus", AddUserToGroup("postfix", "sasl")),
    ],
)
def test_unreadable_is_mended_by_the_least_change(
    tmp_path: Path, gid: int, mode: int, members: str, action: object
) -> None:
    host = sasldb_server(tmp_path, members=members)
    os.chown(tmp_path / "etc/sasldb2", 0, gid)
    (tmp_path / "etc/sasldb2").chmod(mode)
    (finding,) = ask(host, "sasldb-unreadable")
    assert finding.remedy.options[0].actions[0] == action
    assert ask_all(tmp_path) == ["sasldb-unreadable"]


def test_a_closed_directory_on_the_way_is_named(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "var/spool/postfix/etc").chmod(0o700)
    (finding,) = ask(host, "sasldb-unreadable")
    assert finding.subject == "/var/spool/postfix/etc"
    assert finding.remedy == Remedy.safe(ChangeOwner("/var/spool/postfix/etc", "root", "root", 0o701))


@pytest.mark.parametrize("content", [b"", b"hoge@example.com secret\n" * 50, TEN.read_bytes()[:5000]])
def test_what_is_no_database(tmp_path: Path, content: bytes) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").write_bytes(content)
    (finding,) = ask(host, "sasldb-corrupt")
    assert (finding.subject, finding.remedy.options) == (INSIDE, ())
    assert ask_all(tmp_path) == ["sasldb-corrupt"]


def copy_into_chroot(root: Path, source: Path) -> None:
    (root / INSIDE[1:]).unlink()
    shutil.copy2(source, root / INSIDE[1:])
    os.chown(root / INSIDE[1:], 0, 5002)
    (root / INSIDE[1:]).chmod(0o640)


def test_a_copy_that_is_still_the_same_warns(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    copy_into_chroot(tmp_path, tmp_path / "etc/sasldb2")
    (finding,) = ask(host, "sasldb-stale-copy")
    (option,) = finding.remedy.options
    assert (finding.severity, finding.remedy.safety) == (Severity.WARNING, Safety.SAFE)
    assert option.actions == (HardLink("/etc/sasldb2", INSIDE),)


def test_a_copy_without_its_users_is_an_error_that_names_them(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    copy_into_chroot(tmp_path, NOBODY)
    (finding,) = ask(host, "sasldb-stale-copy")
    assert (finding.severity, finding.impact) == (Severity.ERROR, Impact.ALL_LOGINS)
    first = ", ".join(f"user-{number}@realm{number % 7}.example.com" for number in (1, 10, 2, 3, 4))
    assert finding.summary == f"{INSIDE} is an old copy of /etc/sasldb2: {first} and 5 more cannot log in"
    assert ask_all(tmp_path) == ["sasldb-stale-copy"]


def test_a_copy_with_users_of_its_own_is_not_thrown_away_unasked(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    copy_into_chroot(tmp_path, RECORDED / "debian-12-200.db")
    (finding,) = ask(host, "sasldb-stale-copy")
    assert finding.severity is Severity.WARNING
    assert finding.remedy.safety is Safety.CHOICE


def test_readable_by_others_counts_only_where_others_get_there(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").chmod(0o644)
    (finding,) = _ask(host, "sasldb-readable-by-others")
    assert (finding.impact, finding.remedy) == (
        Impact.DANGER,
        Remedy.safe(ChangeOwner("/etc/sasldb2", "root", "postfix", 0o640)),
    )
    (tmp_path / "etc").chmod(0o750)
    (tmp_path / "var").chmod(0o750)
    assert _ask(TreeHost(str(tmp_path)), "sasldb-readable-by-others") == ()


def test_closing_a_file_that_only_its_open_mode_let_smtpd_read(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").chmod(0o644)
    os.chown(tmp_path / "etc/sasldb2", 0, 0)
    (finding,) = _ask(host, "sasldb-readable-by-others")
    assert finding.remedy == Remedy.safe(ChangeOwner("/etc/sasldb2", "root", "postfix", 0o640))


def test_writable_for_smtpd_is_information(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").chmod(0o660)
    (finding,) = ask(host, "sasldb-writable-by-smtpd")
    assert finding.severity is Severity.INFO


EXTRA = 'chroot_extra_files="etc/resolv.conf /etc/sasldb2"\n'


def test_chroot_extra_files_will_break_the_link(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/default").mkdir()
    (tmp_path / "etc/default/postfix").write_text(EXTRA)
    (finding,) = _ask(host, "chroot-extra-files-break-sasldb")
    line = SetLine("/etc/default/postfix", "chroot_extra_files", "=", '"etc/resolv.conf"')
    assert (finding.severity, finding.remedy) == (Severity.WARNING, Remedy.safe(line))


def test_chroot_extra_files_broke_the_link(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/default").mkdir()
    (tmp_path / "etc/default/postfix").write_text(EXTRA)
    copy_into_chroot(tmp_path, tmp_path / "etc/sasldb2")
    (finding,) = _ask(host, "chroot-extra-files-break-sasldb")
    assert finding.severity is Severity.ERROR
    assert finding.remedy.options[0].actions[1:] == (HardLink("/etc/sasldb2", INSIDE),)


def test_debian_13_copies_with_care(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    for name, text in {"etc/default/postfix": EXTRA, "usr/lib/postfix/syncfiles.pl": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert _ask(host, "chroot-extra-files-break-sasldb") == ()


def test_nobody_is_in_it(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").write_bytes(NOBODY.read_bytes())
    (finding,) = ask(host, "sasldb-empty")
    assert (finding.stage, finding.summary) == (
        Stage.VERIFYING,
        f"{INSIDE} has no users, so nobody can log in",
    )
    assert ask_all(tmp_path) == ["sasldb-empty"]


@pytest.mark.parametrize(
    ("main", "severity"),
    [
        ("", Severity.INFO),
        ("smtpd_sasl_local_domain = $myhostname\n", Severity.INFO),
        ("smtpd_sasl_local_domain = example.net\n", Severity.ERROR),
        ("smtpd_sasl_local_domain = realm1.example.com\n", None),
        ("myhostname = realm3.example.com\n", None),
    ],
)
def test_the_realm_of_names_without_at(tmp_path: Path, main: str, severity: Severity | None) -> None:
    host = sasldb_server(tmp_path, main)
    found = ask(host, "sasldb-realm-mismatch")
    assert [each.severity for each in found] == ([] if severity is None else [severity])
    if severity is Severity.ERROR:
        action = found[0].remedy.options[1].actions[0]
        assert action == SetParameter("smtpd_sasl_local_domain", "realm1.example.com")
        assert found[0].remedy.options[1].actions[1] == ReloadUnit("postfix")


LOG = "Nov 24 10:00:0{} mail postfix/smtpd[9]: "
REFUSED = "warning: mail.example.net[192.0.2.9]: SASL PLAIN authentication failed: authentication failure, "
TAKEN = "4F1: client=mail.example.net[192.0.2.9], sasl_method=PLAIN, "


@pytest.mark.parametrize(
    ("lines", "severity"),
    [
        ([f"{REFUSED}sasl_username=user-1"], Severity.ERROR),
        ([f"{REFUSED}sasl_username=admin"], Severity.INFO),
        (
            [f"{REFUSED}sasl_username=user-1", f"{TAKEN}sasl_username=user-2@realm2.example.com"],
            Severity.INFO,
        ),
    ],
)
def test_the_log_tells_which_names_people_use(tmp_path: Path, lines: list[str], severity: Severity) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "var/log").mkdir(parents=True)
    text = "".join(LOG.format(number) + line + "\n" for number, line in enumerate(lines))
    (tmp_path / "var/log/mail.log").write_text(text)
    (finding,) = ask(host, "sasldb-realm-mismatch")
    assert finding.severity is severity


def one_account(user: str, realm: str) -> bytes:
    """Make a hash file with one account."""
    import struct

    meta = struct.pack("<QIIIIBBBBII", 0, 0, 0x061561, 9, 512, 0, 8, 0, 0, 0, 1)
    key, value = f"\1{user}\0{realm}\0userPassword".encode(), b"\1secret"
    begin = 512 - len(key)
    page = struct.pack("<QIIIHHBBHH", 0, 1, 0, 0, 2, begin - len(value), 1, 13, begin, begin - len(value))
    return meta.ljust(512, b"\0") + page.ljust(begin - len(value), b"\0") + value + key


@pytest.mark.parametrize(
    ("user", "realm", "codes"),
    [
        ("example.com", "hoge", ["sasldb-arguments-swapped"]),
        ("mail.example.com", "hoge", ["sasldb-arguments-swapped"]),
        ("hoge", "mail.example.com", []),
        ("hoge", "example.com", []),
        ("john.doe", "mail.example.com", []),
        ("john.doe", "CORP", ["sasldb-realm-mismatch"]),
        ("hoge", "mail", ["sasldb-realm-mismatch"]),
        ("hoge", "Mail.Example.com", ["sasldb-realm-mismatch"]),
    ],
)
def test_one_account(tmp_path: Path, user: str, realm: str, codes: list[str]) -> None:
    sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").write_bytes(one_account(user, realm))
    assert ask_all(tmp_path) == codes


def test_swapped_arguments_are_put_right(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").write_bytes(one_account("example.com", "hoge"))
    (finding,) = ask(host, "sasldb-arguments-swapped")
    assert (
        finding.summary == f"{INSIDE} has example.com@hoge in place of hoge@example.com: -u takes the domain"
    )
    assert finding.remedy.options[0].actions == (SetSaslPassword("hoge", "example.com", INSIDE),)
    assert "saslpasswd2 -d" in finding.remedy.notes


def test_no_password_is_ever_in_a_finding(tmp_path: Path) -> None:
    host = sasldb_server(tmp_path)
    (tmp_path / "etc/sasldb2").write_bytes(one_account("example.com", "hoge"))
    codes = [each.code for each in all_checks() if "sasldb" in each.code]
    assert "secret" not in repr([_ask(host, code) for code in codes])

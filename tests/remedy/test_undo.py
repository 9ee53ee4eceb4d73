"""Every kind of action, applied to a real directory and undone: all is as before, to the byte and the bit."""

import os
import struct
from pathlib import Path

import pytest

from maildoctor.remedy import (
    Action,
    AddUserToGroup,
    ChangeOwner,
    EnableUnit,
    HardLink,
    MakeDirectory,
    MoveFile,
    RestartUnit,
    SetLine,
    StartUnit,
    StatOverride,
    SymbolicLink,
    UnitDropIn,
    WriteFile,
)
from maildoctor.remedy.engine import Repair, undo
from maildoctor.remedy.journal import records
from maildoctor.remedy.plan import arrange
from maildoctor.remedy.record import Status
from maildoctor.remedy.trouble import ChangedSince, RepairFailed

from .conftest import FakeSite, inventory

CHROOT_SASLDB = "/var/spool/postfix/etc/sasldb2"
ACL = "system.posix_acl_access"


def mend(site: FakeSite, *actions: Action) -> str:
    repair = Repair(site)
    repair.mean([{"code": "some-fault", "summary": "Something is wrong."}])
    repair.apply(arrange([("some-fault", actions)]))
    repair.end(Status.DONE)
    return repair.journal.name


def add_member(site: FakeSite) -> None:
    def adduser(quiet: str, user: str, group: str) -> tuple[int, str]:
        for name in ("group", "gshadow"):
            path = Path(site.root, "etc", name)
            old = path.read_text()
            Path(f"{path}-").write_text(old)
            path.write_text(old.replace("dovecot", f"dovecot,{user}"))
        return 0, ""

    site.programs["adduser"] = adduser


def play_statoverride(site: FakeSite) -> None:
    def statoverride(*words: str) -> tuple[int, str]:
        path = Path(site.root, "var/lib/dpkg/statoverride")
        lines = path.read_text().splitlines()
        lines = [line for line in lines if not line.endswith(words[-1])]
        if "--add" in words:
            lines.insert(0, " ".join(words[2:]))
            os.chown(site.root + words[-1], 0, 109)
            os.chmod(site.root + words[-1], int(words[4], 8))
        path.write_text("".join(f"{line}\n" for line in lines))
        return 0, ""

    site.programs["dpkg-statoverride"] = statoverride


def play_enable(site: FakeSite) -> None:
    systemctl = site.programs["systemctl"]

    def enabling(verb: str, *names: str) -> tuple[int, str]:
        if verb == "enable":
            wants = Path(site.root, "etc/systemd/system/multi-user.target.wants")
            wants.mkdir(parents=True)
            (wants / f"{names[0]}.service").symlink_to(f"/lib/systemd/system/{names[0]}.service")
        return systemctl(verb, *names)

    site.programs["systemctl"] = enabling


ACTIONS: dict[str, tuple[Action, ...]] = {
    "a line": (SetLine("/etc/default/saslauthd", "START", "=", "yes"),),
    "a file over another": (WriteFile("/etc/default/saslauthd", "START=yes\n", "root", "sasl", 0o640),),
    "a file in new directories": (WriteFile("/etc/new/below/smtpd.conf", "pwcheck_method: saslauthd\n"),),
    "owner and mode": (ChangeOwner("/etc/sasldb2", "root", "postfix", 0o640),),
    "a hard link": (HardLink("/etc/sasldb2", CHROOT_SASLDB),),
    "a file moved, a link left": (
        MoveFile("/etc/sasldb2", CHROOT_SASLDB),
        SymbolicLink(CHROOT_SASLDB, "/etc/sasldb2"),
    ),
    "a directory": (MakeDirectory("/var/spool/postfix/var/run/saslauthd", "root", "sasl", 0o710),),
    "an existing directory": (MakeDirectory("/var/spool/postfix/etc", "root", "sasl", 0o710),),
    "a drop-in": (UnitDropIn("saslauthd.service", "[Service]\nPIDFile=/run/a.pid\n"),),
    "a member": (AddUserToGroup("postfix", "sasl"),),
    "an override": (StatOverride("/etc/sasldb2", "root", "postfix", 0o640),),
    "a service": (StartUnit("saslauthd"),),
    "a service at boot": (EnableUnit("saslauthd"),),
    "all at once": (
        SetLine("/etc/default/saslauthd", "START", "=", "yes"),
        SetLine("/etc/default/saslauthd", "OPTIONS", "=", '"-c"'),
        AddUserToGroup("postfix", "sasl"),
        StatOverride("/etc/sasldb2", "root", "postfix", 0o640),
        HardLink("/etc/sasldb2", CHROOT_SASLDB),
        RestartUnit("saslauthd"),
        RestartUnit("postfix"),
    ),
}


@pytest.mark.parametrize("actions", ACTIONS.values(), ids=list(ACTIONS))
def test_undo_brings_everything_back(site: FakeSite, actions: tuple[Action, ...]) -> None:
    for play in (add_member, play_statoverride, play_enable):
        play(site)
    before, running = inventory(site.root), set(site.active)
    name = mend(site, *actions)
    assert inventory(site.root) != before or site.active != running
    assert [record.status for record in records(site)] == [Status.DONE]
    assert undo(site, name) == []
    assert inventory(site.root) == before
    assert site.active == running
    assert [record.status for record in records(site)] == [Status.UNDONE]
    assert not os.path.exists(f"{site.root}/var/lib/maildoctor/runs/{name}/contents")


@pytest.mark.parametrize("name", sorted(ACTIONS.keys() - {"a file moved, a link left"}))
def test_doing_it_twice_changes_nothing(site: FakeSite, name: str) -> None:
    play_statoverride(site)
    mend(site, *ACTIONS[name])
    once = inventory(site.root)
    mend(site, *ACTIONS[name])
    assert inventory(site.root) == once


def test_stale_copy_becomes_a_link_and_a_copy_again(site: FakeSite) -> None:
    copy = Path(site.root + CHROOT_SASLDB)
    copy.write_bytes(b"old")
    before = inventory(site.root)
    name = mend(site, HardLink("/etc/sasldb2", CHROOT_SASLDB))
    assert os.path.samefile(copy, site.root + "/etc/sasldb2")
    undo(site, name)
    assert inventory(site.root) == before


def test_replaced_file_keeps_its_other_names(site: FakeSite) -> None:
    copy, backup = Path(site.root + CHROOT_SASLDB), Path(site.root, "backup")
    copy.write_bytes(b"old")
    os.link(copy, backup)
    before = inventory(site.root)
    name = mend(site, HardLink("/etc/sasldb2", CHROOT_SASLDB))
    undo(site, name)
    assert inventory(site.root) == before
    assert os.path.samefile(copy, backup)
    assert os.stat(backup).st_nlink == 2


def test_file_of_two_names_is_written_in_place(site: FakeSite) -> None:
    path, other = Path(site.root, "etc/default/saslauthd"), Path(site.root, "other")
    os.link(path, other)
    before = inventory(site.root)
    name = mend(site, SetLine("/etc/default/saslauthd", "START", "=", "yes"))
    assert "START=yes" in other.read_text()
    undo(site, name)
    assert inventory(site.root) == before


def test_links_acls_and_attributes_survive(site: FakeSite) -> None:
    link, path = Path(site.root, "etc/default/saslauthd"), Path(site.root, "srv/saslauthd")
    path.parent.mkdir()
    link.rename(path)
    link.symlink_to("/srv/saslauthd")
    # acl(5)'s binary form: version 2; user::rw-, user:103:r--, group::r--, mask::r--, other::---
    entries = ((1, 6, -1), (2, 4, 103), (4, 4, -1), (16, 4, -1), (32, 0, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(path, "user.note", b"mine")
        os.setxattr(path, ACL, acl)
    except OSError:
        pytest.skip("this file system has no extended attributes")
    before = inventory(site.root)
    name = mend(site, SetLine("/etc/default/saslauthd", "START", "=", "yes"))
    assert link.is_symlink()
    assert (os.getxattr(path, "user.note"), os.getxattr(path, ACL)) == (b"mine", acl)
    undo(site, name)
    assert inventory(site.root) == before
    name = mend(site, ChangeOwner("/srv/saslauthd", "root", "sasl", 0o640))
    assert ACL not in os.listxattr(path)
    undo(site, name)
    assert inventory(site.root) == before


def test_dead_socket_and_pid_file_come_back(site: FakeSite) -> None:
    import socket

    run = Path(site.root, "run/saslauthd")
    run.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(run / "mux"))
    (run / "saslauthd.pid").write_text("77\n")
    before = inventory(site.root)
    name = mend(site, RestartUnit("saslauthd"))
    (run / "mux").unlink()
    (run / "saslauthd.pid").unlink()
    (run / "mux.accept").write_text("")
    undo(site, name)
    after = inventory(site.root)
    assert after.keys() == before.keys()
    assert after["/run/saslauthd/mux"][:3] == before["/run/saslauthd/mux"][:3]
    assert after["/run/saslauthd/saslauthd.pid"] == before["/run/saslauthd/saslauthd.pid"]


def test_edit_since_is_not_overwritten_but_by_force(site: FakeSite) -> None:
    original = Path(site.root, "etc/default/saslauthd").read_text()
    name = mend(site, SetLine("/etc/default/saslauthd", "START", "=", "yes"))
    Path(site.root, "etc/default/saslauthd").write_text("START=yes\nMECHANISMS=ldap\nldap_password: s3cret\n")
    with pytest.raises(ChangedSince) as caught:
        undo(site, name)
    [(path, lines)] = caught.value.differences
    assert path == "/etc/default/saslauthd"
    assert "+MECHANISMS=ldap" in lines
    assert not any("s3cret" in line for line in lines)
    assert "ldap" in Path(site.root, "etc/default/saslauthd").read_text()
    assert records(site)[0].status is Status.DONE
    assert undo(site, name, force=True) == []
    assert Path(site.root, "etc/default/saslauthd").read_text() == original


def test_later_run_stands_before_an_earlier_one(site: FakeSite) -> None:
    before = inventory(site.root)
    first = mend(site, SetLine("/etc/default/saslauthd", "START", "=", "yes"))
    second = mend(site, SetLine("/etc/default/saslauthd", "MECHANISMS", "=", "shadow"))
    with pytest.raises(ChangedSince):
        undo(site, first)
    undo(site, second)
    undo(site, first)
    assert inventory(site.root) == before


def test_others_in_the_group_stay(site: FakeSite) -> None:
    add_member(site)
    name = mend(site, AddUserToGroup("postfix", "sasl"))
    for file in ("group", "gshadow"):
        path = Path(site.root, "etc", file)
        path.write_text(path.read_text().replace("dovecot,postfix", "dovecot,postfix,cyrus"))
    undo(site, name)
    assert "sasl:x:45:dovecot,cyrus\n" in Path(site.root, "etc/group").read_text()
    assert "sasl:*::dovecot,cyrus\n" in Path(site.root, "etc/gshadow").read_text()


def test_other_overrides_stay(site: FakeSite) -> None:
    play_statoverride(site)
    name = mend(site, StatOverride("/etc/sasldb2", "root", "postfix", 0o640))
    path = Path(site.root, "var/lib/dpkg/statoverride")
    path.write_text(path.read_text() + "root mail 755 /usr/bin/mutt_dotlock\n")
    undo(site, name)
    lines = path.read_text().splitlines()
    assert "root mail 755 /usr/bin/mutt_dotlock" in lines
    assert "root sasl 660 /etc/sasldb2" in lines
    assert "root postfix 640 /etc/sasldb2" not in lines


def test_failure_takes_the_whole_run_back(site: FakeSite) -> None:
    site.programs["adduser"] = lambda *_: (1, "adduser: no such group\n")
    before = inventory(site.root)
    repair = Repair(site)
    steps = arrange([("x", (SetLine("/etc/default/saslauthd", "START", "=", "yes"),
                            AddUserToGroup("postfix", "sasl")))])  # fmt: skip
    with pytest.raises(RepairFailed, match="no such group"):
        repair.apply(steps)
    assert repair.take_back() == []
    repair.end(Status.TAKEN_BACK)
    assert inventory(site.root) == before


def test_planted_links_are_not_followed(site: FakeSite) -> None:
    victim = Path(site.root, "etc/gshadow")
    private = Path(site.root, "var/spool/postfix/private")
    private.mkdir()
    os.chown(private, 103, 0)
    (private / "conf").symlink_to("/etc/gshadow")
    (private / ".conf2.maildoctor").symlink_to("/etc/gshadow")
    (Path(site.root) / "var/spool/postfix/planted").symlink_to("/etc")
    os.lchown(Path(site.root, "var/spool/postfix/planted"), 103, 109)
    old = victim.read_bytes()
    actions: list[Action] = [
        WriteFile("/var/spool/postfix/private/conf", "x"),
        ChangeOwner("/var/spool/postfix/private/conf", "root", "root", 0o666),
        WriteFile("/var/spool/postfix/planted/gshadow", "x"),
        MakeDirectory("/var/spool/postfix/private/conf", "root", "root", 0o777),
    ]
    for action in actions:
        with pytest.raises(RepairFailed, match="symbolic link"):
            mend(site, action)
    mend(site, WriteFile("/var/spool/postfix/private/conf2", "x"))
    assert victim.read_bytes() == old
    assert victim.stat().st_mode & 0o777 == 0o640

"""Reachable: may smtpd, as user postfix, go all the way to saslauthd's socket?"""

import os
import stat
from collections.abc import Iterator
from shlex import quote

from maildoctor.access import may
from maildoctor.check import check
from maildoctor.debian.accounts import Account, account, group_name, groups
from maildoctor.debian.ownership import owners, stat_evidence
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host, Step
from maildoctor.postfix.service import Service
from maildoctor.remedy import (
    AddUserToGroup,
    ChangeOwner,
    ReloadUnit,
    Remedy,
    RestartUnit,
    StatOverride,
    UnitDropIn,
)
from maildoctor.remedy.action import Action
from maildoctor.sasl.intention import needs_saslauthd
from maildoctor.sasl.saslauthd_ownership import as_made
from maildoctor.sasl.saslauthd_reach import Fault, Reach, reach, real
from maildoctor.sasl.saslauthd_unit import NAME, unit
from maildoctor_checks._saslauthd import drop_in_name, impact, let_in


def _way(host: Host, service: Service) -> Reach | None:
    return reach(host, service) if needs_saslauthd(host, service) else None


@check(Stage.REACHABLE)
def postfix_not_in_group_sasl(host: Host, service: Service) -> Iterator[Finding]:
    """User postfix is not a member of the group that may enter saslauthd's directory.

    What:
        smtpd may not pass the directory of saslauthd's socket. Every login ends with 454, and the log says
        "cannot connect to saslauthd server: Permission denied".
    Why:
        Debian lets root and group sasl alone into that directory (0710 root:sasl), since whoever can connect
        may try passwords. A running smtpd keeps the groups that it started with, hence the reload.
    Start: saslauthd-chroot
    Break:
        deluser --quiet postfix sasl
        systemctl restart postfix
    Mend:
        adduser --quiet postfix sasl
        systemctl reload postfix
    Safety:
        The least change: one user more in the group, no mode opened to others.
    See: /usr/share/doc/sasl2-bin/README.Debian, adduser(8)
    """
    way, user = _way(host, service), account(host, "postfix")
    if way is None or user is None:
        return
    refuses = _refusing(host, way, user)
    if refuses is None or not _membership_helps(host, way, user, refuses):
        return
    group = group_name(host, refuses.status.st_gid)
    names = ", ".join(sorted(group_name(host, gid) for gid in user.groups))
    yield Finding(
        summary=f"postfix is not in group {group}, which alone may enter {refuses.path}",
        subject=refuses.path,
        impact=impact(host, service),
        expected=f"postfix in group {group}",
        found=f"groups {names}",
        evidence=(
            stat_evidence(host, refuses.path, refuses.status),
            Evidence("/etc/group", f"postfix is in {names}"),
            *_tried(way),
        ),
        proof=f"id postfix; stat {quote(refuses.path)}",
        remedy=Remedy.safe(AddUserToGroup("postfix", group), ReloadUnit("postfix")),
    )


def _refusing(host: Host, way: Reach, user: Account) -> Step | None:
    """Give the component that refuses: the one met or, before saslauthd starts, the one that will be made."""
    if way.fault is Fault.REFUSED:
        return way.access.refuses
    if way.fault is not Fault.NOT_RUNNING:
        return None
    made = as_made(host, os.path.dirname(real(host, way.path.value, way.root)))
    group = made is not None and bool(made.status.st_mode & 0o010) and made.status.st_gid in user.groups
    return None if made is None or group or made.status.st_mode & 0o001 else made


def _membership_helps(host: Host, way: Reach, user: Account, refuses: Step) -> bool:
    """Tell whether membership in the component's own group is all that lacks.

    Only group sasl is given: another one may open more than saslauthd, shadow every password.
    """
    gid, mode = refuses.status.st_gid, refuses.status.st_mode
    if gid in user.groups or not stat.S_ISDIR(mode) or not mode & 0o010:
        return False
    if group_name(host, gid) != "sasl" or "sasl" not in groups(host):
        return False
    member = user._replace(groups=user.groups | {gid})
    return may(host, way.path.value, "connect", way.root, member).errno != "EACCES"


def _tried(way: Reach) -> list[Evidence]:
    if way.access.errno != "EACCES":
        return []
    how = "tried" if way.access.proved else "by reading the modes"
    return [Evidence(f"connect {way.path.value}, as postfix ({how})", "Permission denied")]


@check(Stage.REACHABLE)
def saslauthd_directory_impassable(host: Host, service: Service) -> Iterator[Finding]:
    """A directory on the way to saslauthd's socket does not let postfix through.

    What:
        Every login ends with 454, "cannot connect to saslauthd server: Permission denied", whatever groups
        postfix is in.
    Why:
        The directory belongs to another group, lacks x for its group, or one above it is closed: chmod or
        chown went too far, a dpkg-statoverride says so, or a restrictive umask was in force when it was made.
    Start: saslauthd-chroot
    Break:
        chmod 0700 /var/spool/postfix/var
    Mend:
        chmod 0755 /var/spool/postfix/var
    Safety:
        The saslauthd directory becomes root:sasl 0710, as Debian makes it; one above it gets x alone, so
        that it can be passed and not be listed.
    See: path_resolution(7), dpkg-statoverride(1)
    """
    way, user = _way(host, service), account(host, "postfix")
    if way is None or user is None or way.fault is not Fault.REFUSED:
        return
    refuses = way.access.refuses
    if refuses is not None and _membership_helps(host, way, user, refuses):
        return
    yield Finding(
        summary=f"postfix may not pass {refuses.path if refuses else way.on_host}",
        subject=refuses.path if refuses else way.on_host,
        impact=impact(host, service),
        expected="x for postfix or one of its groups",
        found=owners(host, refuses.status) if refuses else "modes that allow it",
        evidence=(
            *([stat_evidence(host, refuses.path, refuses.status)] if refuses else []),
            *_tried(way),
        ),
        proof=f"namei -l {quote(way.on_host)}",
        remedy=_open(host, way, refuses) if refuses else Remedy.manual(_SECURITY_MODULE),
    )


_SECURITY_MODULE = (
    "The modes let postfix through, and the kernel refuses all the same: look for a security module "
    "(journalctl -k | grep -i denied) and allow the access there; do not switch the module off."
)


def _open(host: Host, way: Reach, refuses: Step) -> Remedy:
    path, status = refuses.path, refuses.status
    if "sasl" not in groups(host):
        return Remedy.manual(
            "There is no group sasl, which sasl2-bin makes: addgroup --system sasl && "
            "adduser postfix sasl && systemctl restart saslauthd postfix"
        )
    directory = os.path.dirname(real(host, way.path.value, way.root))
    if stat.S_ISSOCK(status.st_mode):
        return Remedy.safe(RestartUnit("saslauthd"))
    if path != directory:
        mode = stat.S_IMODE(status.st_mode) | 0o011
        owner, group = owners(host, status).split()[1].split(":")
        return Remedy.safe(ChangeOwner(path, owner, group, mode))
    return Remedy.safe(*_own_directory(host, path), *let_in(host))


def _own_directory(host: Host, path: str) -> list[Action]:
    """Give the actions that let group sasl into saslauthd's own directory, now and after its next start."""
    started = unit(host)
    if started is None:
        return [StatOverride(path, "root", "sasl", 0o710)]
    if path in started.runtime_directories:
        name = drop_in_name(started.last("RuntimeDirectoryMode"))
        return [UnitDropIn(NAME, "[Service]\nRuntimeDirectoryMode=0755\n", name), RestartUnit("saslauthd")]
    return [ChangeOwner(path, "root", "sasl", 0o710)]

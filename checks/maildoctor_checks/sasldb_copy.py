"""Reachable: is the sasldb2 in the chroot the very file that saslpasswd2 changes?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.debian.ownership import owners
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host, Missing
from maildoctor.postfix.configuration import login_services
from maildoctor.postfix.service import Service
from maildoctor.remedy import HardLink, Option, Remedy, SetLine
from maildoctor.sasl.defaults import read_as_shell
from maildoctor.sasl.sasldb import (
    Account,
    Database,
    Place,
    database,
    inside,
    outside,
    place,
    same_content,
)
from maildoctor.source import Sourced
from maildoctor_checks._sasldb import impact, is_judged, named, same_file_system

DEFAULTS = "/etc/default/postfix"
CAREFUL_COPIER = "/usr/lib/postfix/syncfiles.pl"
"""What Debian 13 copies files into the chroot with."""


@check(Stage.REACHABLE)
def sasldb_stale_copy(host: Host, service: Service) -> Iterator[Finding]:
    """sasldb2 in the chroot is a copy, not the file that saslpasswd2 changes.

    What:
        smtpd reads a copy inside the chroot. Users who were added, or who changed their password, after the
        copy was made cannot log in; users who were deleted still can.
    Why:
        saslpasswd2 without -f writes to /etc/sasldb2. Only a hard link, a mount, or a symbolic link from /etc
        into the chroot makes both paths one file. A rename over /etc/sasldb2 (mv, many editors, a restore)
        also parts what was linked before.
    Start: sasldb-chroot
    Break:
        saslpasswd2 -d -u mail.example.com hoge
        cp -p /etc/sasldb2 /etc/sasldb2.new
        mv /etc/sasldb2.new /etc/sasldb2
        echo 'correct horse' | saslpasswd2 -p -c -u mail.example.com hoge
    Mend:
        ln -f /etc/sasldb2 /var/spool/postfix/etc/sasldb2
    Safety:
        Safe where the copy has nothing of its own. Otherwise a choice: what was changed in the copy alone is
        lost with it.
    See: ln(1), saslpasswd2(8)
    """
    here, there = inside(host, service), outside(host, service)
    if not is_judged(host, service) or not service.chroot or not here or not there or here.same_file(there):
        return
    if here.fault or there.fault or not there.accounts:
        return
    lacking = sorted(set(there.accounts) - set(here.accounts))
    extra = sorted(set(here.accounts) - set(there.accounts))
    differs = bool(lacking or extra) or not same_content(host, here.path, there.path)
    newer = here.status.st_mtime > there.status.st_mtime
    fails = bool(lacking) or (differs and not extra and not newer)
    yield Finding(
        summary=_copy_summary(here, there, [str(each) for each in lacking], differs),
        subject=here.path,
        severity=Severity.ERROR if fails else Severity.WARNING,
        impact=impact(host, service) if not here.accounts else Impact.SOME_LOGINS,
        expected=f"the same file as {there.path}",
        found="a copy that differs" if differs else "a copy, still the same",
        evidence=(_inode(host, there), _inode(host, here), *_only_in(there, lacking), *_only_in(here, extra)),
        proof=f"ls -li {quote(there.path)} {quote(here.path)}",
        remedy=_replace_copy(host, there, here, place(host, service), bool(extra) or (differs and newer)),
    )


def _copy_summary(here: Database, there: Database, lacking: list[str], differs: bool) -> str:
    if lacking:
        return f"{here.path} is an old copy of {there.path}: {named(lacking)} cannot log in"
    if differs:
        return f"{here.path} is another file than {there.path}, and they differ"
    return f"{here.path} is a copy of {there.path}: the next change of a password will not reach it"


def _inode(host: Host, found: Database) -> Evidence:
    status = found.status
    text = f"{owners(host, status)}, inode {status.st_ino}, {status.st_nlink} links"
    return Evidence(f"stat {found.path}", text)


def _only_in(found: Database, names: list[Account]) -> tuple[Evidence, ...]:
    return (Evidence(found.path, f"alone has {named(names)}"),) if names else ()


def _replace_copy(host: Host, there: Database, here: Database, where: Place, loses: bool) -> Remedy:
    if not same_file_system(host, there.path, here.path):
        return Remedy.manual(
            f"They are on different file systems, so a hard link cannot join them: set {here.path} aside, "
            f"move {there.path} there, and make {there.path} a symbolic link to {where.on_host}."
        )
    meaning = f"{here.path} becomes another name of {there.path}; what the copy alone holds is lost."
    notes = "Users and passwords that only the copy has are lost." if loses else ""
    link = Option("link", meaning, (HardLink(there.path, here.path),))
    return Remedy(Remedy.safe().safety, (link,)) if not loses else Remedy.choice(link, notes=notes)


@check(Stage.HYGIENE, explains=("sasldb-stale-copy", "sasldb-readable-by-others"))
def chroot_extra_files_break_sasldb(host: Host) -> Iterator[Finding]:
    """chroot_extra_files makes a copy of sasldb2 that everybody may read.

    What:
        /etc/default/postfix names sasldb2 in chroot_extra_files. At each start of Postfix the file inside the
        chroot is removed, copied anew and made readable for everybody: a hard link is gone, and the passwords
        lie open. If /etc/sasldb2 is a symbolic link into the chroot, the removal takes the only file.
    Why:
        Up to Debian 12 the start script does rm, cp and chmod a+r, which suits files such as resolv.conf.
        Debian 13's keeps owner and mode and leaves a linked file alone.
    Start: sasldb-chroot
    Break on 12:
        echo 'chroot_extra_files="etc/sasldb2"' >> /etc/default/postfix
        systemctl restart postfix@-
    Mend on 12:
        sed -i /^chroot_extra_files/d /etc/default/postfix
        ln -f /etc/sasldb2 /var/spool/postfix/etc/sasldb2
    Safety:
        Safe: the start script leaves the file alone, and the link takes the place of the open copy. Let users
        choose new passwords if others could read the copy for long.
    See: /usr/lib/postfix/configure-instance.sh
    """
    if host.exists(CAREFUL_COPIER):
        return
    extra = _extra_files(host)
    for where in dict.fromkeys(place(host, each) for each in login_services(host) if is_judged(host, each)):
        if where.root != "/" and where.path.lstrip("/") in [word.lstrip("/") for word in extra.value.split()]:
            yield from _undone_at_start(host, where, extra)


def _undone_at_start(host: Host, where: Place, extra: Sourced[str]) -> Iterator[Finding]:
    here, there = database(host, where.path, where.root), database(host, where.path)
    linked = here is not None and there is not None and here.same_file(there)
    if there is None or here is None:
        return
    danger = f"replaces {where.on_host} by a copy that everybody may read"
    if host.readlink(where.path) is not None:
        danger = f"removes {where.on_host}, the only file: {where.path} is a symbolic link to it"
    rest = " ".join(word for word in extra.value.split() if word.lstrip("/") != where.path.lstrip("/"))
    line = SetLine(DEFAULTS, "chroot_extra_files", "=", f'"{rest}"')
    yield Finding(
        summary=f"chroot_extra_files {danger}{', at the next start of Postfix' if linked else ''}",
        subject=where.on_host,
        severity=Severity.WARNING if linked else Severity.ERROR,
        impact=Impact.DANGER,
        expected=f"the same file as {where.path}",
        found=f"chroot_extra_files={extra.value}",
        evidence=(Evidence.at(extra.source, f"chroot_extra_files={extra.value}"), _inode(host, here)),
        proof=f"grep -n chroot_extra_files {DEFAULTS}; ls -li {quote(where.path)} {quote(where.on_host)}",
        remedy=Remedy.safe(line, *(() if linked else (HardLink(there.path, where.on_host),))),
    )


def _extra_files(host: Host) -> Sourced[str]:
    try:
        return read_as_shell(host.text(DEFAULTS), DEFAULTS).get("chroot_extra_files")
    except Missing:
        return Sourced("")

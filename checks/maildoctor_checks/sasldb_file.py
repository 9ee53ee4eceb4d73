"""Reachable: is there a sasldb2 for this smtpd, inside its chroot?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.debian.ownership import stat_evidence
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host, LinkLoop, Missing
from maildoctor.postfix.service import Service
from maildoctor.remedy import Option, Remedy, RestartUnit, SetLine
from maildoctor.sasl.sasldb import Place, database, default_realm, inside, outside, place
from maildoctor.sasl.smtpd_conf import SASLDB_PATH
from maildoctor_checks._sasldb import impact, is_judged, link_into, named, postfix_group, where_evidence


@check(Stage.REACHABLE)
def sasldb_missing(host: Host, service: Service) -> Iterator[Finding]:
    """There is no sasldb2 where smtpd looks for it.

    What:
        Passwords are to be verified from sasldb2, and there is no such file, neither inside a chroot nor
        outside. Every login is answered with 535, and the log shows the same lines as for a wrong password.
    Why:
        libsasl2 treats a missing file like a user that it does not know. sasldb_path in smtpd.conf may also
        point elsewhere than saslpasswd2 writes, which without -f is /etc/sasldb2.
    Start: sasldb
    Break:
        mv /etc/sasldb2 /etc/sasldb2.away
    Mend:
        mv /etc/sasldb2.away /etc/sasldb2
    Safety:
        Users and passwords cannot be invented: put the file back from a backup, or add each user again.
    See: saslpasswd2(8), sasldblistusers2(8)
    """
    if not is_judged(host, service) or inside(host, service) or outside(host, service):
        return
    where = place(host, service)
    yield Finding(
        summary=f"There is no {where.path}, from which passwords are to be verified",
        subject=where.on_host,
        impact=impact(host, service),
        expected=f"sasldb2 at {where.on_host}",
        found="no such file",
        evidence=(*where_evidence(where), Evidence(f"stat {where.on_host}", "No such file or directory")),
        proof=f"stat {quote(where.on_host)}",
        remedy=_other_place(host, where) or _from_nothing(host, service, where),
    )


def _other_place(host: Host, where: Place) -> Remedy | None:
    """Offer Debian's own place where smtpd.conf names another one and the users are in Debian's."""
    usual = database(host, SASLDB_PATH) if where.path != SASLDB_PATH and where.source else None
    if usual is None or not usual.accounts or where.source is None:
        return None
    back = SetLine(where.source.path, "sasldb_path", ": ", SASLDB_PATH)
    meaning = f"Let smtpd.conf name {SASLDB_PATH}, which has {named(usual.accounts)}."
    return Remedy.choice(Option("usual-path", meaning, (back, RestartUnit("postfix"))))


def _from_nothing(host: Host, service: Service, where: Place) -> Remedy:
    group = postfix_group(host)
    lines = [
        "Restore the file from a backup, or add each user again, then let smtpd read it and nobody else:",
        f"saslpasswd2 -c -f {SASLDB_PATH} -u {default_realm(service)} USER",
        f"chown root:{group} {SASLDB_PATH} && chmod 0640 {SASLDB_PATH}",
    ]
    if where.root != "/":
        lines.append(f"ln {SASLDB_PATH} {where.on_host}")
    return Remedy.manual("\n".join(lines))


@check(Stage.REACHABLE)
def sasldb_missing_in_chroot(host: Host, service: Service) -> Iterator[Finding]:
    """sasldb2 is outside the chroot, where smtpd does not see it.

    What:
        The service runs chrooted to the queue directory. It opens sasldb2 after it has entered the chroot,
        and inside there is none. Every login is answered with 535, and the log shows nothing but wrong
        passwords.
    Why:
        smtpd reads smtpd.conf before it enters the chroot, but sasldb2 after. A hard link makes both paths
        one file, so that saslpasswd2 goes on working; a copy would be out of date after the next change of a
        password.
    Start: sasldb-chroot
    Break:
        rm /var/spool/postfix/etc/sasldb2
    Mend:
        ln -f /etc/sasldb2 /var/spool/postfix/etc/sasldb2
    Safety:
        Safe: a second name for the same file, with the same owner and mode. Leaving the chroot works as well,
        but takes away what the chroot protects from.
    See: ln(1), master(5) on the chroot column
    """
    there = outside(host, service)
    if not is_judged(host, service) or inside(host, service) or there is None or _dangles(host, service):
        return
    where = place(host, service)
    yield Finding(
        summary=f"{where.path} is outside the chroot: smtpd looks for {where.on_host}",
        subject=where.on_host,
        impact=impact(host, service),
        expected=f"the same file as {where.path}",
        found="no such file",
        evidence=(
            *where_evidence(where),
            Evidence(f"stat {where.on_host}", "No such file or directory"),
            stat_evidence(host, where.path, there.status),
        ),
        proof=f"ls -li {quote(where.path)} {quote(where.on_host)}",
        remedy=link_into(host, there, where),
    )


@check(Stage.REACHABLE)
def sasldb_link_out_of_chroot(host: Host, service: Service) -> Iterator[Finding]:
    """A symbolic link in the chroot leads nowhere for smtpd.

    What:
        Inside the chroot, sasldb2 is a symbolic link. smtpd follows it inside the chroot, where its target is
        missing; from outside, and for root, the link looks right.
    Why:
        A chrooted process takes the queue directory for "/", also in the targets of symbolic links. A hard
        link has no target to follow. The other way round works: the file inside the chroot, and a symbolic
        link to it from /etc.
    Start: sasldb-chroot
    Break:
        ln -sf /etc/sasldb2 /var/spool/postfix/etc/sasldb2
    Mend:
        ln -f /etc/sasldb2 /var/spool/postfix/etc/sasldb2
    Safety:
        Safe: the link is replaced by a second name for the file to which it was meant to lead.
    See: path_resolution(7), symlink(7)
    """
    there = outside(host, service)
    if not is_judged(host, service) or inside(host, service) or there is None or not _dangles(host, service):
        return
    where = place(host, service)
    target = _target(host, where)
    loops = target == where.path
    yield Finding(
        summary=f"{where.on_host} is a symbolic link that leads nowhere inside the chroot",
        subject=where.on_host,
        impact=impact(host, service),
        expected=f"the same file as {where.path}",
        found=f"a symbolic link to {target}",
        evidence=(
            *where_evidence(where),
            Evidence(f"readlink {where.on_host}", target),
            Evidence(f"{target}, inside {where.root}", "is this link itself" if loops else "does not exist"),
        ),
        proof=" ".join(["ls -l", *map(quote, dict.fromkeys([where.on_host, where.root + target]))]),
        remedy=link_into(host, there, where, in_the_way=True),
    )


@check(Stage.REACHABLE)
def sasldb_corrupt(host: Host, service: Service) -> Iterator[Finding]:
    """What stands at sasldb2's path is no database.

    What:
        The file cannot be opened as a Berkeley DB hash file: it is empty, cut off, of another format, or no
        file at all. Every login is answered with 454, and the log says "unable to open Berkeley db ...:
        Invalid argument".
    Why:
        Only saslpasswd2 makes this file. touch(1), an editor, a half-finished copy or a backup of another
        format leave something that libsasl2 does not open.
    Start: sasldb
    Break:
        cp -p /etc/sasldb2 /root/sasldb2
        head -c 5000 /root/sasldb2 > /etc/sasldb2
    Mend:
        cat /root/sasldb2 > /etc/sasldb2
    Safety:
        Nothing is repaired by itself: keep the file, then restore a backup or add the users again.
    See: saslpasswd2(8), db_verify(1)
    """
    found = inside(host, service) or outside(host, service)
    if not is_judged(host, service) or found is None or not found.fault:
        return
    yield Finding(
        summary=f"{found.path} {found.fault}, so nobody can be looked up in it",
        subject=found.path,
        impact=impact(host, service),
        expected="a Berkeley DB hash file, as saslpasswd2 makes it",
        found=found.fault,
        evidence=(
            stat_evidence(host, found.path, found.status),
            Evidence(found.path, f"{found.fault}, {found.status.st_size} bytes"),
        ),
        proof=f"od -A d -t x4 -j 12 -N 4 {quote(found.path)}  # 00061561 in a hash file",
        remedy=Remedy.manual(
            f"Keep what is there (mv {found.path} {found.path}.broken), then restore a backup, or add each "
            f"user again: saslpasswd2 -c -u {default_realm(service)} USER. Give it to "
            f"root:{postfix_group(host)} with mode 0640, and link it into the chroot if there is one."
        ),
    )


def _dangles(host: Host, service: Service) -> bool:
    """Tell whether the name itself is there, inside, as a symbolic link."""
    where = place(host, service)
    try:
        return host.readlink(where.path, where.root) is not None
    except LinkLoop:
        return True
    except Missing:
        return False


def _target(host: Host, where: Place) -> str:
    try:
        return host.readlink(where.path, where.root) or where.path
    except LinkLoop as error:
        return error.path

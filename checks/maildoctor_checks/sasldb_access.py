"""Reachable and hygiene: may smtpd read sasldb2, and may nobody else?"""

import os
import stat
from collections.abc import Iterator
from shlex import quote

from maildoctor.access import Access, may
from maildoctor.check import check
from maildoctor.debian.accounts import account, groups
from maildoctor.debian.ownership import owners, stat_evidence
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host, Step
from maildoctor.postfix.configuration import login_services
from maildoctor.postfix.service import Service
from maildoctor.remedy import AddUserToGroup, ChangeOwner, Option, ReloadUnit, Remedy
from maildoctor.sasl.sasldb import Database, Place, database, inside, outside, place
from maildoctor.sasl.smtpd_conf import SASLDB_PATH
from maildoctor_checks._directory import let_pass, open_to_all
from maildoctor_checks._sasldb import impact, is_judged, named, owner_and_group, postfix_group


@check(Stage.REACHABLE)
def sasldb_unreadable(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd may not read sasldb2.

    What:
        sasldb2 is there, and user postfix, with its groups, may not open it or may not pass a directory on
        the way. Every login is answered with 454, and the log says "unable to open Berkeley db ...:
        Permission denied".
    Why:
        Debian makes the file as root:sasl 0660 and postfix is not in group sasl. smtpd reads it as user
        postfix; it need not write to it.
    Start: sasldb
    Break:
        chown root:root /etc/sasldb2
        chmod 0600 /etc/sasldb2
    Mend:
        chown root:postfix /etc/sasldb2
        chmod 0640 /etc/sasldb2
    Safety:
        Safe: postfix may read it, and nobody else gains anything. Never make it readable for everybody: the
        passwords stand in it unencrypted.
    See: sasldblistusers2(8), chmod(1)
    """
    found = inside(host, service) or outside(host, service)
    if not is_judged(host, service) or found is None:
        return
    where = place(host, service)
    root = where.root if inside(host, service) else "/"
    access = may(host, where.path, "read", root)
    if access.granted or access.errno != "EACCES":
        return
    step = access.refuses
    at = step.path if step else found.path
    status = step.status if step else found.status
    because = owners(host, status) if at == found.path else f"the directory {at} refuses"
    yield Finding(
        summary=f"smtpd may not read {found.path}: {because}",
        subject=at,
        impact=impact(host, service),
        expected="readable for postfix" if at == found.path else "passable for postfix",
        found=owners(host, status),
        evidence=(stat_evidence(host, at, status), _attempt(access, where, root)),
        proof=f"runuser -u postfix -- test -r {quote(found.path)} || namei -l {quote(found.path)}",
        remedy=_let_in(host, at, status),
    )


def _attempt(access: Access, where: Place, root: str) -> Evidence:
    inside_of = f", inside {root}" if root != "/" else ""
    how = "open" if access.proved else "by reading: open"
    return Evidence(f"{how} {where.path} as postfix{inside_of}", "Permission denied")


def _let_in(host: Host, path: str, status: os.stat_result) -> Remedy:
    """Find the least change that lets postfix in: a group rather than a mode, never others on the file."""
    owner, group = owner_and_group(host, status)
    if stat.S_ISDIR(status.st_mode):
        return Remedy.safe(let_pass(host, Step(path, status)))
    sharing = groups(host).get(group, (0, frozenset()))[1] - {"postfix"}
    if status.st_mode & 0o040 and group != "root" and sharing:
        member = Option(
            "join-group",
            f"postfix joins group {group}, which {named(sorted(sharing))} needs.",
            (AddUserToGroup("postfix", group), ReloadUnit("postfix")),
        )
        return Remedy.choice(member)
    return Remedy.safe(ChangeOwner(path, owner, postfix_group(host), 0o640))


@check(Stage.HYGIENE)
def sasldb_readable_by_others(host: Host) -> Iterator[Finding]:
    """Everybody on this host may read the passwords in sasldb2.

    What:
        sasldb2 holds the passwords unencrypted, and its mode lets users read or change it who have nothing to
        do with mail.
    Why:
        DIGEST-MD5, CRAM-MD5 and SCRAM need the password itself. So the file must be for root and for the one
        group whose processes verify passwords. A copy inside the chroot counts as much as /etc/sasldb2.
    Start: sasldb
    Break:
        chmod 0644 /etc/sasldb2
    Mend:
        chmod 0640 /etc/sasldb2
    Safety:
        Safe: only users outside the file's group lose access. Where others could read it for long, let
        everybody choose a new password.
    See: saslpasswd2(8)
    """
    for found in _databases(host):
        bits = found.status.st_mode & 0o006
        if not bits or found.fault or not found.accounts or not open_to_all(host, found.path):
            continue
        mode = stat.S_IMODE(found.status.st_mode)
        action = ChangeOwner(found.path, *owner_and_group(host, found.status), mode & ~0o007)
        deed = "read" if bits & 4 else "change"
        yield Finding(
            summary=f"Every user of this host may {deed} the passwords in {found.path}",
            subject=found.path,
            impact=Impact.DANGER,
            expected=f"{mode & ~0o007:04o}",
            found=owners(host, found.status),
            evidence=(stat_evidence(host, found.path, found.status),),
            proof=f"runuser -u nobody -- test -{'r' if bits & 4 else 'w'} {quote(found.path)} && echo open",
            remedy=_close(host, found, action),
        )


def _databases(host: Host) -> Iterator[Database]:
    """Give each sasldb2 once: Debian's, and where the services look, inside and outside their chroots."""
    asked = [(SASLDB_PATH, "/")]
    for service in login_services(host):
        if is_judged(host, service):
            where = place(host, service)
            asked += [(where.path, where.root), (where.path, "/")]
        if service.chroot:
            asked.append((SASLDB_PATH, service.chroot))
    seen = set()
    for path, root in dict.fromkeys(asked):
        found = database(host, path, root)
        if found and (key := (found.status.st_dev, found.status.st_ino)) not in seen:
            seen.add(key)
            yield found


def _close(host: Host, found: Database, action: ChangeOwner) -> Remedy:
    """Close the file, for smtpd as well if only the open mode let it in."""
    user = account(host, "postfix")
    needs_it = any(
        is_judged(host, service) and (here := inside(host, service)) is not None and here.same_file(found)
        for service in login_services(host)
    )
    reads = user and (found.status.st_gid in user.groups and found.status.st_mode & 0o040)
    if needs_it and not reads:
        action = ChangeOwner(action.path, action.owner, postfix_group(host), 0o640)
    return Remedy.safe(action)


@check(Stage.HYGIENE)
def sasldb_writable_by_smtpd(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd could change sasldb2, which it need not.

    What:
        User postfix may write to sasldb2. Logins work; a fault in smtpd, which talks to strangers, could
        change passwords.
    Why:
        Debian makes the file 0660 for group sasl, and postfix is in that group.
    Start: sasldb-chroot
    Break:
        chmod 0660 /var/spool/postfix/etc/sasldb2
    Mend:
        chmod 0640 /var/spool/postfix/etc/sasldb2
    Safety:
        A choice: other programs of that group may need to write to it.
    See: saslpasswd2(8)
    """
    found = inside(host, service)
    if not is_judged(host, service) or found is None or found.fault:
        return
    where = place(host, service)
    if not may(host, where.path, "write", where.root).granted:
        return
    mode = stat.S_IMODE(found.status.st_mode) & ~0o022
    closed = ChangeOwner(found.path, *owner_and_group(host, found.status), mode)
    yield Finding(
        summary=f"smtpd may write to {found.path}, where reading is enough",
        subject=found.path,
        severity=Severity.INFO,
        impact=Impact.DANGER,
        expected=f"{mode:04o}",
        found=owners(host, found.status),
        evidence=(stat_evidence(host, found.path, found.status),),
        proof=f"runuser -u postfix -- test -w {quote(found.path)} && echo writable",
        remedy=Remedy.choice(Option("read-only", "Nobody but root changes passwords.", (closed,))),
    )

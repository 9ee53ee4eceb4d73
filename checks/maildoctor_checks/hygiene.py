"""Hygiene: what works but is dangerous."""

import stat
from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.debian.accounts import group_name, user_name
from maildoctor.debian.ownership import owners, stat_evidence
from maildoctor.debian.packages import package
from maildoctor.debian.release import debian_release
from maildoctor.dovecot import socket as dovecot_socket
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host, Missing, Step
from maildoctor.postfix.configuration import MAIN_CF, MASTER_CF, login_services
from maildoctor.postfix.service import Service
from maildoctor.remedy import ChangeOwner, InstallPackages, Option, Remedy, RestartUnit
from maildoctor.sasl import mechanisms, sasldb
from maildoctor.sasl.method import method
from maildoctor.sasl.smtpd_conf import effective
from maildoctor_checks._directory import open_to_all

LIBRARY = "libsasl2-modules"
FIXED = {12: "2.1.28+dfsg-10+deb12u1"}
"""The version of each Debian release in which CVE-2026-107161 is mended: the packages' changelogs."""
NEVER_FIXED = {11: "2.1.27+dfsg-2.1+deb11u1", 13: "2.1.28+dfsg1-9"}
"""The last version known of releases that have no mended one; 13's sorts above 12's mended one."""


@check(Stage.HYGIENE)
def sasl_library_vulnerable(host: Host, service: Service) -> Iterator[Finding]:
    """The installed Cyrus SASL has a known hole, and the mechanism concerned is on offer.

    What:
        CVE-2026-107161 is a heap overflow in the DIGEST-MD5 plugin of Cyrus SASL. This smtpd offers
        DIGEST-MD5 to everybody who connects, and the installed version is not the mended one.
    Why:
        Without mech_list in smtpd.conf, Cyrus SASL offers each mechanism for which a plugin is installed.
        PLAIN and LOGIN within TLS are all that mail clients need.
    Start: sasldb
    Break on 13:
        sed -i /mech_list/d /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend on 13:
        echo 'mech_list: PLAIN LOGIN CRAM-MD5' >> /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Information only. Where a mended version exists, install it; otherwise, or besides, leave DIGEST-MD5
        out of mech_list. A client that insists on it can then not log in.
    See: the changelog of libsasl2-modules, security-tracker.debian.org
    """
    if mechanisms.is_dovecot(service) or not service.flag("smtpd_sasl_auth_enable"):
        return
    offered = {each for offer in mechanisms.offers(host, service) or () for each in offer.offered}
    installed, release = package(host, LIBRARY), debian_release(host)
    if "DIGEST-MD5" not in offered or installed is None or not _is_vulnerable(installed.version, release):
        return
    fixed = FIXED.get(release or 0)
    yield Finding(
        summary=f"{LIBRARY} {installed.version} has CVE-2026-107161, and DIGEST-MD5 is on offer",
        subject=LIBRARY,
        severity=Severity.INFO,
        impact=Impact.DANGER,
        expected=f"{fixed} or newer" if fixed else "DIGEST-MD5 not on offer: no mended version is known",
        found=installed.version,
        evidence=(Evidence("/var/lib/dpkg/status", f"{LIBRARY} {installed.version}"),),
        proof=f"dpkg-query -W {LIBRARY}",
        remedy=_upgrade() if fixed else Remedy.manual("Leave DIGEST-MD5 out of mech_list in smtpd.conf."),
    )


def _is_vulnerable(version: str, release: int | None) -> bool:
    if release in NEVER_FIXED and version == NEVER_FIXED[release]:
        return True
    fixed = FIXED.get(release or 0)
    if fixed is None or version == fixed:
        return False
    from debian.debian_support import Version

    return bool(Version(version) < Version(fixed))


def _upgrade() -> Remedy:
    actions = (InstallPackages((LIBRARY, "libsasl2-2")), RestartUnit("postfix"))
    return Remedy.choice(Option("upgrade", "The version of the security suite is installed.", actions))


@check(Stage.HYGIENE)
def sasl_path_writable_by_others(host: Host) -> Iterator[Finding]:
    """Any user of this host may change who verifies passwords.

    What:
        A configuration file, or a directory with a socket or with sasldb2, may be written by everybody. Any
        user can let everybody in (pwcheck_method: alwaystrue), or put a socket of his own in the place of
        saslauthd's and read every password.
    Why:
        "chmod 777" is what many pages advise when smtpd gets "Permission denied". A group does it without
        opening anything to others.
    Start: saslauthd-chroot
    Break:
        chmod 0777 /var/spool/postfix/var/run/saslauthd
    Mend:
        chmod 0710 /var/spool/postfix/var/run/saslauthd
    Safety:
        Safe: only the right to write is taken from others.
    See: chmod(1), dpkg-statoverride(1)
    """
    for step in _concerned(host):
        mode = stat.S_IMODE(step.status.st_mode)
        sticky = stat.S_ISDIR(step.status.st_mode) and mode & stat.S_ISVTX
        if not mode & 0o002 or sticky or not open_to_all(host, step.path):
            continue
        owner, group = user_name(host, step.status.st_uid), group_name(host, step.status.st_gid)
        yield Finding(
            summary=f"Every user of this host may change {step.path}, on which all logins rest",
            subject=step.path,
            impact=Impact.DANGER,
            expected=f"{mode & ~0o002:04o}",
            found=owners(host, step.status),
            evidence=(stat_evidence(host, step.path, step.status),),
            proof=f"runuser -u nobody -- test -w {quote(step.path)} && echo open",
            remedy=Remedy.safe(ChangeOwner(step.path, owner, group, mode & ~0o002)),
        )


def _concerned(host: Host) -> Iterator[Step]:
    """Give what decides about logins, each once: files of configuration, and directories of sockets."""
    asked = [(MAIN_CF, "/"), (MASTER_CF, "/"), ("/etc/postfix", "/"), ("/etc/default/saslauthd", "/")]
    for service in login_services(host):
        asked += _of_service(host, service)
    seen = set()
    for path, root in dict.fromkeys(asked):
        try:
            step = host.step(path, root)
        except Missing:
            continue
        if step.path not in seen:
            seen.add(step.path)
            yield step


def _of_service(host: Host, service: Service) -> Iterator[tuple[str, str]]:
    used = method(host, service)
    if used.conf is None:
        where = dovecot_socket.endpoint(service)
        if where.path:
            yield where.path.rpartition("/")[0] or "/", where.root
        return
    conf = effective(host, service)
    if conf.found:
        yield conf.path, "/"
        yield conf.path.rpartition("/")[0], "/"
    if used.uses("saslauthd"):
        yield conf.saslauthd_path.value.rpartition("/")[0] or "/", service.root
    if used.uses("sasldb"):
        where_db = sasldb.place(host, service)
        yield where_db.path.rpartition("/")[0] or "/", where_db.root

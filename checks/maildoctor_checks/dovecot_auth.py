"""Verifying: does Dovecot's auth process start, and can its databases say yes to anybody?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.dovecot.config import configuration
from maildoctor.dovecot.daemon import installed
from maildoctor.dovecot.passdb import (
    VERIFY_ONLY,
    Passdb,
    absent,
    driver_package,
    file_of,
    mechanisms,
    needs_password,
    passdbs,
    worker_user,
)
from maildoctor.dovecot.socket import endpoint, in_use
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import InstallPackages, Option, Remedy, RestartUnit, SetLine
from maildoctor.source import Source, Sourced
from maildoctor_checks._dovecot import LOOPBACK, impact

NAME = "auth_mechanisms"
ENDS = ("service-throttled", "no-mechanism-left", "dovecot-not-answering", "dovecot-socket-dead")
"""Consequences of an auth process that ends at its start."""
SYSTEM_USERS = "/etc/dovecot/conf.d/auth-system.conf.ext"


def _is_judged(host: Host, service: Service) -> bool:
    """Tell whether it is this host's own Dovecot that should answer this smtpd."""
    return in_use(service) and installed(host) and endpoint(service).host in LOOPBACK


def _named(host: Host) -> Sourced[list[str]] | None:
    found = configuration(host)
    return mechanisms(found) if found else None


@check(Stage.VERIFYING, explains=ENDS)
def dovecot_mechanism_unserved(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot is to offer a mechanism that none of its password databases can serve.

    What:
        auth_mechanisms names CRAM-MD5, DIGEST-MD5, SCRAM or a relative, and all that Dovecot has is PAM or
        another database that can only say yes or no.
    Why:
        These mechanisms need the password itself, or a digest of it. Dovecot's auth process ends at its start
        ("CRAM-MD5 mechanism can't be supported with given passdbs") although the socket is there. smtpd
        gets no list of mechanisms and ends as well: no banner comes, and master throttles the service.
    Start: dovecot
    Break:
        sed -i 's/^auth_mechanisms.*/& cram-md5/' /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Mend:
        sed -i 's/^\\(auth_mechanisms.*\\) cram-md5/\\1/' /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Safety:
        Safe where others are left: nobody could ever log in with what is taken away.
    See: doc.dovecot.org on authentication mechanisms and on password databases
    """
    databases = passdbs(host) if _is_judged(host, service) else None
    named = _named(host) if databases else None
    if not databases or named is None or any(each.driver not in VERIFY_ONLY for each in databases):
        return
    bad = [each for each in named.value if needs_password(each) and not absent(host, each)]
    if not bad:
        return
    drivers = " and ".join(dict.fromkeys(each.driver for each in databases))
    yield Finding(
        summary=f"Dovecot's auth process cannot start: {drivers} gives no passwords to {', '.join(bad)}",
        subject=NAME,
        impact=impact(host),
        expected="PLAIN and LOGIN",
        found=" ".join(named.value),
        evidence=(
            _setting(named),
            *(Evidence.at(each.source, f"passdb {each.driver}") for each in databases),
        ),
        proof=f"doveconf {NAME}; journalctl -u dovecot -n 5",
        remedy=_without(named, bad),
    )


@check(Stage.VERIFYING, explains=ENDS)
def dovecot_mechanism_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """auth_mechanisms names a mechanism that Dovecot does not know.

    What:
        A name is misspelt, or its code is in a package that is not installed.
    Why:
        Dovecot's auth process ends at its start ("Unknown authentication mechanism") although the socket is
        there. smtpd gets no list of mechanisms and ends as well; master throttles the service. In Dovecot
        2.3, spaces alone separate the names: with a comma it is no longer the name.
    Start: dovecot
    Break:
        sed -i 's/^auth_mechanisms.*/auth_mechanisms = plain logn/' /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Mend:
        sed -i 's/^auth_mechanisms.*/auth_mechanisms = plain login/' /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        systemctl restart postfix
    Safety:
        Safe where others are left: nobody could ever log in with what is taken away.
    See: doc.dovecot.org on authentication mechanisms
    """
    named = _named(host) if _is_judged(host, service) else None
    bad = [each for each in named.value if absent(host, each)] if named else []
    if named is None or not bad:
        return
    yield Finding(
        summary=f"Dovecot's auth process cannot start: {bad[0].lower()}: {absent(host, bad[0])}",
        subject=NAME,
        impact=impact(host),
        expected="mechanisms that Dovecot has",
        found=" ".join(named.value).lower(),
        evidence=(_setting(named),),
        proof=f"doveconf {NAME}; journalctl -u dovecot -n 5",
        remedy=_with_package(named, bad),
    )


@check(Stage.VERIFYING, explains=ENDS)
def dovecot_passdb_missing(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot has no password database.

    What:
        No passdb section is left in Dovecot's configuration, or only one that refuses.
    Why:
        Debian's 10-auth.conf includes one for the accounts of the machine; guides for virtual users comment
        it out, and the include that should take its place was forgotten. Dovecot's auth process ends at its
        start: "No passdbs specified in configuration file".
    Start: dovecot
    Break:
        sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf
        systemctl restart dovecot
        systemctl restart postfix
    Mend:
        sed -i 's/^#!include auth-system/!include auth-system/' /etc/dovecot/conf.d/10-auth.conf
        systemctl restart dovecot
        systemctl restart postfix
    Safety:
        Manual: where the users are, only the admin knows.
    See: doc.dovecot.org on password databases
    """
    if not _is_judged(host, service) or passdbs(host) != ():
        return
    found = configuration(host)
    files = found.files if found else []
    yield Finding(
        summary="Dovecot has no password database, so that its auth process cannot start",
        subject="passdb",
        impact=impact(host),
        expected="a passdb section",
        found="none",
        evidence=(Evidence("/etc/dovecot", f"no passdb in {len(files)} files"),),
        proof="doveconf -n | grep -A 3 passdb; journalctl -u dovecot -n 5",
        remedy=Remedy.manual(
            "Say where the users are. For the accounts of this machine: remove the # before "
            f"'!include {SYSTEM_USERS.rpartition('/')[2]}' in /etc/dovecot/conf.d/10-auth.conf. Then: "
            "systemctl restart dovecot && systemctl restart postfix"
        ),
    )


@check(Stage.VERIFYING)
def dovecot_passdb_unprepared(host: Host, service: Service) -> Iterator[Finding]:
    """The file with Dovecot's users is missing.

    What:
        Dovecot's only password database is a passwd-file, and the file that it names is not there.
    Why:
        The path is misspelt, or nobody was ever put into it. No password is right: 535 or 454.
    Start: dovecot
    Break on 12:
        sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf
        printf '%s\\n' 'passdb {' ' driver = passwd-file' ' args = /etc/dovecot/users' '}' \\
            'userdb {' ' driver = passwd' '}' > /etc/dovecot/conf.d/98-users.conf
        systemctl restart dovecot
    Break on 13:
        sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf
        printf '%s\\n' 'passdb passwd-file {' ' passwd_file_path = /etc/dovecot/users' '}' \\
            'userdb passwd {' '}' > /etc/dovecot/conf.d/98-users.conf
        systemctl restart dovecot
    Mend:
        rm /etc/dovecot/conf.d/98-users.conf
        sed -i 's/^#!include auth-system/!include auth-system/' /etc/dovecot/conf.d/10-auth.conf
        systemctl restart dovecot
    Safety:
        Manual: users and passwords cannot be invented.
    See: doc.dovecot.org on passwd-file
    """
    databases = passdbs(host) if _is_judged(host, service) else None
    lacking = [each for each in databases or () if _lacks_its_file(host, each)]
    if not lacking or lacking != list(databases or ()):
        return
    path = file_of(lacking[0])
    yield Finding(
        summary=f"Dovecot looks for its users in {path}, which does not exist",
        subject=path,
        impact=impact(host),
        expected="a file with users",
        found="no such file",
        evidence=(
            Evidence.at(lacking[0].source, "passdb passwd-file"),
            Evidence(f"stat {path}", "No such file or directory"),
        ),
        proof=f"stat {quote(path)}",
        remedy=Remedy.manual(f"Write {path} (doveadm pw makes the digests), or correct the path."),
    )


@check(Stage.VERIFYING, explains=ENDS)
def dovecot_passdb_driver_missing(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot's password database is of a kind that is not installed.

    What:
        The driver of a passdb is in a package of its own: dovecot-ldap, dovecot-auth-lua.
    Why:
        Dovecot's auth process ends at its start ("Unknown passdb driver") although the socket is there. smtpd
        gets no list of mechanisms and ends as well: no banner comes, and master throttles the service.
    Start: dovecot
    Break on 12:
        printf '%s\\n' 'passdb {' ' driver = ldap' ' args = /etc/dovecot/ldap.conf' '}' \\
            > /etc/dovecot/conf.d/98-ldap.conf
        systemctl restart dovecot
        systemctl restart postfix
    Break on 13:
        printf '%s\\n' 'passdb ldap {' '}' > /etc/dovecot/conf.d/98-ldap.conf
        systemctl restart dovecot
        systemctl restart postfix
    Mend:
        rm /etc/dovecot/conf.d/98-ldap.conf
        systemctl restart dovecot
        systemctl restart postfix
    Safety:
        Manual: where the users are, only the admin knows.
    See: doc.dovecot.org on password databases
    """
    databases = passdbs(host) if _is_judged(host, service) else None
    for each in databases or ():
        if package := driver_package(host, each.driver):
            yield Finding(
                summary=f"Dovecot's auth process cannot start: passdb {each.driver} needs {package}",
                subject=package,
                impact=impact(host),
                expected=f"the package {package}",
                found="not installed",
                evidence=(Evidence.at(each.source, f"passdb {each.driver}"),),
                proof=f"dpkg-query -W {package}; journalctl -u dovecot -n 5",
                remedy=Remedy.manual(
                    f"apt-get install {package}, or take the passdb in {each.source} out; then: "
                    "systemctl restart dovecot && systemctl restart postfix"
                ),
            )


@check(Stage.VERIFYING)
def dovecot_worker_unprivileged(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot's worker processes cannot read the passwords of the machine's accounts.

    What:
        The only password database is PAM or shadow, and the service auth-worker runs as another user than
        root.
    Why:
        Guides for virtual users set "user = vmail" or the like there; PAM, which reads /etc/shadow, then says
        no to every password: 535.
    Start: dovecot
    Break:
        printf '%s\\n' 'service auth-worker {' '  user = nobody' '}' > /etc/dovecot/conf.d/98-worker.conf
        systemctl restart dovecot
    Mend:
        rm /etc/dovecot/conf.d/98-worker.conf
        systemctl restart dovecot
    Safety:
        Safe: root is Dovecot's own default for these processes.
    See: doc.dovecot.org on the service auth-worker
    """
    databases = passdbs(host) if _is_judged(host, service) else None
    found = configuration(host) if databases else None
    if not databases or found is None or any(each.driver not in ("pam", "shadow") for each in databases):
        return
    user = worker_user(found)
    if user.source is None or user.value in ("root", ""):
        return
    mend = SetLine(user.source.path, "user", " = ", "root"), RestartUnit("dovecot")
    alone = "unix_listener" not in host.text(user.source.path)
    yield Finding(
        summary=f"Dovecot asks {databases[0].driver} as user {user.value}, who may not read /etc/shadow",
        subject="service auth-worker",
        impact=impact(host),
        expected="user = root",
        found=f"user = {user.value}",
        evidence=(
            Evidence.at(user.source, f"user = {user.value}"),
            Evidence.at(databases[0].source, f"passdb {databases[0].driver}"),
        ),
        proof="doveconf service/auth-worker/user",
        remedy=Remedy.safe(*mend)
        if alone
        else Remedy.manual(
            f"Write user = root in line {user.source.line} of {user.source.path}, then: "
            "systemctl restart dovecot"
        ),
    )


def _lacks_its_file(host: Host, passdb: Passdb) -> bool:
    path = file_of(passdb)
    return bool(path) and not host.exists(path)


def _setting(named: Sourced[list[str]]) -> Evidence:
    return Evidence.at(named.source, f"{NAME} = {' '.join(named.value).lower()}")


def _without(named: Sourced[list[str]], bad: list[str]) -> Remedy:
    """Leave the others; where none is left, offering passwords in the clear is the admin's choice."""
    kept = [each.lower() for each in named.value if each not in bad]
    if named.source is None:
        return Remedy.manual(f"Set {NAME} in Dovecot's configuration, then restart Dovecot and Postfix.")
    line = _line(named.source, kept or ["plain", "login"])
    actions = (line, RestartUnit("dovecot"), RestartUnit("postfix"))
    if kept:
        return Remedy.safe(*actions)
    return Remedy.choice(Option("plaintext", "Clients send their passwords: PLAIN and LOGIN.", actions))


def _with_package(named: Sourced[list[str]], bad: list[str]) -> Remedy:
    spelt = [each.rstrip(",;") for each in named.value]
    if spelt != named.value and named.source and all(each in ("PLAIN", "LOGIN") for each in spelt):
        line = _line(named.source, [each.lower() for each in spelt])
        return Remedy.safe(line, RestartUnit("dovecot"), RestartUnit("postfix"))
    if bad[0] in ("GSSAPI", "GSS-SPNEGO"):
        install = (InstallPackages(("dovecot-gssapi",)), RestartUnit("dovecot"), RestartUnit("postfix"))
        without = _without(named, bad)
        return Remedy.choice(
            *(Option("without", f"{bad[0]} is no longer offered.", each.actions) for each in without.options),
            Option("install", "Installs dovecot-gssapi.", install),
        )
    return _without(named, bad)


def _line(source: Source, names: list[str]) -> SetLine:
    return SetLine(source.path, NAME, " = ", " ".join(names))

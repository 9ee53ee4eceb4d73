"""Verifying: can saslauthd's own mechanism say yes to anybody?"""

import os
import re
from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.debian.accounts import passwd, user_name
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.daemon import listeners
from maildoctor.postfix.service import Service
from maildoctor.remedy import Option, Remedy, RestartUnit, SetLine
from maildoctor.sasl import sasldb
from maildoctor.sasl.intention import needs_saslauthd
from maildoctor.sasl.saslauthd import DEFAULTS, main_instance
from maildoctor.sasl.saslauthd_arguments import MECHANISMS
from maildoctor.sasl.saslauthd_daemon import daemons
from maildoctor.sasl.saslauthd_verifier import verifier
from maildoctor.sasl.smtpd_conf import SASLDB_PATH
from maildoctor.source import Source
from maildoctor_checks._saslauthd import CONSEQUENCES, impact, is_running, log_command, process_evidence

PAM = Option(
    "pam",
    "saslauthd asks PAM: the accounts of this machine can log in.",
    (SetLine(DEFAULTS, "MECHANISMS", "=", '"pam"'), RestartUnit("saslauthd")),
)


@check(Stage.VERIFYING, explains=CONSEQUENCES)
def saslauthd_mechanism_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """MECHANISMS in /etc/default/saslauthd names nothing that saslauthd knows.

    What:
        saslauthd ends at its start with "unknown authentication mechanism", or its starter refuses to start
        it. Every login ends with 454.
    Why:
        saslauthd has the mechanisms that saslauthd -v lists, and takes one of them alone. The names of PAM's
        modules or of libsasl2's verifiers are none; on Debian 13 a comment behind the value becomes part of
        it.
    Start: saslauthd-chroot
    Break:
        systemctl stop saslauthd
        sed -i 's/^MECHANISMS=.*/MECHANISMS="pam,shadow"/' /etc/default/saslauthd
        systemctl start saslauthd || true
    Mend:
        sed -i 's/^MECHANISMS=.*/MECHANISMS="pam"/' /etc/default/saslauthd
        systemctl restart saslauthd
    Safety:
        The same name as saslauthd spells it; where it cannot be guessed, a choice.
    See: saslauthd(8), saslauthd -v
    """
    instance = main_instance(host)
    if (
        not needs_saslauthd(host, service)
        or instance is None
        or not instance.known
        or instance.defaults.fatal
    ):
        return
    named = instance.mechanism
    if named.value.lower() in MECHANISMS:
        return
    value = instance.defaults.get("MECHANISMS")
    likely = re.split(r"[,;#_]", named.value.lower())[0]
    fix = SetLine(DEFAULTS, "MECHANISMS", "=", f'"{likely}"'), RestartUnit("saslauthd")
    yield Finding(
        summary=f"saslauthd has no mechanism {value.value or '(MECHANISMS is empty)'}",
        subject=DEFAULTS,
        severity=Severity.WARNING if is_running(host) else Severity.ERROR,
        impact=impact(host, service),
        expected=f"one of {', '.join(MECHANISMS)}",
        found=f'MECHANISMS="{value.value}"',
        evidence=(
            Evidence.at(value.source or Source(DEFAULTS), f'MECHANISMS="{value.value}"'),
            *process_evidence(host),
        ),
        proof=f"grep -n ^MECHANISMS {DEFAULTS}; {log_command(host)}",
        remedy=Remedy.safe(*fix) if likely in MECHANISMS else Remedy.choice(PAM),
    )


@check(Stage.VERIFYING)
def saslauthd_sasldb_empty(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd verifies from a sasldb2 without users.

    What:
        MECHANISMS is sasldb, and /etc/sasldb2 is missing or holds nobody. saslauthd answers no to every
        password: 535.
    Why:
        Whoever can log in on the machine was meant (that is pam), or the users were never added.
    Start: saslauthd-sasldb
    Break:
        echo y | saslpasswd2 -d -u mail.example.com hoge
        systemctl restart saslauthd
    Mend:
        echo 'correct horse' | saslpasswd2 -p -c -u mail.example.com hoge
        systemctl restart saslauthd
    Safety:
        Users and passwords cannot be invented; to ask PAM instead lets other people in, hence a choice.
    See: saslauthd(8), saslpasswd2(8)
    """
    asked = verifier(host, service)
    if asked is None or asked.value.mechanism != "sasldb":
        return
    database = sasldb.database(host, SASLDB_PATH)
    if database is not None and (database.accounts or database.fault):
        return
    found = "no users" if database else "no such file"
    realm = sasldb.default_realm(service)
    yield Finding(
        summary=f"saslauthd verifies from {SASLDB_PATH}, which has no users",
        subject=SASLDB_PATH,
        impact=impact(host, service),
        expected="users",
        found=found,
        evidence=(Evidence.at(asked.source, "-a sasldb"), Evidence(SASLDB_PATH, found)),
        proof="sasldblistusers2",
        remedy=Remedy.manual(
            f"Add each user: saslpasswd2 -c -u {realm} USER. If the accounts of this machine are meant, "
            f'write MECHANISMS="pam" in {DEFAULTS}, then: systemctl restart saslauthd'
        ),
    )


@check(Stage.VERIFYING, explains=CONSEQUENCES)
def saslauthd_mechanism_unprepared(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd's mechanism lacks what it needs.

    What:
        rimap needs the IMAP server's name, ldap its configuration file, kerberos5 a keytab, getpwent
        passwords in /etc/passwd itself. Without it saslauthd does not start, or answers no to everybody.
    Why:
        MECHANISMS was changed without the rest. Debian 13's unit passes MECH_OPTIONS on as it stands there,
        so -O must be part of it; Debian 12's init script adds -O by itself. Since shadow passwords, getpwent
        finds none on Debian: shadow or pam is meant.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^MECHANISMS=.*/MECHANISMS="getpwent"/' /etc/default/saslauthd
        systemctl restart saslauthd
    Mend:
        sed -i 's/^MECHANISMS=.*/MECHANISMS="pam"/' /etc/default/saslauthd
        systemctl restart saslauthd
    Safety:
        To ask PAM instead may let other people in, hence a choice.
    See: saslauthd(8)
    """
    asked = verifier(host, service)
    lacks = _lacks(host, asked.value.mechanism, asked.value.option) if asked else ""
    if asked is None or not lacks:
        return
    yield Finding(
        summary=f"saslauthd's mechanism {asked.value.mechanism} cannot work: {lacks}",
        subject=DEFAULTS,
        impact=impact(host, service),
        expected=f"what {asked.value.mechanism} needs",
        found=lacks,
        evidence=(Evidence.at(asked.source, f"-a {asked.value.mechanism}"), *process_evidence(host)),
        proof=log_command(host),
        remedy=_prepare(host, asked.value.mechanism, lacks),
    )


def _lacks(host: Host, mechanism: str, option: str) -> str:
    files = {"ldap": option or "/etc/saslauthd.conf", "kerberos5": "/etc/krb5.keytab"}
    if mechanism in files and not host.exists(files[mechanism]):
        return f"{files[mechanism]} is missing"
    if mechanism == "rimap" and not option:
        return "-O with the IMAP server's name is missing"
    servers = _servers(host, mechanism, option or files["ldap"]) if host.live else []
    if servers and all(_is_silent(host, *server) for server in servers):
        return f"nobody listens on port {servers[0][1]} of this machine"
    if mechanism == "getpwent" and not _has_passwords(host):
        return "/etc/passwd holds no passwords, they are in /etc/shadow"
    return ""


def _servers(host: Host, mechanism: str, option: str) -> list[tuple[str, int]]:
    """Give name and port of each server that the mechanism may ask."""
    if mechanism == "rimap":
        return [_imap_server(option)]
    return _ldap_servers(host, option) if mechanism == "ldap" else []


def _imap_server(option: str) -> tuple[str, int]:
    """Take ``NAME`` or ``NAME/PORT`` apart, as saslauthd's auth_rimap.c does."""
    name, _, port = option.partition("/")
    return name, int(port[:5]) if port.isdecimal() else 143


def _ldap_servers(host: Host, path: str) -> list[tuple[str, int]]:
    """Give ldap_servers of saslauthd.conf; LDAP_SASLAUTHD in the package's documentation."""
    found = re.search(r"(?m)^\s*ldap_servers:\s*(.+)$", host.text(path))
    urls = re.findall(r"(ldaps?)://([^/:\s,]*)(?::(\d{1,5}))?", found[1] if found else "")
    return [(name, int(port or {"ldap": 389, "ldaps": 636}[kind])) for kind, name, port in urls]


def _is_silent(host: Host, name: str, port: int) -> bool:
    """Tell whether a server of this machine is not there; of others nothing is known."""
    local = name in ("localhost", "127.0.0.1", "::1", "")
    return local and not any(each.port == port for each in listeners(host))


def _has_passwords(host: Host) -> bool:
    fields = (line.split(":")[1:2] for line in host.text("/etc/passwd").splitlines())
    return any(len(field[0]) > 2 for field in fields if field) or not passwd(host)


def _prepare(host: Host, mechanism: str, lacks: str) -> Remedy:
    instance = main_instance(host)
    named = instance.defaults.get("MECH_OPTIONS").value if instance else ""
    if lacks.startswith("-O") and named and not named.startswith("-"):
        fix = SetLine(DEFAULTS, "MECH_OPTIONS", "=", f'"-O {named}"'), RestartUnit("saslauthd")
        return Remedy.safe(*fix)
    if lacks.startswith("nobody listens"):
        return Remedy.manual(f"Start the server that {mechanism} is to ask, or correct its name and port.")
    return Remedy.choice(PAM)


@check(Stage.VERIFYING)
def saslauthd_realm_combined(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd makes user@realm of every name, and its mechanism knows no such users.

    What:
        With -r in OPTIONS saslauthd appends the realm, and smtpd_sasl_local_domain gives one to names without
        it. The machine's own accounts have no @ in their names, so every login fails with 535.
    Why:
        -r is for virtual users whose names contain the domain.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^OPTIONS="-c/OPTIONS="-c -r/' /etc/default/saslauthd
        systemctl restart saslauthd
        postconf -P submission/inet/smtpd_sasl_local_domain=example.com
        systemctl restart postfix
    Mend:
        sed -i 's/^OPTIONS="-c -r/OPTIONS="-c/' /etc/default/saslauthd
        systemctl restart saslauthd
    Safety:
        A choice: which names clients use, only the admin knows.
    See: saslauthd(8), postconf(5) on smtpd_sasl_local_domain
    """
    asked = verifier(host, service)
    domain = service.parameter("smtpd_sasl_local_domain")
    if asked is None or not asked.value.combine_realm or not domain.value.strip():
        return
    if not _local_accounts(host, service, asked.value.mechanism):
        return
    instance = main_instance(host)
    options = instance.defaults.get("OPTIONS").value if instance else ""
    kept = " ".join(word for word in options.split() if word != "-r")
    yield Finding(
        summary=f"saslauthd looks for USER@{domain.value} among accounts that have no @",
        subject=DEFAULTS,
        impact=impact(host, service),
        expected="OPTIONS without -r",
        found="-r",
        evidence=(
            Evidence.at(asked.source, "-r"),
            Evidence.at(domain.source, f"smtpd_sasl_local_domain = {domain.value}"),
        ),
        proof=f"grep -n ^OPTIONS {DEFAULTS}; postconf smtpd_sasl_local_domain",
        remedy=Remedy.choice(
            Option(
                "users",
                "Names are taken as clients send them, without the realm.",
                (SetLine(DEFAULTS, "OPTIONS", "=", f'"{kept}"'), RestartUnit("saslauthd")),
            )
        ),
    )


def _local_accounts(host: Host, service: Service, mechanism: str) -> bool:
    """Tell whether the mechanism knows the machine's accounts and nobody else."""
    from maildoctor.sasl.pam import stack

    if mechanism != "pam":
        return mechanism in ("shadow", "getpwent")
    virtual = (
        "ldap",
        "sss",
        "mysql",
        "pgsql",
        "userdb",
        "winbind",
        "krb5",
        "radius",
        "imap",
        "exec",
        "script",
    )
    modules = [
        rule.module for rule in stack(host, service.parameter("smtpd_sasl_service").value or "smtp", "auth")
    ]
    return "pam_unix.so" in modules and not any(word in module for module in modules for word in virtual)


@check(Stage.VERIFYING, live=True, root=True)
def saslauthd_without_shadow(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd cannot read the passwords of the machine's accounts.

    What:
        Its mechanism looks into /etc/shadow, and saslauthd does not run as root, or its unit hides the file.
        It answers no to every password: 535.
    Why:
        A drop-in for its unit sets User=, InaccessiblePaths= or another root directory, to harden it.
    Start: saslauthd-chroot
    Break:
        mkdir -p /etc/systemd/system/saslauthd.service.d
        printf '[Service]\\nInaccessiblePaths=/etc/shadow\\n' \\
            > /etc/systemd/system/saslauthd.service.d/hide.conf
        sed -i 's/^OPTIONS="-c /OPTIONS="/' /etc/default/saslauthd
        systemctl daemon-reload
        systemctl restart saslauthd
    Mend:
        rm /etc/systemd/system/saslauthd.service.d/hide.conf
        systemctl daemon-reload
        systemctl restart saslauthd
    Safety:
        Manual: somebody meant to protect the host.
    See: systemd.exec(5), shadow(5)
    """
    asked = verifier(host, service)
    if asked is None or not _local_accounts(host, service, asked.value.mechanism):
        return
    blind = [(daemon.pids[0], why) for daemon in daemons(host) if (why := _why_blind(host, daemon.pids[0]))]
    if not blind or len(blind) < len(daemons(host)):
        return
    pid, why = blind[0]
    yield Finding(
        summary=f"saslauthd cannot read /etc/shadow: {why}",
        subject="/etc/shadow",
        impact=impact(host, service),
        expected="saslauthd as root, with the /etc/shadow of this host",
        found=why,
        evidence=(Evidence.at(asked.source, f"-a {asked.value.mechanism}"), Evidence(f"/proc/{pid}", why)),
        proof=f"grep Uid /proc/{pid}/status; ls -l /proc/{pid}/root/etc/shadow; systemctl cat saslauthd",
        remedy=Remedy.manual(
            "Take User=, InaccessiblePaths= and the like out of saslauthd's unit (systemctl cat saslauthd "
            "shows them), then: systemctl daemon-reload && systemctl restart saslauthd"
        ),
    )


def _why_blind(host: Host, pid: int) -> str:
    """Say why a process cannot read this host's /etc/shadow; empty where it can."""
    try:
        theirs = os.stat(f"/proc/{pid}/root/etc/shadow")
        uid = os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return "it sees no such file" if os.path.exists(f"/proc/{pid}") else ""
    except OSError:
        return ""
    if uid != 0:
        return f"it runs as {user_name(host, uid)}"
    return "" if os.path.samestat(theirs, host.stat("/etc/shadow")) else "its unit hides the file"

"""Listening: nobody can log in on this host yet, and the admin says (``--auth``) that people shall."""

from collections.abc import Callable, Iterator

from maildoctor.check import check
from maildoctor.debian.packages import package
from maildoctor.debian.release import debian_release, uses_systemd
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix.configuration import MASTER_CF, SUBMISSION_PORTS, login_services, parameter
from maildoctor.remedy import (
    Action,
    AddService,
    EnableUnit,
    HardLink,
    InstallPackages,
    MakeDirectory,
    MoveFile,
    Option,
    Remedy,
    RestartUnit,
    SetLine,
    SetSaslPassword,
    SetServiceOption,
    StatOverride,
    SymbolicLink,
    WriteFile,
)
from maildoctor.sasl.saslauthd import DEFAULTS
from maildoctor.sasl.saslauthd_unit import unit
from maildoctor_checks._dovecot import OWN_FILE, listener_text, own_file
from maildoctor_checks._saslauthd import boot, keep_directory, let_in, listen_in, listen_under_unit

SUBMISSION = "submission/inet"
QUEUE = "/var/spool/postfix"
SASLDB = "/etc/sasldb2"
SNAKEOIL = "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key"
PACKAGES = {
    "saslauthd": ("sasl2-bin", "libsasl2-modules"),
    "sasldb": ("sasl2-bin", "libsasl2-modules", "libsasl2-modules-db"),
    "dovecot": ("dovecot-core",),
}
SMTPD_CONF = {
    "saslauthd": "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n",
    "sasldb": "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n",
}
WHO = {
    "saslauthd": "the users of this system log in, verified by saslauthd",
    "sasldb": f"the users in {SASLDB} log in",
    "dovecot": "the users that Dovecot knows log in (this system's, unless it is told otherwise)",
}
DOVECOT_OPTIONS = {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"}
SETTLED = (
    "auth-not-enabled",
    "submission-service-missing",
    "sasl-modules-missing",
    "smtpd-conf-missing",
    "smtpd-conf-misplaced",
    "saslauthd-not-installed",
    "saslauthd-not-running",
    "saslauthd-not-enabled",
    "saslauthd-start-not-yes",
    "saslauthd-directory-missing",
    "saslauthd-socket-outside-chroot",
    "postfix-not-in-group-sasl",
    "sasldb-plugin-missing",
    "sasldb-missing",
    "sasldb-missing-in-chroot",
    "sasldb-unreadable",
    "sasldb-empty",
    "dovecot-not-installed",
    "dovecot-not-running",
    "dovecot-not-enabled",
)
"""What a host has where nothing was ever set up; port 25, of which they speak, stays as it is."""


@check(Stage.LISTENING, explains=SETTLED)
def login_service_wanted(host: Host) -> Iterator[Finding]:
    """Nothing on this host offers AUTH, and --auth says that people shall log in here.

    What:
        No smtpd offers AUTH, and master.cf has no service for submission: a freshly installed Postfix.
    Why:
        Debian's Postfix takes mail from other servers on port 25. People who send mail need a service of
        their own: submission on port 587, with TLS, a verifier for their passwords, and permission to relay
        for those who logged in and nobody else.
    Start: stock
    Safety:
        A choice, made by giving --auth: port 587 is opened, where passwords are taken within TLS alone.
        Port 25 is not touched.
    See: SASL_README, TLS_README, RFC 6409
    """
    verifier = host.intended or ""
    services = login_services(host)
    if verifier not in WHO or any(
        each.flag("smtpd_sasl_auth_enable") or each.port in SUBMISSION_PORTS for each in services
    ):
        return
    certificate, whose, tls = _certificate(host)
    meaning = (
        f"Opens port 587, where {WHO[verifier]}; TLS is required (smtpd_tls_security_level=encrypt)"
        f" with {whose}, {certificate}."
    )
    chroot = next((each.chroot for each in services if each.port == 25), QUEUE)
    verifying = VERIFYING[verifier](host, chroot)
    asking = DOVECOT_OPTIONS if verifier == "dovecot" else {}
    opening = _service(chroot, tls, asking)
    actions = (*_packages(host, verifier), *verifying, *opening, RestartUnit("postfix"))
    yield Finding(
        summary="nothing offers AUTH, and people shall log in",
        subject=SUBMISSION,
        expected="a service for submission on port 587",
        found="none",
        evidence=(
            Evidence(MASTER_CF, "no entry for submission"),
            Evidence("--auth", f"{verifier} is to verify passwords"),
        ),
        proof=f"postconf -M {SUBMISSION}",
        remedy=Remedy.choice(Option(verifier, meaning, actions), notes=_notes(host, verifier)),
    )


def _packages(host: Host, verifier: str) -> list[Action]:
    names = [*PACKAGES[verifier], *([] if host.exists(SNAKEOIL[0]) or _own(host) else ["ssl-cert"])]
    missing = tuple(name for name in names if not _is_installed(host, name))
    return [InstallPackages(missing)] if missing else []


def _is_installed(host: Host, name: str) -> bool:
    found = package(host, name)
    return found is not None and found.state == "installed"


def _own(host: Host) -> str:
    """Give the file of the certificate that main.cf names and that is there, or nothing."""
    for name in ("smtpd_tls_chain_files", "smtpd_tls_cert_file"):
        for path in parameter(host, name).value.replace(",", " ").split():
            if path.startswith("/") and host.exists(path):
                return path
    return ""


def _certificate(host: Host) -> tuple[str, str, list[Action]]:
    """Give the certificate's file, whose it is, and the actions that make the service use it."""
    own = _own(host)
    if own and own != SNAKEOIL[0]:
        return own, "the host's own certificate", []
    snakeoil = "Debian's self-signed snakeoil certificate, which clients must be told to accept"
    names = ("smtpd_tls_cert_file", "smtpd_tls_key_file")
    use = [SetServiceOption(SUBMISSION, *pair) for pair in zip(names, SNAKEOIL, strict=True)]
    return SNAKEOIL[0], snakeoil, [] if own else [*use]


def _conf(host: Host) -> str:
    directory = parameter(host, "cyrus_sasl_config_path").value.partition(":")[0] or "/etc/postfix/sasl"
    return f"{directory}/smtpd.conf"


def _saslauthd(host: Host, chroot: str | None) -> list[Action]:
    actions: list[Action] = [WriteFile(_conf(host), SMTPD_CONF["saslauthd"])]
    directory = f"{chroot}/var/run/saslauthd" if chroot else "/var/run/saslauthd"
    if not _is_installed(host, "sasl2-bin") and uses_systemd(host) and (debian_release(host) or 0) >= 13:
        # Its package brings a unit, which is not there to be read yet.
        actions += listen_under_unit(host, directory) if chroot else []
        return [*actions, EnableUnit("saslauthd"), RestartUnit("saslauthd"), *let_in(host)]
    actions += [SetLine(DEFAULTS, "START", "=", "yes")] if unit(host) is None else []
    actions += [*keep_directory(host, directory), *listen_in(host, directory)] if chroot else []
    return [*actions, *boot(host), RestartUnit("saslauthd"), *let_in(host)]


def _sasldb(host: Host, chroot: str | None) -> list[Action]:
    actions: list[Action] = [WriteFile(_conf(host), SMTPD_CONF["sasldb"])]
    if host.intended_user:
        user, at, realm = host.intended_user.rpartition("@")
        names = (user, realm) if at else (host.intended_user, parameter(host, "myhostname").value)
        actions.append(SetSaslPassword(*names))
    actions.append(StatOverride(SASLDB, "root", "postfix", 0o640))
    return [*actions, *(_into(host, chroot) if chroot else [])]


def _dovecot(host: Host, chroot: str | None) -> list[Action]:
    # A Dovecot that is yet to be installed comes with Debian's dovecot.conf, which includes conf.d.
    file = own_file(host) or f"/etc/dovecot/conf.d/{OWN_FILE}"
    text = f"auth_mechanisms = plain login\n{listener_text(f'{QUEUE}/private/auth')}"
    return [WriteFile(file, text), EnableUnit("dovecot"), RestartUnit("dovecot")]


VERIFYING: dict[str, Callable[[Host, str | None], list[Action]]] = {
    "saslauthd": _saslauthd,
    "sasldb": _sasldb,
    "dovecot": _dovecot,
}


def _into(host: Host, chroot: str) -> list[Action]:
    """Give the file a name inside the chroot, or move it where a hard link cannot lead."""
    inside, directory = f"{chroot}{SASLDB}", f"{chroot}/etc"
    if not host.exists(directory):
        return [MakeDirectory(directory), HardLink(SASLDB, inside)]
    if host.stat(directory).st_dev == host.stat("/etc").st_dev:
        return [HardLink(SASLDB, inside)]
    return [MoveFile(SASLDB, inside), SymbolicLink(inside, SASLDB)]


def _service(chroot: str | None, tls: list[Action], asking: dict[str, str]) -> list[Action]:
    options = {
        "syslog_name": "postfix/submission",
        "smtpd_tls_security_level": "encrypt",
        "smtpd_sasl_auth_enable": "yes",
        **asking,
        "smtpd_tls_auth_only": "yes",
        "smtpd_relay_restrictions": "permit_sasl_authenticated,reject",
    }
    entry = f"submission inet n - {'y' if chroot else 'n'} - - smtpd"
    return [
        AddService(SUBMISSION, entry),
        *(SetServiceOption(SUBMISSION, name, value) for name, value in options.items()),
        *tls,
    ]


def _notes(host: Host, verifier: str) -> str:
    if verifier == "sasldb" and not host.intended_user:
        return "--user NAME@REALM adds a first user to sasldb2; its password is asked for."
    return ""

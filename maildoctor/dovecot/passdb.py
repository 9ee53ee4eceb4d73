"""What Dovecot's auth process needs to start: mechanisms that it knows, and password databases for them.

It looks at its start whether each mechanism of auth_mechanisms is there and can be served, and ends with a
fatal error where one is not: auth.c, mech.c, passdb.c of Dovecot 2.3 and 2.4.
"""

from typing import NamedTuple

from maildoctor.dovecot.config import Configuration, Section, configuration, expanded
from maildoctor.fact import fact
from maildoctor.host import Host, Refused
from maildoctor.source import Source, Sourced

MODULES = "/usr/lib/dovecot/modules"
KNOWN = frozenset(
    {
        *("ANONYMOUS", "APOP", "CRAM-MD5", "DIGEST-MD5", "EXTERNAL", "GSS-SPNEGO", "GSSAPI", "LOGIN", "NTLM"),
        *("OAUTHBEARER", "OTP", "PLAIN", "RPA", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256"),
        *("SCRAM-SHA-256-PLUS", "SKEY", "XOAUTH2"),
    }
)
"""Every mechanism that some version of 2.3 or 2.4 has."""
IN_MODULES = {"GSSAPI": "auth/libmech_gssapi.so", "GSS-SPNEGO": "auth/libmech_gssapi.so"}
NEED_PASSWORD = ("APOP", "CRAM-MD5", "DIGEST-MD5", "NTLM", "OTP", "RPA", "SCRAM-", "SKEY")
"""Mechanisms (or their beginnings) that need to know the password, or what was made of it."""
VERIFY_ONLY = frozenset({"pam", "imap", "bsdauth"})
"""Databases that can say yes or no to a password, and give none away."""
PACKAGES = {"ldap": "dovecot-ldap", "lua": "dovecot-auth-lua"}
"""Databases in a module of their own, ``auth/libauthdb_NAME.so``, and Debian's package of it."""


class Passdb(NamedTuple):
    """One ``passdb`` section."""

    driver: str
    settings: dict[str, Sourced[str]]
    source: Source

    def __hash__(self) -> int:
        """Two of one place are one."""
        return hash(self.source)

    def value(self, name: str) -> str:
        """Give a setting's value, empty where it is not set."""
        return self.settings.get(name, Sourced("")).value


def is_new(found: Configuration) -> bool:
    """Tell whether the files are written for Dovecot 2.4, which demands this line first."""
    return bool(found.setting("dovecot_config_version"))


def mechanisms(found: Configuration) -> Sourced[list[str]] | None:
    """Give what auth_mechanisms names, in capitals; None where it is put together elsewhere.

    Since 2.4 commas may separate the names; in 2.3 they become part of them.
    """
    if any(found.top.all("auth_mechanisms")):
        return None
    setting = found.top.settings.get("auth_mechanisms", Sourced("plain"))
    text = setting.value.upper()
    names = (text.replace(",", " ") if is_new(found) else text).split()
    return None if "$" in text else Sourced(names, setting.source)


@fact
def passdbs(host: Host) -> tuple[Passdb, ...] | None:
    """Give the password databases, those left out that only refuse (``deny``); None without a dovecot.conf.

    Raises Refused where an included file could not be read: they may stand there.
    """
    found = configuration(host)
    if found is None:
        return None
    if found.unread:
        raise Refused(found.unread[0])
    every = (_passdb(found, section) for section in found.top.all("passdb"))
    return tuple(each for each in every if each.value("deny").lower() != "yes")


def _passdb(found: Configuration, section: Section) -> Passdb:
    driver = section.settings.get("driver", Sourced(section.name)).value
    return Passdb(expanded(found, driver).lower(), section.settings, section.source)


def pam_service(passdb: Passdb) -> str:
    """Give the PAM service that a ``pam`` database asks for a client of Postfix: dovecot by default.

    2.3 takes the last word of ``args`` that is no option; ``*`` and ``%s`` stand for the protocol, smtp.
    """
    words = [word for word in passdb.value("args").split() if "=" not in word and word != "blocking"]
    name = passdb.value("service_name") or passdb.value("passdb_pam_service_name") or "".join(words[-1:])
    return "smtp" if name in ("*", "%s", "%Ls") else name.replace("%{protocol}", "smtp") or "dovecot"


def file_of(passdb: Passdb) -> str:
    """Give the file of a ``passwd-file`` database; empty where its name depends on the user."""
    if passdb.driver != "passwd-file":
        return ""
    path = passdb.value("passwd_file_path") or "".join(passdb.value("args").split()[-1:])
    return path if path.startswith("/") and "%" not in path else ""


def absent(host: Host, mechanism: str) -> str:
    """Say why Dovecot does not know a mechanism; empty if it does."""
    if mechanism not in KNOWN:
        return "Dovecot has no such mechanism"
    module = IN_MODULES.get(mechanism)
    if module and host.exists(MODULES) and not host.exists(f"{MODULES}/{module}"):
        return "it is in Debian's package dovecot-gssapi, which is not installed"
    return ""


def needs_password(mechanism: str) -> bool:
    """Tell whether a mechanism can only be served from a database that gives the password away."""
    return mechanism.startswith(NEED_PASSWORD)


def driver_package(host: Host, driver: str) -> str:
    """Give the package that a driver lacks; empty where it is there, or nothing is known of it."""
    package = PACKAGES.get(driver, "")
    there = not host.exists(MODULES) or host.exists(f"{MODULES}/auth/libauthdb_{driver}.so")
    return "" if there else package


def worker_user(found: Configuration) -> Sourced[str]:
    """Give the user that the processes run as which ask PAM and read /etc/shadow: root by default."""
    user = Sourced("root")
    for section in found.top.all("service", "auth-worker"):
        user = section.settings.get("user", user)
    return Sourced(expanded(found, user.value), user.source)

"""Configured: does smtpd.conf name verifiers and mechanisms that exist and fit together?"""

import re
from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import InstallPackages, Option, Remedy, RestartUnit, SetLine
from maildoctor.remedy.action import Action
from maildoctor.sasl.intention import intention, traces_of_sasldb
from maildoctor.sasl.method import PLAINTEXT, PWCHECK_METHODS, method, needs_secret
from maildoctor.sasl.smtpd_conf import SmtpdConf, library_directories
from maildoctor_checks._conf import KILLS_SMTPD, OF_SASLDB, deadly

MEANT_BY = {
    "pam": "saslauthd",
    "shadow": "saslauthd",
    "saslauth": "saslauthd",
    "pwcheck": "saslauthd",
    "sasldb": "auxprop",
    "sasldb2": "auxprop",
    "sql": "auxprop",
    "auxprop-hashed": "auxprop",
}
PLUGINS = {"sasldb": "libsasl2-modules-db", "sql": "libsasl2-modules-sql", "ldapdb": "libsasl2-modules-ldap"}
MECHANISMS = re.findall(
    r"\S+",
    "PLAIN LOGIN ANONYMOUS EXTERNAL CRAM-MD5 DIGEST-MD5 NTLM OTP SRP GSSAPI GS2-KRB5 GS2-IAKERB GSS-SPNEGO "
    "KERBEROS_V4 PASSDSS-3DES-1 SCRAM-SHA-1 SCRAM-SHA-224 SCRAM-SHA-256 SCRAM-SHA-384 SCRAM-SHA-512",
)
"""All that libsasl2's plugins can be."""


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def pwcheck_method_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """pwcheck_method names a verifier that libsasl2 does not have.

    What:
        Nobody verifies the password: every login fails with 535, and the log says "no mechanism available"
        or "unknown password verifier".
    Why:
        Known are auxprop, saslauthd, authdaemond and alwaystrue. The way in which saslauthd itself verifies
        (pam, shadow) is set in /etc/default/saslauthd instead, and sasldb is a plugin of auxprop. Words are
        separated by spaces: a comma becomes part of the name.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^pwcheck_method:.*/pwcheck_method: pam/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^pwcheck_method:.*/pwcheck_method: saslauthd/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Only the misspelt name is replaced by the nearest one that exists.
    See: libsasl(5), SASL_README
    """
    conf = method(host, service).conf
    unknown = [word for word in conf.pwcheck_methods.value if word not in PWCHECK_METHODS] if conf else []
    if conf is None or not unknown:
        return
    meant = [_verifier(word) for word in conf.pwcheck_methods.value]
    left = [word for word in conf.pwcheck_methods.value if word in PWCHECK_METHODS]
    fails = not left or any(word.strip(",;\"'") in PWCHECK_METHODS for word in unknown)
    yield Finding(
        summary=f"pwcheck_method names {', '.join(unknown)}, which libsasl2 does not know",
        subject=conf.path,
        severity=Severity.ERROR if fails else Severity.INFO,
        impact=Impact.SOME_LOGINS if left else Impact.ALL_LOGINS,
        expected=f"some of {', '.join(PWCHECK_METHODS[:2])}",
        found=" ".join(conf.pwcheck_methods.value),
        evidence=(
            Evidence.at(
                conf.pwcheck_methods.source, f"pwcheck_method: {' '.join(conf.pwcheck_methods.value)}"
            ),
        ),
        proof=f"grep -in pwcheck_method {quote(conf.path)}",
        remedy=_name(host, service, conf, [word for word in meant if word]),
    )


def _verifier(word: str) -> str:
    from difflib import get_close_matches

    plain = word.strip(",;\"'")
    if plain in PWCHECK_METHODS:
        return plain
    close = get_close_matches(plain, PWCHECK_METHODS[:2], 1, 0.6)
    return MEANT_BY.get(plain) or (close[0] if close else "")


def _name(host: Host, service: Service, conf: SmtpdConf, words: list[str]) -> Remedy:
    if words:
        return Remedy.safe(*_ask(conf, " ".join(dict.fromkeys(words))))
    purpose = intention(host, service)
    options = []
    if purpose.saslauthd:
        options.append(Option("saslauthd", "saslauthd verifies passwords.", _ask(conf, "saslauthd")))
    if purpose.sasldb:
        options.append(Option("sasldb", "Passwords are verified from sasldb2.", _ask(conf, "auxprop")))
    if len(options) == 1:
        return Remedy.safe(*options[0].actions)
    notes = f"Let {conf.path} say pwcheck_method: saslauthd, or auxprop for sasldb2."
    return Remedy.choice(*options) if options else Remedy.manual(notes)


def _ask(conf: SmtpdConf, value: str) -> tuple[Action, ...]:
    return SetLine(conf.path, "pwcheck_method", ": ", value), RestartUnit("postfix")


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def pwcheck_method_alwaystrue(host: Host, service: Service) -> Iterator[Finding]:
    """pwcheck_method is alwaystrue: any password is right.

    What:
        Anybody who names any user is logged in and may send mail through this server. Spammers find such a
        server within hours.
    Why:
        The verifier is made for tests, and Debian's libsasl2 contains it.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^pwcheck_method:.*/pwcheck_method: alwaystrue/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^pwcheck_method:.*/pwcheck_method: saslauthd/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Nobody who has a real password loses anything.
    See: libsasl(5)
    """
    named = method(host, service)
    if named.conf is None or not named.uses("alwaystrue"):
        return
    others = [word for word in named.conf.pwcheck_methods.value if word != "alwaystrue"]
    yield Finding(
        summary="pwcheck_method: alwaystrue lets everybody in, whatever the password",
        subject=named.conf.path,
        impact=Impact.DANGER,
        expected="saslauthd or auxprop",
        found="alwaystrue",
        evidence=(Evidence.at(named.conf.pwcheck_methods.source, "pwcheck_method: alwaystrue"),),
        proof=f"grep -in pwcheck_method {quote(named.conf.path)}",
        remedy=_name(host, service, named.conf, others),
    )


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def auxprop_plugin_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """auxprop_plugin names a plugin that is not there.

    What:
        libsasl2 finds no place to look passwords up in, and every login fails with 535.
    Why:
        The plugins are sasldb, sql and ldapdb, each in a package of its own (libsasl2-modules-db, -sql,
        -ldap). sasldb2 is the file's name, not the plugin's; words are separated by spaces, not commas.
    Start: sasldb-chroot
    Break:
        sed -i 's/^auxprop_plugin:.*/auxprop_plugin: sasldb2/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^auxprop_plugin:.*/auxprop_plugin: sasldb/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Only the misspelt name is replaced by the one that exists.
    See: libsasl(5)
    """
    conf = method(host, service).conf
    value = conf.get("auxprop_plugin") if conf else None
    if conf is None or value is None or "auxprop" not in conf.pwcheck_methods.value:
        return
    words = value.value.lower().split()
    absent = [
        word for word in words if word not in PLUGINS or (word != "sasldb" and not _is_there(host, word))
    ]
    if not absent:
        return
    yield Finding(
        summary=f"auxprop_plugin names {', '.join(absent)}, which libsasl2 does not find",
        subject=conf.path,
        impact=Impact.ALL_LOGINS if absent == words else Impact.SOME_LOGINS,
        expected="sasldb",
        found=value.value,
        evidence=(Evidence.at(value.source, f"auxprop_plugin: {value.value}"),),
        proof=f"grep -in auxprop_plugin {quote(conf.path)}",
        remedy=_plugin(conf, words, absent),
    )


def _is_there(host: Host, plugin: str) -> bool:
    return any(host.exists(f"{directory}/lib{plugin}.so") for directory in library_directories(host))


def _plugin(conf: SmtpdConf, words: list[str], absent: list[str]) -> Remedy:
    from difflib import get_close_matches

    packages = tuple(PLUGINS[word] for word in absent if word in PLUGINS)
    if packages:
        return Remedy.choice(
            Option(
                "install",
                "Installs the plugin that is named.",
                (InstallPackages(packages), RestartUnit("postfix")),
            )
        )
    meant = [get_close_matches(word.strip(","), PLUGINS, 1, 0.5) or ["sasldb"] for word in words]
    value = " ".join(dict.fromkeys(each[0] for each in meant))
    return Remedy.safe(SetLine(conf.path, "auxprop_plugin", ": ", value), RestartUnit("postfix"))


@check(Stage.CONFIGURED, explains=KILLS_SMTPD)
def mech_list_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """mech_list names a mechanism that does not exist.

    What:
        libsasl2 passes over names that it does not know, a name with a comma at its end among them. Where
        nothing is left, smtpd ends before it greets, and incoming mail stops as well.
    Why:
        mech_list is separated by spaces alone, unlike Postfix's own lists.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^mech_list:.*/mech_list: plain,login/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^mech_list:.*/mech_list: plain login/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        The same names, spelt so that libsasl2 knows them.
    See: libsasl(5), SASL_README
    """
    conf = method(host, service).conf
    listed = conf.mech_list if conf else None
    unknown = (
        [word for word in listed.value if word.removesuffix("-PLUS") not in MECHANISMS] if listed else []
    )
    if conf is None or listed is None or not unknown:
        return
    meant = [_mechanism(word) for word in " ".join(listed.value).replace(",", " ").split()]
    left = len(unknown) < len(listed.value)
    plainly = [word for word in unknown if word.strip(",;\"'") in MECHANISMS or _mechanism(word)]
    yield Finding(
        summary=f"mech_list names {', '.join(unknown)}, which libsasl2 does not know",
        subject=conf.path,
        severity=Severity.ERROR if not left or plainly else Severity.INFO,
        impact=Impact.SOME_LOGINS if left else deadly(host),
        expected=" ".join(filter(None, meant)) or "PLAIN LOGIN",
        found=" ".join(listed.value),
        evidence=(Evidence.at(listed.source, f"mech_list: {' '.join(listed.value)}"),),
        proof=f"grep -in mech_list {quote(conf.path)}",
        remedy=_list(conf, meant),
    )


def _mechanism(word: str) -> str:
    from difflib import get_close_matches

    plain = word.strip(",;\"'").upper()
    close = get_close_matches(plain, MECHANISMS, 1, 0.75)
    return plain if plain.removesuffix("-PLUS") in MECHANISMS else (close[0] if close else "")


def _list(conf: SmtpdConf, meant: list[str]) -> Remedy:
    if not all(meant):
        return Remedy.manual(
            f"Name existing mechanisms in {conf.path}, separated by spaces, such as PLAIN LOGIN."
        )
    value = " ".join(dict.fromkeys(meant))
    return Remedy.safe(SetLine(conf.path, "mech_list", ": ", value), RestartUnit("postfix"))


@check(Stage.CONFIGURED)
def mech_list_unserved(host: Host, service: Service) -> Iterator[Finding]:
    """mech_list offers mechanisms that the verifier cannot serve.

    What:
        saslauthd verifies a password that the client sends, so it serves PLAIN and LOGIN alone. CRAM-MD5,
        DIGEST-MD5 and SCRAM need the password itself, which only auxprop's plugins (sasldb2) can give. If
        nothing else is offered, nobody can log in; if they are offered beside PLAIN, clients that prefer them
        fail.
    Why:
        A list from a guide for sasldb2 was taken over for saslauthd.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^mech_list:.*/mech_list: CRAM-MD5 DIGEST-MD5/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^mech_list:.*/mech_list: PLAIN LOGIN/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        PLAIN and LOGIN send the password itself: offer them inside TLS (smtpd_tls_auth_only = yes) only.
    See: libsasl(5), saslauthd(8)
    """
    named = method(host, service)
    conf = named.conf
    listed = conf.mech_list if conf else None
    if conf is None or listed is None or not named.only("saslauthd") or any(traces_of_sasldb(host, service)):
        return
    unserved = [word for word in listed.value if needs_secret(word)]
    if not unserved:
        return
    nothing = not any(word in PLAINTEXT for word in listed.value)
    yield Finding(
        summary=f"saslauthd cannot serve {', '.join(unserved)}",
        subject=conf.path,
        severity=Severity.ERROR if nothing else Severity.INFO,
        expected="PLAIN LOGIN",
        found=" ".join(listed.value),
        evidence=(
            Evidence.at(listed.source, f"mech_list: {' '.join(listed.value)}"),
            Evidence.at(conf.pwcheck_methods.source, "pwcheck_method: saslauthd"),
        ),
        proof=f"grep -in 'mech_list\\|pwcheck_method' {quote(conf.path)}",
        remedy=Remedy.choice(
            Option(
                "plaintext",
                "Clients send the password itself; it should travel inside TLS only.",
                (SetLine(conf.path, "mech_list", ": ", "PLAIN LOGIN"), RestartUnit("postfix")),
            )
        ),
    )

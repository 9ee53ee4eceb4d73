"""Configured: what stands in smtpd.conf, line by line."""

import re
from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import Option, Remedy, RestartUnit, SetLine, WriteFile
from maildoctor.sasl.conf_repair import repaired
from maildoctor.sasl.method import method
from maildoctor.sasl.smtpd_conf import Setting, SmtpdConf, effective
from maildoctor.source import Source
from maildoctor_checks._conf import KILLS_SMTPD, OF_SASLDB, deadly

KEYS = re.findall(
    r"\w+",
    "authdaemond_path auto_transition auxprop_plugin canon_user_plugin keytab ldapdb_canon_attr ldapdb_id "
    "ldapdb_mech ldapdb_pw ldapdb_rc ldapdb_starttls ldapdb_uri log_level mech_list ntlm_server ntlm_v2 "
    "opiekeys otp_mda plugin_list pwcheck_method reauth_timeout saslauthd_path sasldb_mapsize "
    "sasldb_maxreaders sasldb_path scram_iteration_counter scram_secret_generate sql_database sql_engine "
    "sql_hostnames sql_insert sql_passwd sql_select sql_statement sql_update sql_user sql_usessl "
    "srp_mda srvtab",
)
"""What libsasl2 2.1.28 and its plugins ask for."""
DECIDING = frozenset({"pwcheck_method", "saslauthd_path", "sasldb_path", "auxprop_plugin", "mech_list"})


def _conf(host: Host, service: Service) -> SmtpdConf | None:
    return effective(host, service) if method(host, service).conf is not None else None


@check(Stage.CONFIGURED, explains=KILLS_SMTPD)
def smtpd_conf_syntax(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd.conf has a line that libsasl2 does not understand.

    What:
        libsasl2 gives up at one line, and smtpd ends before it greets, on every service with AUTH enabled.
        If port 25 is one of them, incoming mail stops as well. master then waits up to a minute before it
        tries again.
    Why:
        Each line must be "key: value". An equals sign, a space before the colon, an empty value, a word
        alone, or an editor's byte order mark at the begin of the file is an error; a comment begins with #.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^pwcheck_method:/pwcheck_method =/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^pwcheck_method *=/pwcheck_method:/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Only the form of the line changes. A restart is needed: a reload does not lift master's pause.
    See: libsasl(5), SASL_README
    """
    conf = _conf(host, service)
    if conf is None or conf.fault is None:
        return
    fault = conf.fault
    yield Finding(
        summary=f"libsasl2 cannot read {conf.path}: line {fault.line}, {fault.why}",
        subject=conf.path,
        impact=deadly(host),
        expected="key: value",
        found=_shown(fault.text),
        evidence=(Evidence.at(Source(conf.path, fault.line), _shown(fault.text)),),
        proof=f"sed -n {fault.line}p {quote(conf.path)} | od -c | head",
        remedy=_rewrite(host, conf),
        explains=() if conf.get("pwcheck_method") else OF_SASLDB,
    )


def _shown(line: str) -> str:
    """Give the line without what may be a password."""
    key = re.split(r"[\s:=]", line.strip("\ufeff \t"), maxsplit=1)[0]
    return f"{key} ..." if re.search(r"(?i)pass|pw$|secret", key) else line[:200]


def _rewrite(host: Host, conf: SmtpdConf) -> Remedy:
    text = repaired(host.read(conf.path))
    if text is None:
        return Remedy.manual(f"Write each line of {conf.path} as key: value, then: systemctl restart postfix")
    status = host.stat(conf.path)
    return Remedy.safe(
        WriteFile(conf.path, text, mode=status.st_mode & 0o777 or 0o644), RestartUnit("postfix")
    )


@check(Stage.CONFIGURED, explains=(*KILLS_SMTPD, *OF_SASLDB))
def smtpd_conf_unreadable(host: Host, service: Service) -> Iterator[Finding]:
    """What stands in smtpd.conf's place is no file that can be read.

    What:
        smtpd finds a directory, a FIFO, a device or something far too large where its smtpd.conf should be.
        From a directory it reads nothing and falls back to sasldb2; at a FIFO it waits for ever.
    Why:
        Mostly mkdir was given the file's own path, or a mount or container put a directory in its place.
    Start: saslauthd-chroot
    Break:
        mv /etc/postfix/sasl/smtpd.conf /etc/postfix/sasl/smtpd.conf.away
        mkdir /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        rmdir /etc/postfix/sasl/smtpd.conf
        mv /etc/postfix/sasl/smtpd.conf.away /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Nothing is removed by itself: look at what stands there before you move it away.
    See: SASL_README
    """
    conf = _conf(host, service)
    if conf is None or not conf.obstacle:
        return
    yield Finding(
        summary=f"{conf.path} {conf.obstacle}",
        subject=conf.path,
        expected="a regular file",
        found=conf.obstacle,
        evidence=(Evidence(f"stat {conf.path}", conf.obstacle),),
        proof=f"stat {quote(conf.path)}",
        remedy=Remedy.manual(
            f"Move {conf.path} away and write a file in its place with two lines, pwcheck_method and "
            "mech_list, then: systemctl restart postfix"
        ),
    )


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def smtpd_conf_unknown_key(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd.conf sets an option that libsasl2 does not know.

    What:
        Nothing reads the option, and nothing complains. Where it is a misspelling of one that decides how
        passwords are verified, the default is in force instead and logins fail.
    Why:
        libsasl2 looks up the names that it needs and never asks whether others stand there.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^pwcheck_method/pwcheck_metod/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^pwcheck_metod/pwcheck_method/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Adds the option under its right name; the misspelt line stays and does no harm.
    See: libsasl(5)
    """
    conf = _conf(host, service)
    for setting in conf.settings if conf and not conf.fault else ():
        if setting.key in KEYS or not conf:
            continue
        from difflib import get_close_matches

        close = get_close_matches(setting.key, KEYS, 1, 0.75)
        wrong = bool(close) and close[0] in DECIDING and conf.get(close[0]) is None
        yield Finding(
            summary=f"{conf.path} sets {setting.key}, which libsasl2 does not know",
            subject=conf.path,
            severity=Severity.ERROR if wrong and close[0] != "mech_list" else Severity.INFO,
            expected=close[0] if close else "an option of libsasl(5)",
            found=setting.key,
            evidence=(
                Evidence.at(Source(conf.path, setting.line), _shown(f"{setting.key}: {setting.value}")),
            ),
            proof=f"sed -n {setting.line}p {quote(conf.path)}",
            remedy=_respell(conf, close[0], setting.value) if wrong else Remedy(),
        )


def _respell(conf: SmtpdConf, key: str, value: str) -> Remedy:
    return Remedy.safe(SetLine(conf.path, key, ": ", value), RestartUnit("postfix"))


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def smtpd_conf_option_twice(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd.conf sets an option twice, and the later line is never read.

    What:
        The first line of an option counts. A correction that was added at the end of the file has no effect,
        and passwords are verified as the first line says.
    Why:
        libsasl2 searches its options from the top and stops at the first one of that name, unlike Postfix,
        whose main.cf takes the last.
    Start: saslauthd-chroot
    Break:
        sed -i '1i pwcheck_method: auxprop' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i '1d' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Which of the two lines is meant only the admin knows.
    See: libsasl(5)
    """
    conf = _conf(host, service)
    for later in _overruled(conf) if conf else ():
        assert conf is not None
        first = conf.get(later.key)
        assert first is not None
        yield Finding(
            summary=f"{conf.path} sets {later.key} twice; line {later.line} has no effect",
            subject=conf.path,
            severity=Severity.ERROR if _fails(host, service, later.key) else Severity.INFO,
            expected=f"{later.key}: {later.value}",
            found=f"{later.key}: {first.value}",
            evidence=(
                Evidence.at(first.source, f"{later.key}: {first.value}"),
                Evidence.at(Source(conf.path, later.line), f"{later.key}: {later.value}"),
            ),
            proof=f"grep -in {quote(later.key)} {quote(conf.path)}",
            remedy=_decide(conf, later.key, later.value),
        )


def _overruled(conf: SmtpdConf) -> Iterator[Setting]:
    """Yield, for each key, the last line that an earlier one with another value keeps from being read."""
    last = {setting.key: setting for setting in conf.settings if setting.key in DECIDING}
    for setting in last.values():
        first = conf.get(setting.key)
        if first and first.value.lower() != setting.value.lower():
            yield setting


def _fails(host: Host, service: Service, key: str) -> bool:
    """Tell whether the line in force leaves nobody who could log in."""
    from maildoctor.sasl.intention import traces_of_sasldb
    from maildoctor.sasl.saslauthd_reach import running

    named = method(host, service)
    if key != "pwcheck_method":
        return False
    if named.only("sasldb"):
        return not any(traces_of_sasldb(host, service))
    return host.live and named.only("saslauthd") and not running(host)


def _decide(conf: SmtpdConf, key: str, value: str) -> Remedy:
    return Remedy.choice(
        Option(
            "last",
            f"The later line is meant: {key}: {value}",
            (SetLine(conf.path, key, ": ", value), RestartUnit("postfix")),
        ),
        notes=f"If the first line is meant, delete the later one from {conf.path}.",
    )

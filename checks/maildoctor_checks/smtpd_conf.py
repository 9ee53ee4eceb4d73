"""Configured: is the smtpd.conf that was meant the one that smtpd reads?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import (
    MakeDirectory,
    MoveFile,
    Option,
    Remedy,
    RestartUnit,
    SetLine,
    SetParameter,
    SetServiceOption,
    WriteFile,
)
from maildoctor.remedy.action import Action
from maildoctor.sasl.intention import intention
from maildoctor.sasl.method import method
from maildoctor.sasl.smtpd_conf import SmtpdConf, application, directories, effective, hard_coded
from maildoctor.sasl.stray_conf import left_behind, strays
from maildoctor_checks._conf import OF_SASLDB

SASLAUTHD = "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n"
OF_SASLAUTHD = (
    "saslauthd-start-not-yes",
    "saslauthd-not-running",
    "saslauthd-not-installed",
    "saslauthd-not-enabled",
    "saslauthd-socket-outside-chroot",
    "postfix-not-in-group-sasl",
)
"""What would not matter if sasldb2 were asked."""


def _sought(host: Host, service: Service) -> list[str]:
    return [f"{each.value}/{application(service)}.conf" for each in directories(host, service)]


def _place(host: Host, service: Service) -> str:
    """Give the path at which a file would be read: the first one that is sought."""
    return _sought(host, service)[0]


def _not_found(host: Host, service: Service) -> list[Evidence]:
    source = directories(host, service)[0].source
    by = [Evidence.at(source, f"cyrus_sasl_config_path = {_directory_list(host, service)}")] if source else []
    return [*by, *(Evidence(f"stat {path}", "No such file or directory") for path in _sought(host, service))]


def _directory_list(host: Host, service: Service) -> str:
    return ":".join(each.value for each in directories(host, service))


def _matters(host: Host, service: Service, conf: SmtpdConf) -> bool:
    """Tell whether logins would be verified otherwise if ``conf`` were read: then its absence is a fault."""
    if (
        intention(host, service).verifier == "sasldb"
        and not host.intended
        and "auxprop" in conf.pwcheck_methods.value
    ):
        return False
    if "auxprop" not in conf.pwcheck_methods.value:
        return intention(host, service).verifier != "sasldb"
    return any(conf.get(key) for key in ("auxprop_plugin", "sasldb_path"))


def _meant(host: Host, service: Service) -> SmtpdConf | None:
    """Give the file elsewhere that was meant to be read and whose absence changes who verifies."""
    if method(host, service).conf is None or effective(host, service).found:
        return None
    likely = [conf for conf in strays(host, service) if not left_behind(conf)]
    return next((conf for conf in likely if _matters(host, service, conf)), None)


def _by_parameter(host: Host, service: Service, meant: SmtpdConf) -> bool:
    """Tell whether a parameter leads away from the file that was meant, rather than its place being odd."""
    directory, _, name = meant.path.rpartition("/")
    if name == f"{application(service)}.conf":
        named = service.parameter("cyrus_sasl_config_path").value.split(":")
        return directory == "/etc/postfix/sasl" or directory in named
    return name == "smtpd.conf" and application(service) != "smtpd"


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def sasl_config_path_wrong(host: Host, service: Service) -> Iterator[Finding]:
    """A parameter of Postfix leads away from smtpd.conf.

    What:
        There is an smtpd.conf, but smtpd looks for it elsewhere: as cyrus_sasl_config_path says (Debian 13;
        Debian 12's Postfix ignores that parameter and always looks in /etc/postfix/sasl), under the name that
        smtpd_sasl_path gives. Without the file, passwords are verified from sasldb2, whoever else was meant.
    Why:
        On Debian 13 the parameter names a directory, and unset it means libsasl2's own directories, such as
        /etc/sasl2. With Cyrus SASL smtpd_sasl_path is a name, not a path: "smtpd" means smtpd.conf. A path
        there is left over from Dovecot.
    Start: saslauthd-chroot
    Break:
        postconf -e smtpd_sasl_path=smtpd.conf
        systemctl restart postfix
    Mend:
        postconf -e smtpd_sasl_path=smtpd
        systemctl restart postfix
    Safety:
        The parameter gets the value under which the existing file is found; nothing else changes.
    See: postconf(5) on cyrus_sasl_config_path and smtpd_sasl_path, SASL_README
    """
    meant = _meant(host, service)
    if meant is None or not _by_parameter(host, service, meant):
        return
    name = "smtpd_sasl_path" if application(service) != "smtpd" else "cyrus_sasl_config_path"
    found = service.parameter(name)
    yield Finding(
        summary=f"{name} leads away from {meant.path}: smtpd reads no smtpd.conf",
        subject=name,
        expected=meant.path,
        found=", ".join(_sought(host, service)),
        evidence=(
            Evidence.at(found.source, f"{name} = {found.value}"),
            *_not_found(host, service)[-1:],
            Evidence.at(meant.pwcheck_methods.source, _first_words(meant)),
        ),
        proof=f"ls -l {' '.join(map(quote, _sought(host, service)))} {quote(meant.path)}",
        remedy=_lead_back(host, service, name, meant),
    )


def _first_words(conf: SmtpdConf) -> str:
    return f"pwcheck_method: {' '.join(conf.pwcheck_methods.value)}"


def _lead_back(host: Host, service: Service, name: str, meant: SmtpdConf) -> Remedy:
    directory = meant.path.rpartition("/")[0]
    if name == "cyrus_sasl_config_path" and hard_coded(host):
        return _move(host, service, meant)
    value = "smtpd" if name == "smtpd_sasl_path" else directory
    return Remedy.safe(_set(service, name, value), RestartUnit("postfix"))


def _set(service: Service, name: str, value: str) -> Action:
    if name in service.options:
        return SetServiceOption(service.entry, name, value)
    return SetParameter(name, value)


def _move(host: Host, service: Service, meant: SmtpdConf) -> Remedy:
    target = _place(host, service)
    return Remedy.safe(*_directory(host, target), MoveFile(meant.path, target), RestartUnit("postfix"))


def _directory(host: Host, path: str) -> list[Action]:
    directory = path.rpartition("/")[0]
    return [] if host.exists(directory) else [MakeDirectory(directory)]


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def smtpd_conf_misplaced(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd.conf is where smtpd does not look for it.

    What:
        A file that sets how passwords are verified exists, but not in the directory that this Postfix
        searches, or under another name. smtpd therefore asks sasldb2, as it does without any file, and every
        login fails with 535, as if the password were wrong.
    Why:
        Debian's Postfix looks in /etc/postfix/sasl (on 13 as cyrus_sasl_config_path says). Guides for other
        systems name /etc/sasl2 or /usr/lib/sasl2; and a copy inside the chroot is not read either, because
        smtpd reads the file before it enters the chroot.
    Start: saslauthd-chroot
    Break:
        mkdir -p /etc/sasl2
        mv /etc/postfix/sasl/smtpd.conf /etc/sasl2/smtpd.conf
        systemctl restart postfix
    Mend:
        mv -n /etc/sasl2/smtpd.conf /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        The file moves to the place where it is read. If another program shares it, copy it instead.
    See: /usr/share/doc/postfix/README.Debian.gz, SASL_README
    """
    meant = _meant(host, service)
    if meant is None or _by_parameter(host, service, meant):
        return
    yield Finding(
        summary=f"smtpd never reads {meant.path}",
        subject=meant.path,
        expected=_place(host, service),
        found=meant.path,
        evidence=(
            *_not_found(host, service),
            Evidence.at(meant.pwcheck_methods.source, _first_words(meant)),
        ),
        proof=f"ls -l {' '.join(map(quote, _sought(host, service)))} {quote(meant.path)}",
        remedy=_move(host, service, meant),
    )


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def smtpd_conf_missing(host: Host, service: Service) -> Iterator[Finding]:
    """There is no smtpd.conf, and so saslauthd is never asked.

    What:
        saslauthd is set up on this host, but no smtpd.conf tells smtpd to ask it. Without the file smtpd
        asks sasldb2 and offers every mechanism that is installed; every login fails with 535.
    Why:
        libsasl2's default is pwcheck_method: auxprop. An upgrade or a purge of another package may have taken
        the file away; often it was never written.
    Start: saslauthd-chroot
    Break:
        rm /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        printf '%s\\n' 'pwcheck_method: saslauthd' 'mech_list: PLAIN LOGIN' > /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        The file offers PLAIN and LOGIN alone, which is all that saslauthd can verify.
    See: SASL_README, saslauthd(8)
    """
    if method(host, service).conf is None or effective(host, service).found or _meant(host, service):
        return
    purpose = intention(host, service)
    if purpose.verifier != "saslauthd" and not (
        purpose.verifier is None and _set_up_for_postfix(purpose.saslauthd)
    ):
        return
    yield Finding(
        summary="No smtpd.conf tells smtpd to ask saslauthd, so it asks sasldb2",
        impact=Impact.ALL_LOGINS if purpose.verifier else Impact.SOME_LOGINS,
        subject=_place(host, service),
        expected=f"{_place(host, service)} with pwcheck_method: saslauthd",
        found="no such file",
        evidence=(*_not_found(host, service), *purpose.saslauthd, *purpose.sasldb),
        proof=f"ls -l {' '.join(map(quote, _sought(host, service)))}",
        remedy=_write(host, service, ambiguous=purpose.verifier is None),
    )


def _set_up_for_postfix(traces: tuple[Evidence, ...]) -> bool:
    """Tell whether saslauthd's socket was put into the queue directory: for nobody but Postfix."""
    return any(trace.text.startswith("-m ") and "/postfix" in trace.text for trace in traces)


def _write(host: Host, service: Service, ambiguous: bool) -> Remedy:
    place = _place(host, service)
    actions = (*_directory(host, place), WriteFile(place, SASLAUTHD), RestartUnit("postfix"))
    if not ambiguous:
        return Remedy.safe(*actions)
    meaning = "saslauthd verifies passwords; the users in sasldb2 can no longer log in."
    return Remedy.choice(
        Option("saslauthd", meaning, actions),
        notes="If sasldb2 is meant, nothing is missing: its users can log in. Then switch saslauthd off.",
    )


@check(Stage.CONFIGURED, explains=OF_SASLDB)
def saslauthd_not_asked(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd is set up, but smtpd.conf lets smtpd ask sasldb2, which has no users.

    What:
        The line pwcheck_method: saslauthd is missing, commented out, or says auxprop. smtpd asks sasldb2,
        where nobody is, and every login fails with 535, as if the password were wrong.
    Why:
        libsasl2's default is auxprop; an empty smtpd.conf is as good as none.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^pwcheck_method/#pwcheck_method/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^#pwcheck_method/pwcheck_method/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        Nobody can log in by sasldb2, so nobody loses anything. Where the file says auxprop in so many words,
        a choice.
    See: SASL_README, saslauthd(8)
    """
    named, conf = method(host, service), effective(host, service)
    purpose = intention(host, service)
    if not conf.found or conf.fault or conf.obstacle or not named.only("sasldb") or purpose.sasldb:
        return
    if not purpose.saslauthd or host.intended == "sasldb" or _misspelt(conf):
        return
    actions = (SetLine(conf.path, "pwcheck_method", ": ", "saslauthd"), RestartUnit("postfix"))
    written = conf.get("pwcheck_method")
    meaning = "smtpd asks saslauthd instead of sasldb2."
    found = _first_words(conf) if written else "no pwcheck_method, which means auxprop"
    yield Finding(
        summary="smtpd asks sasldb2, which has no users, while saslauthd is set up",
        subject=conf.path,
        expected="pwcheck_method: saslauthd",
        found=found,
        evidence=(
            Evidence.at(written.source, found) if written else Evidence(conf.path, found),
            *purpose.saslauthd,
        ),
        proof=f"grep -in pwcheck_method {quote(conf.path)}; sasldblistusers2",
        remedy=Remedy.choice(Option("saslauthd", meaning, actions)) if written else Remedy.safe(*actions),
    )


def _misspelt(conf: SmtpdConf) -> bool:
    """Tell whether other checks name the line that was meant: a misspelt key, or a second line."""
    lines = [(setting.key, setting.value.lower()) for setting in conf.settings if "pwcheck" in setting.key]
    return any(key != "pwcheck_method" or "saslauthd" in value for key, value in lines)


@check(Stage.CONFIGURED, explains=OF_SASLAUTHD)
def smtpd_conf_left_over(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd.conf names saslauthd, but the users are in sasldb2.

    What:
        An smtpd.conf from an earlier set-up tells smtpd to ask saslauthd, which nobody started here, while
        sasldb2 has users. Every login ends with 454, and the log says that smtpd cannot connect to saslauthd.
    Why:
        Two ways of verifying passwords were mixed. Either sasldb2 is meant, and the file must say auxprop or
        go; or saslauthd is meant, and must be started.
    Start: sasldb-chroot
    Break:
        printf '%s\\n' 'pwcheck_method: saslauthd' 'mech_list: PLAIN LOGIN' > /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Mend:
        sed -i 's/^pwcheck_method:.*/pwcheck_method: auxprop/' /etc/postfix/sasl/smtpd.conf
        systemctl restart postfix
    Safety:
        A choice between two sets of users and passwords, which only the admin can make.
    See: SASL_README, saslpasswd2(8), saslauthd(8)
    """
    purpose = intention(host, service)
    conf = effective(host, service)
    if purpose.verifier not in ("sasldb", "auxprop") or not method(host, service).only("saslauthd"):
        return
    yield Finding(
        summary="smtpd.conf names saslauthd, which is not set up here, while sasldb2 has users",
        subject=conf.path,
        expected="pwcheck_method: auxprop",
        found=_first_words(conf),
        evidence=(Evidence.at(conf.pwcheck_methods.source, _first_words(conf)), *purpose.sasldb),
        proof=f"grep -i pwcheck_method {quote(conf.path)}; sasldblistusers2",
        remedy=Remedy.choice(
            Option(
                "sasldb",
                "sasldb2's users log in; saslauthd is not asked any more.",
                (SetLine(conf.path, "pwcheck_method", ": ", "auxprop"), RestartUnit("postfix")),
            ),
            notes="If saslauthd is meant (--auth saslauthd), start it: maildoctor then says what is missing.",
        ),
    )

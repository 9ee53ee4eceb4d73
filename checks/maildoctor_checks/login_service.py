"""Listening: does master.cf have a service for logins, and can master open it?"""

import re
from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.pattern import pattern
from maildoctor.postfix.configuration import (
    KNOWN_PORTS,
    MASTER_CF,
    SUBMISSION_PORTS,
    all_services,
    login_services,
    master,
    meant_for_logins,
    port_of,
    signs_of_logins,
)
from maildoctor.postfix.master_cf import FIELDS, Entry
from maildoctor.postfix.service import Service
from maildoctor.remedy import (
    Action,
    AddService,
    Option,
    ReloadUnit,
    Remedy,
    RestartUnit,
    SetParameter,
    SetServiceField,
    SetServiceOption,
)
from maildoctor.source import Source, Sourced

SUBMISSION = "submission/inet"
ENABLE = "smtpd_sasl_auth_enable"
NAME = "smtps?|submissions?|ssmtp|465|587"
COMMENTED = pattern(rf"#\s*((?:\S+:)?(?:{NAME}))\s+inet(?:\s+\S+){{5}}\s+smtpd\b")
BROKEN = pattern(rf"(?:\S+:)?({NAME}): ")
"""A problem of master.cf that names the service concerned."""
STARTS = ("postfix-not-running", "service-not-listening", "postconf-unusable")


@check(Stage.LISTENING)
def submission_service_missing(host: Host) -> Iterator[Finding]:
    """Logins are set up, but master.cf has no service on which anybody could log in.

    What:
        main.cf or smtpd.conf is set up for SASL, yet AUTH is enabled nowhere, and master.cf has no smtpd on
        the ports for message submission, 587 and 465.
    Why:
        Debian's master.cf has the entries for submission and submissions commented out. Where the first line
        of an entry is a comment and its options are not, these belong to the service above it.
    Start: saslauthd-chroot
    Break:
        postconf -MX submission/inet
        systemctl restart postfix
    Mend:
        postconf -M 'submission/inet=submission inet n - y - - smtpd'
        postconf -P submission/inet/smtpd_sasl_auth_enable=yes
        postconf -P submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject
        postfix reload
    Safety:
        A choice: a port is opened on which passwords are taken.
    See: master(5), SASL_README, RFC 6409
    """
    if any(meant_for_logins(host, each) for each in login_services(host)) or _is_illegible(host):
        return
    wrong = [each for each in all_services(host) if _is_no_login_service(host, each)]
    signs = signs_of_logins(host)
    if not (wrong or signs or host.intended):
        return
    evidence = [Evidence.at(entry.source, _line(entry)) for entry in wrong]
    evidence += [Evidence.at(where, text) for where, text in _commented(host)]
    evidence += [Evidence(str(sign.source), sign.value) for sign in signs]
    yield Finding(
        summary="AUTH is enabled nowhere, and master.cf has no working service for submission",
        subject=SUBMISSION,
        expected="an smtpd of type inet named submission or submissions",
        found=", ".join(_line(entry) for entry in wrong) or "none",
        evidence=tuple(evidence[:8]) or (Evidence(MASTER_CF, "no entry for submission"),),
        proof="postconf -M submission/inet submissions/inet",
        remedy=Remedy.choice(*_ways(wrong)),
    )


@check(Stage.LISTENING, explains=("service-not-listening", "submission-service-missing"))
def service_options_orphaned(host: Host) -> Iterator[Finding]:
    """A service's first line is commented out, and its options now belong to the service above it.

    What:
        In master.cf a comment that looks like the first line of a service is followed by indented options
        that are no comments.
    Why:
        An indented line continues the entry above it, also over comments. So the service is gone, and the
        one above it, often smtp on port 25 or what stands before, got all its options.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^submission  *inet/# &/' /etc/postfix/master.cf
        systemctl restart postfix
    Mend:
        sed -i 's/^# submission  *inet/submission inet/' /etc/postfix/master.cf
        systemctl restart postfix
    Safety:
        Manual: either the first line or the options are a mistake.
    See: master(5)
    """
    for header, text, options in _orphaned(host):
        yield Finding(
            summary=f"the options in {options} belong to the service above, since {header} is a comment",
            subject=MASTER_CF,
            expected="both the first line and its options active, or both comments",
            found=text,
            evidence=(Evidence.at(header, text), Evidence.at(options, "-o ...")),
            proof=f"sed -n {header.line},{options.line}p {MASTER_CF}",
            remedy=Remedy.manual(
                f"Remove the # in line {header.line} of {MASTER_CF}, or comment out the options below it;"
                " then: systemctl restart postfix"
            ),
        )


@check(Stage.LISTENING, explains=STARTS)
def service_name_unknown(host: Host) -> Iterator[Finding]:
    """A service's name in master.cf is no known port.

    What:
        The first column of an inet service is neither a number nor a name in /etc/services.
    Why:
        A misspelling, or a name that this release does not know: "submissions" and "smtps" were not always
        in /etc/services. master ends with "fatal: ... Servname not supported" and takes Postfix with it.
    Start: saslauthd-chroot
    Break:
        sed -i 's/^submission /submision /' /etc/postfix/master.cf
        systemctl restart postfix || true
    Mend:
        sed -i 's/^submision /submission /' /etc/postfix/master.cf
        systemctl restart postfix
    Safety:
        A choice where the name is much like a known one: clients use the port that it stands for.
    See: master(5), services(5)
    """
    for entry in all_services(host):
        name = entry.service.rpartition(":")[2]
        if entry.type != "inet" or port_of(host, name) is not None:
            continue
        yield Finding(
            summary=f"master cannot start: it knows no port for the service {name!r}",
            subject=entry.name,
            impact=Impact.INCOMING_MAIL,
            expected="a port number, or a name in /etc/services",
            found=name,
            evidence=(Evidence.at(entry.source, _line(entry)),),
            proof=f"getent services {name}",
            remedy=_other_name(entry, name),
        )


@check(Stage.LISTENING, explains=("auth-not-enabled",))
def service_overridden(host: Host, service: Service) -> Iterator[Finding]:
    """master.cf has the service twice; the last entry counts.

    What:
        Two entries of master.cf have the same name and type.
    Why:
        Guides say "add these lines", and the service was there already. master uses the last entry; the
        options of the others are ignored.
    Start: saslauthd-chroot
    Break:
        echo 'submission inet n - y - - smtpd' >> /etc/postfix/master.cf
        systemctl restart postfix
    Mend:
        sed -i '$d' /etc/postfix/master.cf
        systemctl restart postfix
    Safety:
        Manual: which entry was meant, only the admin knows.
    See: master(5)
    """
    for earlier in master(host).overridden:
        if earlier.name == service.entry:
            lost = earlier.options.get(ENABLE, Sourced("")).value == "yes" and not service.flag(ENABLE)
            yield Finding(
                summary=f"{MASTER_CF} has {service.name} twice; line {earlier.source.line} is ignored",
                subject=service.entry,
                severity=Severity.ERROR if lost else Severity.INFO,
                expected="one entry",
                found="two entries",
                evidence=(
                    Evidence.at(earlier.source, f"{_line(earlier)}: ignored, with its options"),
                    Evidence.at(service.source, "this one counts"),
                ),
                proof=f"postconf -M {service.entry}",
                remedy=Remedy.manual(f"Remove one of the two entries from {MASTER_CF}, then: postfix reload"),
            )


def _is_illegible(host: Host) -> bool:
    """Tell whether it is there, but master cannot read its line: master-cf-broken says that."""
    return any(BROKEN.match(problem.text) for problem in master(host).problems)


def _line(entry: Entry) -> str:
    columns = (entry.service, entry.type, entry.private, entry.unpriv, entry.chroot)
    return " ".join((*columns, entry.wakeup, entry.maxproc, entry.command))


def _is_no_login_service(host: Host, entry: Entry) -> bool:
    """Tell whether an entry is named like a service for submission, but is none."""
    name = entry.service.rpartition(":")[2]
    if port_of(host, name) not in SUBMISSION_PORTS and KNOWN_PORTS.get(name) not in SUBMISSION_PORTS:
        return False
    return entry.type != "inet" or entry.command.rpartition("/")[2] != "smtpd"


def _commented(host: Host) -> Iterator[tuple[Source, str]]:
    for number, line in enumerate(host.text(MASTER_CF).splitlines(), 1):
        if (found := COMMENTED.match(line)) and found[1] in ("submission", "submissions", "smtps"):
            yield Source(MASTER_CF, number), " ".join(line.split())


def _orphaned(host: Host) -> Iterator[tuple[Source, str, Source]]:
    """Yield a commented first line, its text, and the active option line that follows it at once."""
    header: tuple[Source, str] | None = None
    for number, line in enumerate(host.text(MASTER_CF).splitlines(), 1):
        if COMMENTED.match(line):
            header = (Source(MASTER_CF, number), " ".join(line.split()))
        elif header and re.match(r"\s+-o\s*\S", line):
            yield *header, Source(MASTER_CF, number)
            header = None
        elif line.strip() and not re.match(r"#\s+-o", line):
            header = None


def _ways(wrong: list[Entry]) -> list[Option]:
    mending: list[Action] = []
    for entry in wrong[:1]:
        mending += [SetServiceField(entry.name, "type", "inet")] if entry.type != "inet" else []
        mending += [SetServiceField(entry.name, "command", "smtpd")] if entry.command != "smtpd" else []
    add: list[Action] = mending or [
        AddService(SUBMISSION, "submission inet n - y - - smtpd"),
        SetServiceOption(SUBMISSION, "syslog_name", "postfix/submission"),
        SetServiceOption(SUBMISSION, "smtpd_sasl_auth_enable", "yes"),
        SetServiceOption(SUBMISSION, "smtpd_relay_restrictions", "permit_sasl_authenticated,reject"),
    ]
    port25 = (SetParameter("smtpd_sasl_auth_enable", "yes"), ReloadUnit("postfix"))
    # What was no smtpd before may be throttled, which a reload does not lift.
    again = RestartUnit("postfix") if mending else ReloadUnit("postfix")
    return [
        Option("submission", "Users log in on port 587.", (*add, again)),
        Option("smtp", "Users log in on port 25, where other servers deliver mail.", port25),
    ]


def _other_name(entry: Entry, name: str) -> Remedy:
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), KNOWN_PORTS, 1)
    if not near:
        return Remedy.manual(
            f"Write a port number or a known name in line {entry.source.line} of {MASTER_CF}."
        )
    right = entry.service.removesuffix(name) + near[0]
    actions = (SetServiceField(entry.name, FIELDS[0], right), RestartUnit("postfix"))
    return Remedy.choice(Option("spell", f"The service becomes {right}.", actions))

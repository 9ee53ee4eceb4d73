"""Listening: can master and smtpd read main.cf and master.cf at all?"""

from collections.abc import Iterator
from dataclasses import replace

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import CommandHung, CommandMissing, Host
from maildoctor.pattern import pattern
from maildoctor.postfix.configuration import MAIN_CF, MASTER_CF, main, master, parameters, postconf
from maildoctor.postfix.daemon import master_pid
from maildoctor.postfix.expansion import Unexpandable, expand
from maildoctor.postfix.main_cf import Problem
from maildoctor.postfix.service import Service
from maildoctor.remedy import Option, Remedy, RemoveParameter, RestartUnit

DEAD = (
    "postfix-not-running",
    "service-not-listening",
    "service-throttled",
    "smtpd-older-than-change",
    "postconf-unusable",
)
LOGIN_SERVICE = pattern(r"((?:\S+:)?(?:smtps|submissions?|ssmtp|465|587)): ")
MOST = 3
"""Broken lines to be named; a file that is no text has hundreds."""


@check(Stage.LISTENING, explains=(*DEAD, "auth-not-enabled"))
def main_cf_broken(host: Host) -> Iterator[Finding]:
    """Postfix cannot read main.cf.

    What:
        A line of main.cf is not ``name = value``. Every Postfix program ends with a fatal error at it.
    Why:
        A missing "=", a value that was continued without white space before it, or a file that an editor
        saved as UTF-16. Processes that live already go on until they end: the next smtpd cannot start, and
        a restart stops Postfix altogether.
    Start: saslauthd-chroot
    Break:
        echo 'smtpd_sasl_local_domain $myhostname' >> /etc/postfix/main.cf
        systemctl restart postfix || true
    Mend:
        sed -i '/^smtpd_sasl_local_domain [^=]/d' /etc/postfix/main.cf
        systemctl restart postfix
    Safety:
        Manual: what the line was to say, only the admin knows.
    See: postconf(5)
    """
    fatal = [each for each in main(host).problems if each.fatal]
    for problem in fatal[:MOST]:
        yield _unreadable(problem, MAIN_CF, "postconf -n")


@check(Stage.LISTENING, explains=(*DEAD, "auth-not-enabled"))
def master_cf_broken(host: Host) -> Iterator[Finding]:
    """Postfix's master cannot read master.cf.

    What:
        An entry of master.cf lacks a column, or has one that master does not take.
    Why:
        An option line (-o ...) that is not indented begins a new entry, the line of a service was cut or
        wrapped, or a column holds something else than y, n, - or a number. A master that runs goes on as
        before, "postfix reload" refuses to work, and the next start fails.
    Start: saslauthd-chroot
    Break:
        echo '-o smtpd_client_restrictions=permit' >> /etc/postfix/master.cf
        systemctl restart postfix || true
    Mend:
        sed -i '/^-o smtpd_client_restrictions/d' /etc/postfix/master.cf
        systemctl restart postfix
    Safety:
        Manual: how the entry was meant, only the admin knows.
    See: master(5)
    """
    fatal = [each for each in master(host).problems if each.fatal]
    alive = host.live and bool(fatal) and master_pid(host) is not None
    for problem in fatal[:MOST]:
        finding = _unreadable(problem, MASTER_CF, "postconf -M")
        yield _later(finding, problem) if alive else finding


def _later(finding: Finding, problem: Problem) -> Finding:
    """Make it a warning, for master goes on as before; name a service for logins, lest none seem meant."""
    found = LOGIN_SERVICE.match(problem.text)
    return replace(finding, severity=Severity.WARNING, services=(found[1],) if found else ())


@check(Stage.LISTENING, everywhere=True, explains=(*DEAD[1:], "auth-not-enabled"))
def service_option_broken(host: Host, service: Service) -> Iterator[Finding]:
    """An -o option of the service in master.cf is not name=value.

    What:
        smtpd ends with "missing '=' after attribute name" when it starts, and master throttles the service.
    Why:
        White space separates words in master.cf: in ``-o name = value`` the option ends before the "=".
        Since Postfix 3.0 ``-o { name = value }`` may be written for values with spaces.
    Start: saslauthd-chroot
    Break:
        sed -i 's/-o smtpd_sasl_auth_enable=yes/-o smtpd_sasl_auth_enable = yes/' /etc/postfix/master.cf
        systemctl restart postfix
    Mend:
        sed -i 's/-o smtpd_sasl_auth_enable = yes/-o smtpd_sasl_auth_enable=yes/' /etc/postfix/master.cf
        systemctl restart postfix
    Safety:
        Manual: the line must be corrected in an editor.
    See: master(5)
    """
    for entry, problem in master(host).option_problems:
        if entry != service.entry:
            continue
        yield Finding(
            summary=f"smtpd cannot start: {problem.text}",
            subject=service.entry,
            impact=Impact.INCOMING_MAIL if service.port == 25 else Impact.ALL_LOGINS,
            expected="-o name=value, without spaces around the =",
            found=problem.text,
            evidence=(Evidence.at(problem.source, problem.text),),
            proof=f"sed -n {problem.source.line}p {MASTER_CF}",
            remedy=_by_hand(problem, MASTER_CF),
        )


@check(Stage.LISTENING, explains=(*DEAD, "auth-not-enabled"))
def parameter_unexpandable(host: Host) -> Iterator[Finding]:
    """A parameter's value refers to itself, or has braces that do not match.

    What:
        Postfix cannot work out the value, so that no Postfix program starts.
    Why:
        ``$name`` stands for another parameter's value. Two that name each other lead round in a circle, and
        ``${name`` without its closing brace never ends. A dollar sign of its own is written ``$$``.
    Start: saslauthd-chroot
    Break:
        postconf -e 'smtpd_banner=${myhostname ESMTP'
        systemctl restart postfix || true
    Mend:
        postconf -e 'smtpd_banner=$myhostname ESMTP'
        systemctl restart postfix
    Safety:
        A choice: the parameter's default holds again.
    See: postconf(5)
    """
    every = parameters(host)
    for name, value in main(host).parameters.items():
        try:
            expand(value.value, lambda other: every[other].value if other in every else None)
        except Unexpandable as error:
            actions = (RemoveParameter(name), RestartUnit("postfix"))
            yield Finding(
                summary=f"Postfix cannot work out the value of {name}: {error}",
                subject=name,
                impact=Impact.INCOMING_MAIL,
                expected="a value whose references end somewhere",
                found=value.value,
                evidence=(Evidence.at(value.source, f"{name} = {value.value}"),),
                proof=f"postconf -x {name}",
                remedy=Remedy.choice(Option("default", f"{name} gets its default.", actions)),
            )


@check(Stage.INSTALLED, live=True, explains=("postfix-not-running", "service-throttled"))
def postconf_unusable(host: Host) -> Iterator[Finding]:
    """postconf does not answer, though main.cf can be read.

    What:
        postconf(1), which Postfix's own scripts and this program ask for parameters, is gone, hangs, or ends
        with an error. Everything here is judged by reading main.cf and Postfix's known defaults instead.
    Why:
        A damaged installation, or a fault in the configuration that no check knows yet. Postfix may go on
        running, but "postfix reload" and the next start ask postconf too.
    Start: saslauthd-chroot
    Break:
        mv /usr/sbin/postconf /usr/sbin/postconf.away
    Mend:
        mv /usr/sbin/postconf.away /usr/sbin/postconf
    Safety:
        Manual: what postconf says decides.
    See: postconf(1)
    """
    try:
        failure = postconf(host).failure
    except (CommandMissing, CommandHung) as error:
        failure = str(error)
    named = main(host).problems or master(host).problems
    if failure is None or (named and any(each.fatal for each in named)):
        return
    yield Finding(
        summary=f"postconf gives no answer ({failure}); this is judged by reading main.cf alone",
        subject="postconf",
        # "postfix start" asks postconf first; where a library is gone, no other program starts either.
        severity=Severity.ERROR if master_pid(host) is None else Severity.WARNING,
        impact=Impact.INCOMING_MAIL,
        expected="all parameters",
        found=failure,
        evidence=(Evidence("postconf", failure),),
        proof="postconf mail_version",
        remedy=Remedy.manual("Look at what postconf says; dpkg --verify postfix shows damaged files."),
    )


def _unreadable(problem: Problem, path: str, proof: str) -> Finding:
    return Finding(
        summary=f"Postfix cannot read {path}, line {problem.source.line}: {problem.text}",
        subject=path,
        impact=Impact.INCOMING_MAIL,
        expected="a file that Postfix can read",
        found=problem.text,
        evidence=(Evidence.at(problem.source, problem.text),),
        proof=proof,
        remedy=_by_hand(problem, path),
    )


def _by_hand(problem: Problem, path: str) -> Remedy:
    return Remedy.manual(f"Correct line {problem.source.line} of {path}, then: systemctl restart postfix")

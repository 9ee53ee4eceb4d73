"""Permitted: restrictions that smtpd cannot run, and those that hold for some users only."""

from collections.abc import Iterator
from dataclasses import replace

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix import access_table, restrictions
from maildoctor.postfix.admission import (
    OWNER_CHECKS,
    OWNERS,
    Refusal,
    mynetworks,
    refusals,
    restriction_list,
)
from maildoctor.postfix.restrictions import Restriction, flatten, render
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, cost, evidence, proof
from maildoctor.remedy import InstallPackages, Option, ReloadUnit, Remedy


def _failing(host: Host, service: Service) -> Iterator[Refusal]:
    return (refusal for refusal in refusals(host, service, logged_in=True) if refusal.fails)


@check(Stage.PERMITTED)
def restriction_unknown(host: Host, service: Service) -> Iterator[Finding]:
    """A list of restrictions has a word that smtpd does not know.

    What:
        A misspelt restriction, a lookup table without the check that it belongs to, or a check without its
        table stands in one of the lists.
    Why:
        smtpd finds out when a client gets there: it logs "unknown smtpd restriction" and answers "451 4.3.5
        Server configuration error" to everybody whom nothing in front of it let pass, whether he logged in
        or not.
    Start: auth-on-25
    Break:
        postconf -e smtpd_relay_restrictions=permit_sasl_authentificated,reject_unauth_destination
        systemctl restart postfix
    Mend:
        postconf -e smtpd_relay_restrictions=permit_sasl_authenticated,reject_unauth_destination
        postfix reload
    Safety:
        Safe where the word is nearly that of a restriction; elsewhere only you know what was meant.
    See: postconf(5), access(5)
    """
    for refusal in _failing(host, service):
        if not refusal.restriction.known:
            yield _unknown(host, service, refusal)


def _unknown(host: Host, service: Service, refusal: Refusal) -> Finding:
    meant = restrictions.nearest(refusal.restriction.name)
    bad = refusal.restriction
    return Finding(
        summary=f"smtpd does not know {bad} and answers 451 to whoever gets there",
        subject=refusal.parameter,
        impact=cost(host, service, refusal.parameter),
        expected=meant,
        found=str(bad),
        evidence=(evidence(service, refusal.parameter),),
        proof=proof(service, refusal.parameter),
        remedy=_respelt(host, service, refusal, meant),
    )


def _respelt(host: Host, service: Service, refusal: Refusal, meant: str | None) -> Remedy:
    listed = list(restriction_list(host, service, refusal.parameter))
    bad = listed[refusal.place]
    if meant is None or bad.members or restrictions.is_access_check(meant):
        return Remedy.manual(f"Correct or remove {refusal.restriction} in {refusal.parameter}.")
    listed[refusal.place] = replace(bad, name=meant, known=True)
    return Remedy.safe(assign(service, refusal.parameter, render(listed)), ReloadUnit("postfix"))


@check(Stage.PERMITTED)
def restriction_table_missing(host: Host, service: Service) -> Iterator[Finding]:
    """A lookup table in a list of restrictions cannot be opened.

    What:
        The file behind type:path is not there; mostly, postmap was never run on the text. Or the type is one
        that Debian keeps in a package of its own, such as postfix-pcre.
    Why:
        smtpd logs "error: open database ...: No such file or directory" or "unsupported dictionary type", and
        answers 451 to everybody whom nothing in front of the table let pass.
    Start: saslauthd-chroot
    Break:
        echo 'spammer.example REJECT' > /etc/postfix/senders
        postconf -e 'smtpd_sender_restrictions = check_sender_access hash:/etc/postfix/senders'
        systemctl restart postfix
    Mend:
        postmap hash:/etc/postfix/senders
        postfix reload
    Safety:
        postmap only writes the indexed file beside the text.
    See: access(5), postmap(1)
    """
    for refusal in _failing(host, service):
        table = refusal.restriction.argument
        if (
            refusal.restriction.is_table
            and refusal.restriction.known
            and access_table.unsupported(host, table)
        ):
            yield _unsupported(host, service, refusal)
        elif refusal.restriction.is_table and (file := access_table.missing_file(host, table)):
            yield _missing(host, service, refusal, file)


def _unsupported(host: Host, service: Service, refusal: Refusal) -> Finding:
    kind = access_table.Table.of(refusal.restriction.argument).kind
    package = f"postfix-{kind}"
    return Finding(
        summary=f"Postfix knows no tables of type {kind}: it answers 451 to whoever gets to them",
        subject=refusal.parameter,
        impact=cost(host, service, refusal.parameter),
        expected=" ".join(sorted(access_table.types(host) or ())),
        found=kind,
        evidence=(
            evidence(service, refusal.parameter),
            Evidence(access_table.DYNAMIC, f"no line for {kind}"),
        ),
        proof="postconf -m",
        remedy=Remedy.choice(
            Option(
                "install",
                f"{package} brings this type of table",
                (InstallPackages((package,)), ReloadUnit("postfix")),
            )
        )
        if kind in access_table.PACKAGES
        else Remedy.manual(f"Correct the type {kind} in {refusal.parameter}, then reload Postfix."),
    )


def _missing(host: Host, service: Service, refusal: Refusal, file: str) -> Finding:
    table = access_table.Table.of(refusal.restriction.argument)
    way = f"Write {table.path}"
    if table.kind in access_table.INDEXED:
        way = (
            f"postmap {table.kind}:{table.path}"
            if host.exists(table.path)
            else f"{way}, then run postmap on it"
        )
    return Finding(
        summary=f"{file} is missing, so smtpd answers 451 to whoever gets to {refusal.restriction}",
        subject=file,
        impact=cost(host, service, refusal.parameter),
        expected=f"{file}, as {refusal.parameter} names it",
        found="no such file",
        evidence=(
            evidence(service, refusal.parameter),
            Evidence(f"stat {file}", "no such file or directory"),
        ),
        proof=f"stat {file}",
        remedy=Remedy.manual(way),
    )


@check(Stage.PERMITTED)
def mynetworks_malformed(host: Host, service: Service) -> Iterator[Finding]:
    """mynetworks has an entry that smtpd cannot use.

    What:
        A network with bits set behind its prefix (192.0.2.10/24), a prefix that is too long, or a file that
        is not there.
    Why:
        For every client that no entry in front of it holds, permit_mynetworks fails: "451 4.3.0 Temporary
        lookup failure", before permit_sasl_authenticated is reached.
    Start: auth-on-25
    Break:
        postconf -e 'mynetworks = 127.0.0.0/8 192.0.2.10/24'
        systemctl restart postfix
    Mend:
        postconf -e 'mynetworks = 127.0.0.0/8 192.0.2.0/24'
        postfix reload
    Safety:
        A choice that only you can make: whoever is inside mynetworks may relay without a login.
    See: postconf(5)
    """
    for refusal in _failing(host, service):
        if refusal.restriction.name == "permit_mynetworks":
            bad = mynetworks(host, service).malformed
            yield Finding(
                summary=f"mynetworks has {', '.join(bad)}, which permit_mynetworks answers with 451",
                subject="mynetworks",
                impact=cost(host, service, "mynetworks", refusal.parameter),
                expected="addresses, or networks without bits behind the prefix",
                found=service.parameter("mynetworks").value,
                evidence=(evidence(service, "mynetworks"), evidence(service, refusal.parameter)),
                proof=proof(service, "mynetworks"),
                remedy=Remedy.manual(f"Correct {', '.join(bad)} in mynetworks, then reload Postfix."),
            )
            return


@check(Stage.PERMITTED, everywhere=True, explains=("service-throttled", "service-not-listening"))
def restriction_class_undefined(host: Host, service: Service) -> Iterator[Finding]:
    """A restriction class is announced and never defined, so smtpd refuses to start.

    What:
        smtpd_restriction_classes has a name that is no parameter of main.cf, or an empty one.
    Why:
        smtpd ends with "fatal: restriction class `...' needs a definition"; master throttles the service.
    Start: saslauthd-chroot
    Break:
        postconf -e 'smtpd_restriction_classes = greylist'
        systemctl restart postfix
    Mend:
        postconf -X smtpd_restriction_classes
        systemctl restart postfix
    Safety:
        A choice: define the class, or take its name out of the list.
    See: RESTRICTION_CLASS_README
    """
    parameter = "smtpd_restriction_classes"
    empty = [name for name in service.words(parameter) if not service.parameter(name).value.strip()]
    if empty:
        yield Finding(
            summary=f"restriction class {empty[0]} is not defined, so smtpd ends at its start",
            subject=parameter,
            impact=cost(host, service, parameter),
            expected=f"a line {empty[0]} = ... in main.cf",
            found="not set",
            evidence=(evidence(service, parameter),),
            proof=proof(service, parameter),
            remedy=Remedy.manual(
                f"Define {empty[0]} in main.cf or take it out of {parameter}, then restart Postfix."
            ),
        )


@check(Stage.PERMITTED)
def sender_owner_checked(host: Host, service: Service) -> Iterator[Finding]:
    """Logged-in clients may send only as the addresses that a table gives them.

    What:
        reject_sender_login_mismatch, or a relative of it, compares the sender address with
        smtpd_sender_login_maps.
    Why:
        It is meant to be strict: "553 5.7.1 Sender address rejected: not owned by user" for whoever is
        missing in the table. The login must be written there exactly as the client logs in, mostly with its
        realm. Nothing is wrong as long as every user is listed.
    Start: saslauthd-chroot
    Break:
        echo 'hoge@example.com hoge' > /etc/postfix/senders
        postmap hash:/etc/postfix/senders
        postconf -e 'smtpd_sender_login_maps = hash:/etc/postfix/senders'
        postconf -e 'smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch'
        systemctl restart postfix
    Mend:
        postconf -X smtpd_sender_login_maps smtpd_sender_restrictions
        postfix reload
    Safety:
        Nothing to mend; look here if one user can log in and yet not send.
    See: postconf(5)
    """
    maps = service.parameter(OWNERS)
    if not maps.value:
        return
    for parameter in restrictions.LISTS:
        for restriction in _all(host, service, parameter):
            if restriction.name in OWNER_CHECKS:
                yield Finding(
                    summary=f"{restriction} refuses senders whom {maps.value} does not give to the login",
                    subject=OWNERS,
                    severity=Severity.INFO,
                    found=maps.value,
                    evidence=(
                        evidence(service, parameter),
                        Evidence.at(maps.source, f"{OWNERS} = {maps.value}"),
                    ),
                    proof=proof(service, OWNERS),
                )


def _all(host: Host, service: Service, parameter: str) -> Iterator[Restriction]:
    return (restriction for _, restriction in flatten(restriction_list(host, service, parameter)))

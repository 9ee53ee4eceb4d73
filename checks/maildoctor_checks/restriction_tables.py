"""Permitted: lookup tables in lists of restrictions."""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix import access_table, restrictions
from maildoctor.postfix.admission import (
    OWNER_CHECKS,
    OWNERS,
    Refusal,
    failures,
    restriction_list,
)
from maildoctor.postfix.restrictions import Restriction, flatten
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import cost, evidence, proof
from maildoctor.remedy import InstallPackages, Option, ReloadUnit, Remedy


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
    for refusal in failures(host, service):
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

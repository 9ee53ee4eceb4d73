"""Permitted: lookup tables in lists of restrictions."""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import CannotLook, Host
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
from maildoctor.postfix.setting import assign, cost, evidence, proof
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


@check(Stage.PERMITTED)
def own_senders_refused(host: Host, service: Service) -> Iterator[Finding]:
    """A table refuses senders of the host's own domains, and so its own users.

    What:
        check_sender_access looks up a table that rejects a domain for which this host takes mail, and nothing
        before it lets logged-in clients pass.
    Why:
        Against forged mail from outside; but users who log in send from just these domains: "554 5.7.1 Sender
        address rejected: Access denied". permit_sasl_authenticated belongs before it.
    Start: saslauthd-chroot
    Break:
        echo 'mail.example.com REJECT' > /etc/postfix/own
        postmap hash:/etc/postfix/own
        postconf -P submission/inet/smtpd_sender_restrictions=check_sender_access,hash:/etc/postfix/own
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_sender_restrictions
        systemctl restart postfix
    Safety:
        Safe: who logged in proved who he is, and strangers are refused as before.
    See: access(5), SMTPD_ACCESS_README
    """
    own = _own_domains(service)
    for parameter in restrictions.LISTS:
        listed = restriction_list(host, service, parameter)
        for place, restriction in flatten(listed):
            if restriction.name in LETS_USERS_PASS:
                break
            refused = _refused_domains(host, restriction) & own
            if refused:
                yield _own_refused(service, parameter, listed, place, sorted(refused)[0])
                break


LETS_USERS_PASS = ("permit_sasl_authenticated", "permit", "check_sasl_access")


def _own_domains(service: Service) -> frozenset[str]:
    names = ("myhostname", "mydomain", "mydestination", "virtual_mailbox_domains", "virtual_alias_domains")
    return frozenset(word.lower() for name in names for word in service.words(name) if "." in word)


def _refused_domains(host: Host, restriction: Restriction) -> frozenset[str]:
    """Give the domains that a readable table of senders refuses altogether."""
    table = restriction.argument
    if restriction.name != "check_sender_access" or restriction.warns_only:
        return frozenset()
    if not access_table.Table.of(table).readable or access_table.missing_file(host, table):
        return frozenset()
    try:
        rules = access_table.rules(host, table)
    except CannotLook:
        return frozenset()
    return frozenset(rule.key.lower() for rule in rules if rule.action.upper().startswith(("REJECT", "5")))


def _own_refused(
    service: Service, parameter: str, listed: tuple[Restriction, ...], place: int, domain: str
) -> Finding:
    permit = listed[place]._replace(
        name="permit_sasl_authenticated", argument="", warns_only=False, members=()
    )
    behind = [each for each in listed[place:] if each.name != permit.name]
    mended = restrictions.render((*listed[:place], permit, *behind))
    return Finding(
        summary=f"{listed[place]} refuses senders of {domain}, which this host's own users are",
        subject=parameter,
        impact=Impact.SOME_LOGINS,
        expected=f"permit_sasl_authenticated before {listed[place]}",
        found=service.parameter(parameter).value,
        evidence=(evidence(service, parameter), Evidence(listed[place].argument, f"{domain} REJECT")),
        proof=proof(service, parameter),
        remedy=Remedy.safe(assign(service, parameter, mended), ReloadUnit("postfix")),
    )

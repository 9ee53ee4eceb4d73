"""Permitted: restrictions that smtpd cannot run."""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix import restrictions
from maildoctor.postfix.admission import (
    Refusal,
    failures,
    mynetworks,
    restriction_list,
)
from maildoctor.postfix.restrictions import render
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, cost, evidence, proof
from maildoctor.remedy import ReloadUnit, Remedy


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
    for refusal in failures(host, service):
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
    listed[refusal.place] = bad._replace(name=meant, known=True)
    return Remedy.safe(assign(service, refusal.parameter, render(listed)), ReloadUnit("postfix"))


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
    for refusal in failures(host, service):
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

"""Programs that smtpd asks about each client: policy services and milters."""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix.admission import failures, policy_fault
from maildoctor.postfix.endpoint import Endpoint, unanswered
from maildoctor.postfix.restrictions import words
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import cost, evidence, proof
from maildoctor.remedy import Remedy

FILTER = "smtpd_proxy_filter"
MILTERS = "smtpd_milters"
MILTER_ACTION = "milter_default_action"
STOPPING = ("tempfail", "reject", "shutdown")
"""The default was tempfail and is shutdown in newer versions; accept and quarantine stop nothing."""


@check(Stage.PERMITTED, live=True)
def policy_service_unanswered(host: Host, service: Service) -> Iterator[Finding]:
    """Nobody answers at a policy service that a list of restrictions asks.

    What:
        check_policy_service stands in a list, in front of what lets logged-in clients pass, and no program
        listens at its socket.
    Why:
        smtpd logs "problem talking to server" and answers "451 4.3.5 Server configuration problem" to
        everybody who gets there. Greylisting and SPF daemons that did not start are the usual cause.
    Start: saslauthd-chroot
    Break:
        postconf -e 'smtpd_sender_restrictions = check_policy_service inet:127.0.0.1:10023'
        systemctl restart postfix
    Mend:
        postconf -X smtpd_sender_restrictions
        postfix reload
    Safety:
        Only you know which program belongs there. Start it, or let permit_sasl_authenticated stand before it.
    See: SMTPD_POLICY_README
    """
    for refusal in failures(host, service):
        if refusal.restriction.name != "check_policy_service":
            continue
        why = policy_fault(host, service, refusal.restriction)
        name = Endpoint.of(refusal.restriction.argument).text
        yield Finding(
            summary=f"the policy service {name} does not run, and smtpd answers 451 without it",
            subject=name,
            impact=cost(host, service, refusal.parameter),
            expected=f"a program that listens at {name}",
            found=why,
            evidence=(evidence(service, refusal.parameter), Evidence("kernel's table of sockets", why)),
            proof="ss -ltnx",
            remedy=Remedy.manual(
                f"Start the program that serves {name}, or take it out of {refusal.parameter}."
            ),
        )


@check(Stage.OFFERED, live=True)
def milter_unanswered(host: Host, service: Service) -> Iterator[Finding]:
    """Nobody answers at a milter, and without it smtpd takes nothing.

    What:
        smtpd_milters names a socket at which no program listens, and milter_default_action, by default
        tempfail or (in newer versions) shutdown, is not accept.
    Why:
        smtpd asks milters from the connection on. Without an answer it hangs up, or refuses what comes after
        EHLO, AUTH among them: "454 4.3.0 Try again later". In main.cf, this stops incoming mail as well.
    Start: saslauthd-chroot
    Break:
        postconf -e smtpd_milters=inet:127.0.0.1:8891
        systemctl restart postfix
    Mend:
        postconf -X smtpd_milters
        postfix reload
    Safety:
        Only you know which program belongs there. milter_default_action = accept would let mail through
        without what the milter checks or signs.
    See: MILTER_README, postconf(5)
    """
    for text in words(service.parameter(MILTERS).value):
        milter = Endpoint.of(text)
        action = milter.setting("default_action", service.parameter(MILTER_ACTION).value)
        why = unanswered(host, service, milter) if action.lower() in STOPPING else ""
        if why:
            yield Finding(
                summary=f"the milter {milter.text} does not run, and without it smtpd refuses clients",
                subject=milter.text,
                impact=cost(host, service, MILTERS),
                expected=f"a program that listens at {milter.text}",
                found=why,
                evidence=(
                    evidence(service, MILTERS),
                    evidence(service, MILTER_ACTION),
                    Evidence("kernel's table of sockets", why),
                ),
                proof=proof(service, MILTERS, MILTER_ACTION),
                remedy=Remedy.manual(
                    f"Start the program that serves {milter.text}, or take it out of {MILTERS}."
                ),
            )


@check(Stage.PERMITTED, live=True)
def proxy_filter_unanswered(host: Host, service: Service) -> Iterator[Finding]:
    """Nobody answers at the content filter in front of the queue.

    What:
        smtpd_proxy_filter names a port or socket of this machine at which no program listens.
    Why:
        smtpd hands each message to the filter while the client waits. Without it RCPT TO is answered with
        "451 4.3.0 Error: queue file write error", for users who logged in as well.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_proxy_filter=127.0.0.1:10024
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_proxy_filter
        systemctl restart postfix
    Safety:
        Only you know which program belongs there; without the filter, mail goes unfiltered.
    See: SMTPD_PROXY_README
    """
    named = service.parameter(FILTER).value.strip()
    if not named:
        return
    text = named if named.startswith(("inet:", "unix:")) else f"inet:{_with_host(named)}"
    why = unanswered(host, service, Endpoint.of(text))
    if why:
        yield Finding(
            summary=f"the filter {named} does not run, and smtpd takes no recipient without it",
            subject=named,
            impact=cost(host, service, FILTER),
            expected=f"a program that listens at {named}",
            found=why,
            evidence=(evidence(service, FILTER), Evidence("kernel's table of sockets", why)),
            proof="ss -ltnx",
            remedy=Remedy.manual(f"Start the program that serves {named}, or take it out of {FILTER}."),
        )


def _with_host(text: str) -> str:
    """A port alone means this machine."""
    return text if ":" in text else f"localhost:{text}"

"""What a reply means: pure functions from replies to judgements. Codes are those of RFC 5321, 4954 and 3207.

The stage of a failure is where the login path is *seen* to break; its cause may lie elsewhere.
"""

import re

from maildoctor.finding import Stage
from maildoctor.probe.result import Judged, Outcome, Step
from maildoctor.probe.session import Reply
from maildoctor.probe.target import Address, Target
from maildoctor.probe.trouble import Kind, Trouble

STAGES = {
    Step.CONNECT: Stage.LISTENING,
    Step.BANNER: Stage.LISTENING,
    Step.EHLO: Stage.OFFERED,
    Step.OFFERED_BEFORE_TLS: Stage.OFFERED,
    Step.TLS: Stage.OFFERED,
    Step.OFFERED_AFTER_TLS: Stage.OFFERED,
    Step.AUTH: Stage.REACHABLE,
    Step.RELAY_AFTER_LOGIN: Stage.PERMITTED,
}
_ENHANCED = re.compile(r"^[245]\.\d{1,3}\.\d{1,3}(?= |$)")
PATIENCE = 9.5
"""Seconds, nearly: Postfix gives up on Dovecot after 10 (AUTH_TIMEOUT in its xsasl_dovecot_server.c), while
Dovecot holds back an address that failed before for up to 15 (auth-penalty.h)."""
_NOT_AUTH = (500, 501, 502, 503, 504, 530, 534, 538)


def ok(summary: str, reply: Reply | None = None) -> Judged:
    """Say that a phase went as it should."""
    return Judged(Outcome.OK, summary, reply)


def failed(stage: Stage, summary: str, reply: Reply | None = None) -> Judged:
    """Say that a phase failed, and at which stage."""
    return Judged(Outcome.FAILED, summary, reply, stage)


def not_judged(summary: str, reply: Reply | None = None) -> Judged:
    """Say why nothing follows from a phase."""
    return Judged(Outcome.NOT_JUDGED, summary, reply)


def skipped(summary: str) -> Judged:
    """Say why a phase did not take place."""
    return Judged(Outcome.SKIPPED, summary)


def trouble(step: Step, error: Trouble) -> Judged:
    """Judge a phase in which the server gave no proper reply."""
    if step not in STAGES or error.kind is Kind.UNRESOLVED:
        return not_judged(error.detail)
    more = ""
    if step is Step.BANNER and error.kind is Kind.HUNG:
        more = (
            ": the connection stands, but no smtpd speaks. After a fatal error of smtpd master holds the"
            " service back for a minute; the mail log names the error"
        )
    elif step is Step.BANNER and error.kind is Kind.NOT_SMTP:
        more = ": another program has this port, or it wants TLS from the first byte (--tls implicit)"
    elif step is Step.AUTH and error.kind is Kind.HUNG:
        more = ": something accepted the request and does not answer, a wedged saslauthd for instance"
    elif step in (Step.EHLO, Step.OFFERED_AFTER_TLS) and error.kind is Kind.CLOSED:
        more = ": smtpd ended; the mail log has its fatal error"
    return failed(STAGES[step], error.detail + more)


def banner(reply: Reply) -> Judged:
    """Judge the first words: only 220 is a welcome."""
    if reply.code == 220:
        return ok("the server speaks SMTP", reply)
    return failed(Stage.LISTENING, "the server turns this client away before it says anything", reply)


def ehlo(reply: Reply) -> Judged:
    """Judge the answer to EHLO: without it there is no AUTH."""
    if reply.code == 250:
        return ok("the server speaks ESMTP", reply)
    return failed(Stage.OFFERED, "the server refuses EHLO, so nobody can log in", reply)


def offered_in_clear(mechanisms: tuple[str, ...] | None, starttls: bool) -> Judged:
    """Judge what is offered before TLS, where TLS does not come first."""
    offer = _offer(mechanisms)
    if starttls:
        return ok(f"{offer}; STARTTLS")
    if mechanisms:
        return ok(f"{offer}; no STARTTLS")
    return failed(Stage.OFFERED, "neither AUTH nor STARTTLS is offered to this client")


def offered_in_tls(mechanisms: tuple[str, ...] | None) -> Judged:
    """Judge what is offered inside TLS."""
    if mechanisms:
        return ok(_offer(mechanisms))
    return failed(Stage.OFFERED, "AUTH is not offered to this client, not even inside TLS")


def starttls_refused(reply: Reply) -> Judged:
    """Judge a STARTTLS that was offered and then refused."""
    more = ": its certificate or key cannot be used" if reply.code == 454 else ""
    return failed(Stage.OFFERED, f"STARTTLS is offered, then refused{more}", reply)


def auth(reply: Reply, mechanism: str, made_up: bool, seconds: float = 0.0) -> Judged:
    """Judge the end of an AUTH exchange (RFC 4954, 4 and 6), which took some ``seconds``."""
    if reply.code == 235 and made_up:
        return failed(
            Stage.VERIFYING, "ALARM: a user that exists nowhere is let in with a made-up password", reply
        )
    if reply.code == 235:
        return ok("the user is logged in", reply)
    if reply.code == 421:
        return failed(Stage.LISTENING, "the server ends the conversation", reply)
    if reply.code in _NOT_AUTH:
        return failed(Stage.OFFERED, f"the server does not let this client use AUTH {mechanism}", reply)
    if reply.code == 454 and seconds >= PATIENCE:
        return _given_up(reply, made_up)
    if 400 <= reply.code < 500 or "generic failure" in reply.text:
        return failed(Stage.REACHABLE, "smtpd gets no answer from whatever verifies passwords", reply)
    if "no mechanism available" in reply.text:
        return failed(
            Stage.CONFIGURED, f"{mechanism} is offered, but nothing is configured to serve it", reply
        )
    if reply.code != 535:
        return failed(Stage.VERIFYING, "the server gives an answer that AUTH does not know", reply)
    if made_up:
        return not_judged(
            "something said no to a made-up user, as it should; only a real user can prove more (--user)",
            reply,
        )
    return failed(
        Stage.VERIFYING,
        "something said no: the password is wrong, or what verifies it cannot find the user",
        reply,
    )


def _given_up(reply: Reply, made_up: bool) -> Judged:
    """Judge a 454 that came late: Dovecot may be stuck, or just slow with an address that failed before."""
    text = "Postfix gave up on Dovecot, which is slow with addresses that failed before: ask again later"
    return not_judged(text, reply) if made_up else failed(Stage.REACHABLE, text, reply)


def relay_after_login(command: str, reply: Reply) -> Judged:
    """Judge the answer to MAIL and RCPT of a client that has logged in."""
    if reply.good:
        return ok("a logged-in client may relay", reply)
    if reply.code < 500:
        return not_judged("the server refuses for the moment, logged in or not", reply)
    if command == "MAIL" or "Sender address rejected" in reply.text:
        return not_judged("the server does not like the sender: try another one (--from)", reply)
    if _enhanced(reply).startswith("5.1."):
        return not_judged("the server does not like the recipient: try another one (--rcpt)", reply)
    return failed(Stage.PERMITTED, "a logged-in client may not relay", reply)


def relay_without_login(reply: Reply, client: Address, target: Target) -> Judged:
    """Judge the answer to MAIL and RCPT of a client that has not logged in."""
    if reply.good:
        return _relays(reply, client, target)
    why = _enhanced(reply)
    if reply.code in (454, 530, 554) or why.startswith("5.7.") or (reply.code >= 500 and not why):
        return ok("relaying is refused without a login", reply)
    return not_judged("refused, but for another reason than relaying", reply)


def _relays(reply: Reply, client: Address, target: Target) -> Judged:
    trusted = target.trusts(client)
    if trusted:
        return not_judged(
            f"cannot be judged from here: the server trusts {client}, which is in its mynetworks", reply
        )
    if trusted is None:
        return not_judged(
            f"cannot be judged from here: {client} may well be in the server's mynetworks", reply
        )
    return failed(Stage.PERMITTED, f"an open relay: {client} may relay without a login", reply)


def _offer(mechanisms: tuple[str, ...] | None) -> str:
    if mechanisms is None:
        return "no AUTH"
    return f"AUTH {' '.join(mechanisms)}".rstrip()


def _enhanced(reply: Reply) -> str:
    found = _ENHANCED.match(reply.text)
    return found.group() if found else ""

"""One probe from the first connection to the last: what the telnet session of every how-to does by hand."""

import time
from dataclasses import dataclass, replace

from maildoctor.finding import Stage
from maildoctor.probe import judge
from maildoctor.probe.clock import Clock
from maildoctor.probe.credentials import Credentials, made_up
from maildoctor.probe.greeting import Greeting, carry_out
from maildoctor.probe.mechanism import IN_CLEAR, MECHANISMS
from maildoctor.probe.result import Judged, Outcome, Phase, ProbeResult, Step
from maildoctor.probe.target import Envelope, Target, Tls
from maildoctor.probe.transcript import Transcript

DEADLINE = 30.0
"""Seconds for a phase: PAM takes 5 to say no, Dovecot up to 17, postscreen 6 to say anything."""
SMTP_PORT = 25
NO_CLIENT = "not tried: maildoctor has no client for it"
IN_CLEAR_REFUSED = "not tried: the password would cross the network in clear (--tls none allows it)"


def probe(
    target: Target,
    credentials: Credentials | None = None,
    deadline: float = DEADLINE,
    *,
    mechanism: str | None = None,
    envelope: Envelope | None = None,
    relaying: bool = True,
    port_25: bool = True,
    every: bool = True,
    greeting: float | None = None,
) -> ProbeResult:
    """Try to log in on ``target`` and ask for relaying, and say of each phase how it ended.

    Without ``credentials`` a user is made up. ``deadline`` is for each phase, in seconds, and ``greeting``,
    where shorter, for the banner; six times ``deadline`` is the limit of the whole. ``mechanism`` (PLAIN,
    LOGIN, CRAM-MD5) limits AUTH to one; without ``every`` the simplest on offer is enough, which costs least
    where failed logins are counted. With ``relaying`` it asks for that, too: after the login, without one,
    and with ``port_25`` there as well. DATA is never sent. Never raises for what a server does.
    """
    plan = _Plan(envelope or _postmaster(target), mechanism, every, relaying, port_25)
    return _Probe(target, credentials or made_up(), Clock(deadline, greeting), plan).run()


def _postmaster(target: Target) -> Envelope:
    return Envelope(f"postmaster@{target.name or 'localhost'}")


@dataclass(frozen=True, slots=True)
class _Plan:
    envelope: Envelope
    mechanism: str | None
    every: bool
    relaying: bool
    port_25: bool


class _Probe:
    def __init__(self, target: Target, who: Credentials, clock: Clock, plan: _Plan) -> None:
        self.target = target
        self.who = who
        self.plan = plan
        self.clock = clock
        self.transcript = Transcript(who.secrets())

    def run(self) -> ProbeResult:
        first = self._greet(self.target)
        phases = list(first.phases)
        if _starttls_refused(first) and first.before and self.target.own:
            self._end(first)
            self.target = replace(self.target, tls=Tls.NONE)
            phases += self._log_in(self._greet(self.target))
        else:
            phases += self._log_in(first)
        if self.plan.relaying:
            phases += self._relaying_without_login(first.speaking)
        return ProbeResult(
            first.target,
            self.who.user,
            self.who.made_up,
            tuple(phases),
            first.before,
            first.after,
            first.tls_version,
            first.certificate,
            self.transcript.lines,
        )

    def _greet(self, target: Target) -> Greeting:
        return Greeting(target, self.clock, self.transcript).walk()

    def _log_in(self, greeting: Greeting) -> list[Phase]:
        """Try each mechanism in a conversation of its own; the first that succeeds asks for relaying."""
        phases: list[Phase] = []
        relayed = Phase(Step.RELAY_AFTER_LOGIN, judge.skipped("nobody is logged in"))
        if greeting.broken:
            phases.append(Phase(Step.AUTH, judge.skipped("not reached"), mechanism=self.plan.mechanism))
        for name in [] if greeting.broken else self._wanted(greeting.mechanisms):
            if (untried := self._untried(name, greeting)) is not None:
                phases.append(Phase(Step.AUTH, untried, mechanism=name))
                continue
            if greeting.session is None:
                greeting = self._greet(self.target)
            phases.append(self._auth(greeting, name))
            logged_in = phases[-1].judged.outcome is Outcome.OK
            if self.plan.relaying and logged_in and relayed.judged.outcome is Outcome.SKIPPED:
                relayed = self._relay_after_login(greeting)
            self._end(greeting)
        self._end(greeting)
        return [*phases, relayed] if self.plan.relaying else phases

    def _wanted(self, offered: tuple[str, ...]) -> tuple[str, ...]:
        if self.plan.mechanism is not None:
            return (self.plan.mechanism,)
        simplest = [name for name in MECHANISMS if name in offered]
        return offered if self.plan.every or not simplest else tuple(simplest[:1])

    def _untried(self, name: str, greeting: Greeting) -> Judged | None:
        """Say why a mechanism is not tried; None where it is."""
        if name not in greeting.mechanisms:
            return judge.failed(Stage.OFFERED, f"{name} is not offered")
        if name not in MECHANISMS:
            return judge.skipped(NO_CLIENT)
        in_clear = greeting.tls_version is None and self.target.tls is not Tls.NONE and name in IN_CLEAR
        if in_clear and not self.target.own and not self.who.made_up:
            return judge.not_judged(IN_CLEAR_REFUSED)
        return None

    def _auth(self, greeting: Greeting, name: str) -> Phase:
        if greeting.broken:
            again = judge.not_judged(f"a second conversation failed: {greeting.broken.summary}")
            return Phase(Step.AUTH, again, mechanism=name)
        talk = greeting.talk

        def action() -> Judged:
            begun = time.monotonic()
            reply = talk.authenticate(name, self.who)
            return judge.auth(reply, name, self.who.made_up, time.monotonic() - begun)

        return carry_out(Step.AUTH, action, self.clock, talk, name)

    def _relay_after_login(self, greeting: Greeting) -> Phase:
        def action() -> Judged:
            command, reply = greeting.talk.relay(self.plan.envelope.sender, self.plan.envelope.recipient)
            return judge.relay_after_login(command, reply)

        return carry_out(Step.RELAY_AFTER_LOGIN, action, self.clock, greeting.talk)

    def _relaying_without_login(self, speaking: bool) -> list[Phase]:
        """Ask the service, and port 25 as well, to relay for a client that has not logged in."""
        step = Step.RELAY_WITHOUT_LOGIN
        phases = [
            self._relay_as_nobody(step, self.target)
            if speaking
            else Phase(step, judge.skipped("not reached"))
        ]
        if self.plan.port_25 and self.target.port != SMTP_PORT:
            smtp = replace(self.target, port=SMTP_PORT, tls=Tls.NONE, service="smtp")
            phases.append(self._relay_as_nobody(Step.RELAY_WITHOUT_LOGIN_25, smtp))
        return phases

    def _relay_as_nobody(self, step: Step, target: Target) -> Phase:
        greeting = self._greet(target)

        def action() -> Judged:
            if not greeting.speaking:
                return _unspoken(greeting)
            _, reply = greeting.talk.relay(self.plan.envelope.sender, self.plan.envelope.recipient)
            return judge.relay_without_login(reply, greeting.client, target)

        phase = carry_out(step, action, self.clock, greeting.session)
        self._end(greeting)
        return phase

    def _end(self, greeting: Greeting) -> None:
        if greeting.session is not None:
            greeting.session.goodbye()
            greeting.session = None


def _starttls_refused(greeting: Greeting) -> bool:
    return any(phase.step is Step.TLS and phase.failed and phase.judged.reply for phase in greeting.phases)


def _unspoken(greeting: Greeting) -> Judged:
    connected = greeting.phases[0]
    if connected.failed:
        return judge.skipped(f"nothing listens: {connected.judged.summary}")
    return judge.not_judged(greeting.broken.summary if greeting.broken else "no conversation")

"""The way from nothing to where AUTH could be said: connect, banner, EHLO, TLS, and what is offered."""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address

from maildoctor.finding import Stage
from maildoctor.probe import judge
from maildoctor.probe.certificate import Certificate, read
from maildoctor.probe.clock import Clock
from maildoctor.probe.result import Judged, Outcome, Phase, Step
from maildoctor.probe.session import Session
from maildoctor.probe.target import Address, Target, Tls
from maildoctor.probe.transcript import Transcript
from maildoctor.probe.trouble import Kind, Trouble
from maildoctor.probe.wire import Wire


class Greeting:
    """Walks the phases before AUTH once; ``ready`` says whether AUTH can be tried."""

    def __init__(self, target: Target, clock: Clock, transcript: Transcript) -> None:
        """Begin with nothing connected."""
        self.target = target
        self.clock = clock
        self.transcript = transcript
        self.phases: list[Phase] = []
        self.session: Session | None = None
        self.before: tuple[str, ...] | None = None
        self.after: tuple[str, ...] | None = None
        self.certificate: Certificate | None = None
        self.tls_version: str | None = None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Give what is offered at the end of the way."""
        return (self.after if self.tls_version else self.before) or ()

    @property
    def broken(self) -> Judged | None:
        """Give what keeps AUTH from being said."""
        unfinished = (Outcome.FAILED, Outcome.NOT_JUDGED)
        return next((phase.judged for phase in self.phases if phase.judged.outcome in unfinished), None)

    @property
    def speaking(self) -> bool:
        """Tell whether the server takes commands, AUTH or no AUTH."""
        ended = {phase.step: phase.judged.outcome for phase in self.phases}
        return ended[Step.EHLO] is Outcome.OK and ended[Step.TLS] is not Outcome.FAILED

    @property
    def client(self) -> Address:
        """Give the address from which the server sees us."""
        return ip_address(self.talk.wire.client)

    @property
    def talk(self) -> Session:
        """Give the conversation, which must have begun."""
        assert self.session is not None
        return self.session

    def walk(self) -> "Greeting":
        """Go as far as the server lets us."""
        secure_first = [(Step.TLS, self._tls)] if self.target.implicit_tls else []
        steps = [
            (Step.CONNECT, self._connect),
            *secure_first,
            (Step.BANNER, self._banner),
            (Step.EHLO, self._ehlo),
        ]
        if not self.target.implicit_tls:
            steps += [(Step.OFFERED_BEFORE_TLS, self._offered_in_clear), (Step.TLS, self._starttls)]
        for step, action in [*steps, (Step.OFFERED_AFTER_TLS, self._offered_in_tls)]:
            if self.broken:
                self._write(step, lambda: judge.skipped("not reached"))
            else:
                self._write(step, action)
        return self

    def _write(self, step: Step, action: Callable[[], Judged]) -> None:
        self.phases.append(carry_out(step, action, self.clock, self.session))

    def _connect(self) -> Judged:
        sock = connect(self.target, self.clock)
        address = sock.getpeername()[0]
        self.transcript.note(f"connected to {address} port {self.target.port}")
        self.session = Session(Wire(sock, self.clock, self.transcript), self.transcript)
        return judge.ok(f"{address} port {self.target.port} accepts connections")

    def _banner(self) -> Judged:
        return judge.banner(self.talk.banner())

    def _ehlo(self) -> Judged:
        return judge.ehlo(self.talk.hello())

    def _offered_in_clear(self) -> Judged:
        self.before = self.talk.mechanisms()
        return judge.offered_in_clear(self.before, self.talk.has_extn("starttls"))

    def _starttls(self) -> Judged:
        if not self.target.may_starttls:
            return judge.skipped("not wanted")
        if not self.talk.has_extn("starttls"):
            if self.target.tls is Tls.STARTTLS:
                return judge.failed(Stage.OFFERED, "STARTTLS is not offered")
            return judge.skipped("not offered")
        reply = self.talk.ask("STARTTLS")
        if reply.code != 220:
            return judge.starttls_refused(reply)
        if self.talk.wire.unasked():
            raise Trouble(
                Kind.INJECTED,
                "more came in clear after STARTTLS was agreed: somebody between may have put it there",
            )
        return self._tls()

    def _tls(self) -> Judged:
        secured = self.talk.secure(_context(), self.target.name)
        self.tls_version = secured.version()
        self.certificate = read(secured.getpeercert(binary_form=True) or b"")
        cipher = secured.cipher()
        return judge.ok(f"{self.tls_version}, {cipher[0] if cipher else 'no cipher'}")

    def _offered_in_tls(self) -> Judged:
        if self.tls_version is None:
            return judge.skipped("no TLS")
        if not self.target.implicit_tls:
            reply = self.talk.hello()
            if reply.code != 250:
                return judge.ehlo(reply)
        self.after = self.talk.mechanisms()
        return judge.offered_in_tls(self.after)


def carry_out(
    step: Step,
    action: Callable[[], Judged],
    clock: Clock,
    session: Session | None,
    mechanism: str | None = None,
) -> Phase:
    """Carry out one phase within its limits. Trouble is an outcome."""
    begun = time.monotonic()
    if clock.spent:
        return Phase(step, judge.not_judged("the time for the whole probe is over"), 0.0, mechanism)
    limit = clock.greeting if step in (Step.TLS, Step.BANNER) else clock.deadline
    clock.start(limit)
    if session is not None:
        session.wire.start(limit)
    try:
        judged = action()
    except Trouble as error:
        judged = judge.trouble(step, error)
    return Phase(step, judged, time.monotonic() - begun, mechanism)


def connect(target: Target, clock: Clock) -> socket.socket:
    """Connect to the first of the target's addresses that lets us. Raises Trouble."""
    refusal = "no address"
    for address in _addresses(target, clock):
        try:
            return socket.create_connection((address, target.port), clock.left())
        except OSError as error:
            refusal = f"{address} port {target.port}: {_reason(error, clock)}"
    raise Trouble(Kind.UNREACHABLE, refusal)


def _addresses(target: Target, clock: Clock) -> list[str]:
    """Resolve the target's name; the resolver itself knows no time limit, so it works aside."""
    answer: queue.SimpleQueue[list[str] | str] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError) as error:
            answer.put(getattr(error, "strerror", None) or "not a name")

    threading.Thread(target=resolve, daemon=True).start()
    try:
        found = answer.get(timeout=clock.left())
    except queue.Empty:
        raise Trouble(Kind.UNRESOLVED, f"the name {target.host} was not resolved in time") from None
    if isinstance(found, str):
        raise Trouble(Kind.UNRESOLVED, f"the name {target.host} cannot be resolved: {found}")
    return found


def _reason(error: OSError, clock: Clock) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {clock.deadline:g} s"
    return error.strerror or str(error)


def _context() -> ssl.SSLContext:
    """Give a context that talks to any server, old ones as well, and verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context

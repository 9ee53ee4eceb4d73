"""Whatever a server does is an outcome, in time: never a crash, never a hang."""

import contextlib
import itertools
import socket
import time

import pytest

from maildoctor.finding import Stage
from maildoctor.probe import Credentials, Outcome, Password, ProbeResult, Step, Target, Tls, Verdict, probe
from maildoctor.probe.clock import TOTAL_PHASES
from tests.probe.conftest import Serve
from tests.probe.scripted import Script, Talk, polite

DEADLINE = 0.5
HOGE = Credentials("hoge", Password(b"correct horse"))


def ask(server_port: int, credentials: Credentials | None = None, tls: Tls = Tls.AUTO) -> ProbeResult:
    """Probe the scripted server, without asking port 25 of this machine."""
    target = Target("127.0.0.1", server_port, tls, name="mail.example.com", own=True)
    begun = time.monotonic()
    result = probe(target, credentials, DEADLINE, port_25=False)
    assert time.monotonic() - begun < TOTAL_PHASES * DEADLINE + 3
    return result


def first_failure(result: ProbeResult) -> tuple[Step, Stage | None]:
    """Give the step that failed first and its stage."""
    assert result.failures, [(phase.step, phase.judged) for phase in result.phases]
    return result.failures[0].step, result.failures[0].judged.stage


def say(*lines: str) -> Script:
    """A server that says these lines, and then closes."""
    return lambda talk: talk.say(*lines)


def raw(data: bytes, wait: bool = True) -> Script:
    """A server that sends these bytes, and then waits for ever or closes."""

    def script(talk: Talk) -> None:
        talk.raw(data)
        if wait:
            talk.hang()

    return script


def endless(chunk: bytes, pause: float = 0.0) -> Script:
    """A server that never stops sending."""

    def script(talk: Talk) -> None:
        with contextlib.suppress(OSError):
            while True:
                talk.raw(chunk)
                time.sleep(pause)

    return script


def hang(talk: Talk) -> None:
    """A server that falls silent."""
    talk.hang()


def close(talk: Talk) -> None:
    """A server that closes the connection."""


BANNER = (Step.BANNER, Stage.LISTENING)
EHLO = (Step.EHLO, Stage.OFFERED)
IN_CLEAR = (Step.OFFERED_BEFORE_TLS, Stage.OFFERED)
TLS = (Step.TLS, Stage.OFFERED)
IN_TLS = (Step.OFFERED_AFTER_TLS, Stage.OFFERED)
REACHABLE = (Step.AUTH, Stage.REACHABLE)
VERIFYING = (Step.AUTH, Stage.VERIFYING)
NO_AUTH = (Step.AUTH, Stage.OFFERED)
GENERIC = "535 5.7.8 Error: authentication failed: generic failure"
NO_MECHANISM = "535 5.7.8 Error: authentication failed: no mechanism available"
LOGGED_IN = "235 2.7.0 Authentication successful"

MISBEHAVIOUR: dict[str, tuple[Script, tuple[Step, Stage]]] = {
    "no banner": (polite("banner", hang), BANNER),
    "closes instead of a banner": (polite("banner", close), BANNER),
    "turns us away": (polite("banner", say("554 5.7.1 No service")), BANNER),
    "too busy": (polite("banner", say("421 4.7.0 Too many connections")), BANNER),
    "ssh": (polite("banner", say("SSH-2.0-OpenSSH_9.2p1")), BANNER),
    "http": (polite("banner", say("HTTP/1.1 400 Bad Request", "", "<html>")), BANNER),
    "empty line": (polite("banner", say("")), BANNER),
    "8-bit garbage": (polite("banner", raw(bytes(range(128, 256)) * 9 + b"\n")), BANNER),
    "NUL bytes": (polite("banner", raw(bytes(1000) + b"\r\n")), BANNER),
    "a code of no class": (polite("banner", say("999 mail.example.com")), BANNER),
    "a negative code": (polite("banner", say("-22 mail.example.com")), BANNER),
    "banner without an end": (polite("banner", raw(b"220 mail.example.com")), BANNER),
    "banner cut off": (polite("banner", raw(b"220 mail.exam", wait=False)), BANNER),
    "endless line": (polite("banner", endless(b"x" * 4096)), BANNER),
    "endless reply": (polite("banner", endless(b"220-more and more\r\n" * 100)), BANNER),
    "endless slow line": (polite("banner", endless(b"2", 0.05)), BANNER),
    "endless slow reply": (polite("banner", endless(b"220-x\r\n", 0.05)), BANNER),
    "TLS from the first byte": (lambda talk: talk.secure(), BANNER),
    "no EHLO": (polite("ehlo", say("502 5.5.2 Error: command not recognized")), EHLO),
    "wrong code to EHLO": (polite("ehlo", say("354 go ahead")), EHLO),
    "silent after EHLO": (polite("ehlo", hang), EHLO),
    "closes after EHLO": (polite("ehlo", close), EHLO),
    "EHLO cut off": (polite("ehlo", raw(b"250-mail.example.com\r\n250-AU", wait=False)), EHLO),
    "EHLO without an end": (polite("ehlo", raw(b"250-mail.example.com\r\n")), EHLO),
    "nothing offered": (polite("ehlo", say("250 mail.example.com")), IN_CLEAR),
    "STARTTLS refused": (polite("starttls", say("454 4.7.0 TLS not available")), TLS),
    "STARTTLS unknown": (polite("starttls", say("502 5.5.1 Error")), TLS),
    "silent after STARTTLS": (polite("starttls", hang), TLS),
    "closes after STARTTLS": (polite("starttls", close), TLS),
    "STARTTLS injection": (polite("starttls", raw(b"220 go\r\n250 AUTH PLAIN\r\n")), TLS),
    "no handshake": (polite("handshake", hang), TLS),
    "handshake cut off": (polite("handshake", close), TLS),
    "handshake of garbage": (polite("handshake", say("250 2.0.0 Ok")), TLS),
    "dies inside TLS": (polite("ehlo-tls", close), IN_TLS),
    "silent inside TLS": (polite("ehlo-tls", hang), IN_TLS),
    "no AUTH inside TLS": (polite("ehlo-tls", say("250 mail.example.com")), IN_TLS),
    "endless reply inside TLS": (polite("ehlo-tls", endless(b"250-x\r\n" * 500)), IN_TLS),
    "no verifier": (polite("auth", say("454 4.7.0 Temporary authentication failure")), REACHABLE),
    "old generic failure": (
        polite("auth", say(GENERIC)),
        REACHABLE,
    ),
    "AUTH hangs": (polite("auth", hang), REACHABLE),
    "AUTH closes": (polite("auth", close), REACHABLE),
    "AUTH unknown": (polite("auth", say("502 5.5.2 Error")), NO_AUTH),
    "AUTH not enabled": (polite("auth", say("503 5.5.1 Error")), NO_AUTH),
    "mechanism unknown": (polite("auth", say(NO_MECHANISM)), (Step.AUTH, Stage.CONFIGURED)),
    "AUTH ends the conversation": (
        polite("auth", say("421 4.7.0 Too many errors")),
        (Step.AUTH, Stage.LISTENING),
    ),
    "AUTH answered with 250": (polite("auth", say("250 2.0.0 Ok")), VERIFYING),
    "endless challenges": (polite("auth", say(*["334 VXNlcm5hbWU6"] * 50)), REACHABLE),
    "challenge that is no base64": (polite("auth", say("334 $$$", "501 cancelled")), REACHABLE),
    "anybody is let in": (
        polite("auth", say("235 2.7.0 Authentication successful")),
        (Step.AUTH, Stage.VERIFYING),
    ),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_misbehaviour_is_an_outcome(name: str, serve: Serve) -> None:
    script, expected = MISBEHAVIOUR[name]
    result = ask(serve(script).port)
    assert first_failure(result) == expected
    assert result.verdict is Verdict.BROKEN
    later = itertools.dropwhile(lambda phase: not phase.failed, result.phases)
    assert {phase.judged.outcome for phase in list(later)[1:]} <= {
        Outcome.SKIPPED,
        Outcome.NOT_JUDGED,
        Outcome.OK,
    }


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert first_failure(ask(port)) == (Step.CONNECT, Stage.LISTENING)


def test_a_name_that_does_not_exist() -> None:
    result = probe(Target("mail.invalid", 587), deadline=5, relaying=False)
    assert result.phases[0].judged.outcome is Outcome.NOT_JUDGED
    assert result.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "script",
    [hang, close, polite(), say("220 mail.example.com ESMTP")],
    ids=["hangs", "closes", "is polite", "greets"],
)
def test_implicit_tls_against_a_server_in_clear(script: Script, serve: Serve) -> None:
    assert first_failure(ask(serve(script).port, tls=Tls.IMPLICIT)) == TLS


def test_a_made_up_user_refused_is_nothing_wrong(serve: Serve) -> None:
    result = ask(serve(polite()).port)
    assert result.verdict is Verdict.NOTHING_WRONG_FOUND
    assert {phase.step: phase.judged.outcome for phase in result.phases} == {
        Step.CONNECT: Outcome.OK,
        Step.BANNER: Outcome.OK,
        Step.EHLO: Outcome.OK,
        Step.OFFERED_BEFORE_TLS: Outcome.OK,
        Step.TLS: Outcome.OK,
        Step.OFFERED_AFTER_TLS: Outcome.OK,
        Step.AUTH: Outcome.NOT_JUDGED,
        Step.RELAY_AFTER_LOGIN: Outcome.SKIPPED,
        Step.RELAY_WITHOUT_LOGIN: Outcome.NOT_JUDGED,
    }


def once_logged_in(step: str, misbehave: Script) -> Script:
    """A server that lets anybody in and misbehaves at ``step`` of those that logged in alone."""

    def script(talk: Talk) -> None:
        before = len(talk.server.heard)

        def only_then(talk: Talk) -> None:
            if any(line.startswith("AUTH") for line in talk.server.heard[before:]):
                misbehave(talk)
            else:
                talk.say("554 5.7.1 Relay access denied")

        polite(step, only_then, auth=LOGGED_IN)(talk)

    return script


AFTER_LOGIN: dict[str, tuple[Script, Outcome, Stage | None]] = {
    "may relay": (once_logged_in("rcpt", say("250 2.1.5 Ok")), Outcome.OK, None),
    "may not": (
        once_logged_in("rcpt", say("554 5.7.1 <someone@example.net>: Relay access denied")),
        Outcome.FAILED,
        Stage.PERMITTED,
    ),
    "not now": (
        once_logged_in("rcpt", say("451 4.3.5 Server problem")),
        Outcome.NOT_JUDGED,
        None,
    ),
    "a recipient that cannot be": (
        once_logged_in("rcpt", say("556 5.1.10 <someone@example.net>: Recipient address rejected")),
        Outcome.NOT_JUDGED,
        None,
    ),
    "a sender that is another's": (
        once_logged_in("rcpt", say("553 5.7.1 <postmaster@example.com>: Sender address rejected: not owned")),
        Outcome.NOT_JUDGED,
        None,
    ),
    "MAIL refused": (once_logged_in("mail", say("550 5.1.8 Bad sender")), Outcome.NOT_JUDGED, None),
    "MAIL hangs": (once_logged_in("mail", hang), Outcome.FAILED, Stage.PERMITTED),
    "MAIL closes": (once_logged_in("mail", close), Outcome.FAILED, Stage.PERMITTED),
    "RCPT hangs": (once_logged_in("rcpt", hang), Outcome.FAILED, Stage.PERMITTED),
    "RCPT closes": (once_logged_in("rcpt", close), Outcome.FAILED, Stage.PERMITTED),
    "RSET hangs": (once_logged_in("rset", hang), Outcome.OK, None),
    "QUIT floods": (once_logged_in("quit", endless(b"221-bye\r\n" * 100)), Outcome.OK, None),
    "QUIT hangs": (once_logged_in("quit", hang), Outcome.OK, None),
}


@pytest.mark.parametrize("name", AFTER_LOGIN)
def test_relaying_after_login(name: str, serve: Serve) -> None:
    script, outcome, stage = AFTER_LOGIN[name]
    result = ask(serve(script).port, HOGE)
    judged = next(phase.judged for phase in result.phases if phase.step is Step.RELAY_AFTER_LOGIN)
    assert result.logged_in
    assert (judged.outcome, judged.stage) == (outcome, stage), judged


def test_data_is_never_sent_and_the_conversation_ends_cleanly(serve: Serve) -> None:
    server = serve(polite(auth=LOGGED_IN))
    result = ask(server.port, HOGE)
    assert result.verdict is Verdict.WHOLE
    commands = [line.split(" ")[0] for line in server.heard]
    assert commands == [
        *["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RSET", "QUIT"],
        *["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "RSET", "QUIT"],
    ]


def test_a_wrong_password_is_a_failure_of_verifying(serve: Serve) -> None:
    result = ask(serve(polite()).port, HOGE)
    assert first_failure(result) == (Step.AUTH, Stage.VERIFYING)


def test_after_an_injection_nothing_more_is_said(serve: Serve) -> None:
    def injected(talk: Talk) -> None:
        talk.say("220 mail.example.com")
        talk.hear()
        talk.say("250-mail.example.com", "250 STARTTLS")
        talk.hear()
        talk.say("220 2.0.0 Ready to start TLS", "250-mail.example.com", "250 AUTH PLAIN")
        talk.secure()
        talk.hear()
        talk.say("250-mail.example.com", "250 AUTH PLAIN")
        talk.rest({"AUTH": LOGGED_IN})

    server = serve(injected)
    result = ask(server.port, HOGE)
    assert first_failure(result) == TLS
    assert "more came in clear" in result.failures[0].judged.summary
    assert not [line for line in server.heard if line.startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize("flood", [b"220-x\r\n" * 500, b"2" * 4096], ids=["lines", "one line"])
def test_a_flood_ends_by_its_size_not_by_the_time(flood: bytes, serve: Serve) -> None:
    port = serve(endless(flood)).port
    result = probe(Target("127.0.0.1", port, own=True), None, 60, port_25=False)
    assert first_failure(result) == BANNER
    assert "did not end within" in result.failures[0].judged.summary


def test_a_server_that_takes_nearly_all_its_time_in_every_phase_does_not_get_it_all(serve: Serve) -> None:
    def slow(talk: Talk) -> None:
        talk.say("220 mail.example.com")
        while True:
            command = talk.hear().split(" ")[0]
            time.sleep(0.8 * DEADLINE)
            talk.say("250-mail", "250 AUTH PLAIN LOGIN CRAM-MD5") if command == "EHLO" else talk.say("535 no")

    result = ask(serve(slow).port)
    assert result.phases[-1].judged.outcome is Outcome.NOT_JUDGED

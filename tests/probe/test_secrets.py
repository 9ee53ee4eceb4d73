"""A password shows itself nowhere, even to a server that tells it."""

import base64
import pickle
import traceback

import pytest

from maildoctor.probe import Credentials, Password, ProbeResult, Target, Verdict, probe
from maildoctor.probe.result import Outcome, Step
from maildoctor.report import ink, probe_json, probe_text
from tests.probe.conftest import Serve
from tests.probe.scripted import Talk, polite

PASSWORD = "pässword-höge"
HOGE = Credentials("hoge", Password(PASSWORD.encode()))
BLOB = base64.b64encode(b"\0hoge\0" + PASSWORD.encode()).decode()
FORMS = (PASSWORD, BLOB, base64.b64encode(PASSWORD.encode()).decode(), PASSWORD.encode().hex())


def every_report(result: ProbeResult) -> str:
    """Everything that anybody gets to see of a result."""
    lines = list(probe_text.render(result.verdict, [result]))
    plain = "\n".join("".join(part for part, _ in line) for line in lines)
    return "\n".join([plain, ink.painted(lines), probe_json.render(result.verdict, [result]), repr(result)])


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize(
    "ending", ["235 2.7.0 hello {}", "535 5.7.8 no user with {}", "454 4.7.0 {0} {0}", "{}"]
)
def test_a_server_that_tells_what_it_heard(mechanism: str, ending: str, serve: Serve) -> None:
    heard: list[str] = []

    def script(talk: Talk) -> None:
        talk.greet("250-mail.example.com", "250 AUTH PLAIN LOGIN CRAM-MD5")
        heard.append(talk.hear())
        for _ in range({"PLAIN": 0, "LOGIN": 2, "CRAM-MD5": 1}[mechanism]):
            talk.say("334 " + base64.b64encode(b"<1.2@mail.example.com>").decode())
            heard.append(talk.hear())
        talk.say(ending.format(" ".join([*heard, *FORMS])))
        talk.rest({})

    target = Target("127.0.0.1", serve(script).port, own=True)
    result = probe(target, HOGE, 2, mechanism=mechanism, relaying=False)
    text = every_report(result)
    assert any(
        phase.step is Step.AUTH and phase.judged.outcome is not Outcome.SKIPPED for phase in result.phases
    )
    assert not [form for form in (*FORMS, heard[-1].split(" ")[-1]) if form in text]


def test_the_wire_carries_what_nobody_else_sees(serve: Serve) -> None:
    server = serve(polite(auth="235 2.7.0 Authentication successful"))
    result = probe(Target("127.0.0.1", server.port, own=True), HOGE, 2, port_25=False)
    assert f"AUTH PLAIN {BLOB}" in server.heard
    assert result.verdict is Verdict.WHOLE
    assert BLOB not in every_report(result)


def test_a_digest_is_hidden_although_it_is_not_the_password(serve: Serve) -> None:
    def script(talk: Talk) -> None:
        talk.greet("250-mail.example.com", "250 AUTH CRAM-MD5")
        talk.hear()
        talk.say("334 PDE+")
        talk.hear()
        talk.say("235 2.7.0 Authentication successful")
        talk.rest({})

    server = serve(script)
    result = probe(Target("127.0.0.1", server.port, own=True), HOGE, 2, relaying=False)
    assert result.logged_in
    sent = server.heard[2]
    assert base64.b64decode(sent).startswith(b"hoge ")
    assert sent not in every_report(result)


def test_repr_and_pickle() -> None:
    for text in (repr(HOGE), str(HOGE.password), f"{HOGE.password!r}", repr([HOGE])):
        assert PASSWORD not in text
    with pytest.raises(TypeError):
        pickle.dumps(HOGE)


def test_traceback() -> None:
    def blow(credentials: Credentials) -> None:
        raise RuntimeError(credentials)

    try:
        blow(HOGE)
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "hidden" in shown
    assert PASSWORD not in shown
    assert repr(PASSWORD.encode()) not in shown


def test_cleartext_is_not_sent_to_another_host_unasked(serve: Serve) -> None:
    def script(talk: Talk) -> None:
        talk.greet()
        talk.rest({"AUTH": "235 2.7.0 Authentication successful"})

    server = serve(script)
    result = probe(Target("127.0.0.1", server.port, own=False), HOGE, 2, port_25=False)
    assert result.verdict is Verdict.UNKNOWN
    assert not [line for line in server.heard if line.startswith("AUTH")]


def test_terminal_escapes_of_a_server_are_shown_not_sent(serve: Serve) -> None:
    def script(talk: Talk) -> None:
        talk.raw(b"220 \x1b]0;owned\x07 \x9b31m \xe2\x80\xae\r\n")
        talk.hear()
        talk.raw(b"250-\x1b[2J\r\n250 AUTH PL\x1b[1mAIN \xc2\x9b\r\n")
        talk.hear()

    result = probe(Target("127.0.0.1", serve(script).port, own=True), None, 2, relaying=False)
    lines = list(probe_text.render(result.verdict, [result]))
    shown = ink.painted([[(part, "") for part, _ in line] for line in lines])
    shown += probe_json.render(result.verdict, [result])
    assert r"\x1b]0;owned\x07" in shown
    assert not [character for character in shown if character != "\n" and not character.isprintable()]

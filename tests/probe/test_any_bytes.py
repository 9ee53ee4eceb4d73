"""Any bytes at any step: an outcome, and nothing on the terminal that it would act on."""

import ssl

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from maildoctor.probe import Credentials, Password, Target, Verdict, probe
from maildoctor.report import ink, probe_json, probe_text
from maildoctor.report.sanitise import visible
from tests.probe.scripted import Script, Talk, polite, serving

STEPS = ["banner", "ehlo", "starttls", "handshake", "ehlo-tls", "auth", "mail", "rcpt", "quit"]
SMTP = some.sampled_from([b"220 ", b"250-", b"250 AUTH ", b"334 ", b"235 ", b"535 ", b"\r\n", b"\n", b"="])
CHATTER = some.lists(SMTP | some.binary(max_size=40), max_size=12).map(b"".join)


def then_closes(data: bytes) -> Script:
    """A server that sends these bytes and goes away."""
    return lambda talk: talk.raw(data)


def chatters(step: str, data: bytes) -> Script:
    """A server that lets anybody in, until at ``step`` it says ``data``."""

    def script(talk: Talk) -> None:
        polite(step, then_closes(data), auth="235 2.7.0 Authentication successful")(talk)

    return script


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(step=some.sampled_from(STEPS), data=CHATTER)
@example(step="ehlo", data=b"\r\n")
@example(step="ehlo-tls", data=b"\r\n")
def test_any_bytes_at_any_step(step: str, data: bytes, context: ssl.SSLContext) -> None:
    with serving(chatters(step, data), context) as server:
        target = Target("127.0.0.1", server.port, own=True)
        result = probe(target, Credentials("hoge", Password(b"correct horse")), 2, port_25=False)
    assert result.verdict in set(Verdict)
    lines = list(probe_text.render(result.verdict, [result]))
    shown = ink.painted([[(part, "") for part, _ in line] for line in lines])
    assert [character for character in shown if visible(character) != character] == ["\n"] * shown.count("\n")
    assert probe_json.render(result.verdict, [result]).isascii()
    assert "correct horse" not in shown

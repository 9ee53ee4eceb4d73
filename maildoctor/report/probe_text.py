"""What a probe found, for people: the verdict, each phase, then the transcript."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby

from maildoctor.probe.certificate import Certificate
from maildoctor.probe.result import Outcome, Phase, ProbeResult, Step, Verdict
from maildoctor.probe.transcript import Line as Said
from maildoctor.probe.transcript import Who
from maildoctor.report.ink import Line

VERDICT_STYLE = {
    Verdict.WHOLE: "bold green",
    Verdict.NOTHING_WRONG_FOUND: "bold",
    Verdict.DEGRADED: "bold yellow",
    Verdict.BROKEN: "bold red",
    Verdict.UNKNOWN: "bold yellow",
}
OUTCOME_STYLE = {
    Outcome.OK: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOT_JUDGED: "yellow",
    Outcome.SKIPPED: "dim",
}
TITLES = {
    Step.CONNECT: "connect",
    Step.BANNER: "banner",
    Step.EHLO: "EHLO",
    Step.OFFERED_BEFORE_TLS: "offered before TLS",
    Step.TLS: "TLS",
    Step.OFFERED_AFTER_TLS: "offered after TLS",
    Step.AUTH: "AUTH",
    Step.RELAY_AFTER_LOGIN: "relay after login",
    Step.RELAY_WITHOUT_LOGIN: "relay without login",
    Step.RELAY_WITHOUT_LOGIN_25: "the same on port 25",
}
WHO = {Who.CLIENT: ("C: ", "bold"), Who.SERVER: ("S: ", ""), Who.NOTE: ("-- ", "dim")}
INDENT = " " * 36


def render(verdict: Verdict, results: list[ProbeResult], reason: str | None = None) -> Iterator[Line]:
    """Yield the report's lines; ``reason`` says why there is nothing to report."""
    if reason:
        yield [(_word(verdict), VERDICT_STYLE[verdict]), (f"  {reason}", "")]
    for number, result in enumerate(sorted(results, key=lambda each: each.verdict is not verdict)):
        if number:
            yield []
        yield from _result(result, datetime.now(UTC))


def headline(result: ProbeResult) -> str:
    """Give a target's verdict in one sentence."""
    where = _place(result)
    if result.failures:
        first = result.failures[0]
        worst = next((each for each in result.failures if result.alarm and each.step is Step.AUTH), first)
        title = " ".join(filter(None, (TITLES[worst.step], worst.mechanism)))
        return f"{where}: {title} fails at stage {worst.judged.stage}: {worst.judged.summary}."
    if result.verdict is Verdict.WHOLE:
        return f"{result.user} logs in on {where} and may relay{_others(result)}."
    if result.verdict is Verdict.NOTHING_WRONG_FOUND:
        return f"{where} answers; only a real user can prove that logins work: maildoctor probe --user NAME."
    unjudged = [each for each in result.phases if each.judged.outcome is Outcome.NOT_JUDGED]
    return f"{where}: {unjudged[0].judged.summary if unjudged else 'no login could be tried'}."


def _result(result: ProbeResult, now: datetime) -> Iterator[Line]:
    yield [(_word(result.verdict), VERDICT_STYLE[result.verdict]), (f"  {headline(result)}", "")]
    yield []
    made_up = " (made up)" if result.made_up else ""
    yield [(_place(result), "bold"), (f"  as {result.user}{made_up}", "")]
    for phase in result.phases:
        yield from _phase(phase)
        if phase.step is Step.TLS and result.certificate:
            yield from _certificate(result.certificate, result.target.name, now)
    yield []
    yield [("Transcript", "bold")]
    yield from _transcript(result.transcript)


def _phase(phase: Phase) -> Iterator[Line]:
    title = " ".join(filter(None, (TITLES[phase.step], phase.mechanism)))
    judged = phase.judged
    line: Line = [
        (f"  {title:<22}", ""),
        (f"{judged.outcome.replace('-', ' '):<12}", OUTCOME_STYLE[judged.outcome]),
    ]
    line.append((judged.summary, "dim" if judged.outcome is Outcome.SKIPPED else ""))
    if judged.stage:
        line.append((f"  [stage {judged.stage}]", "bold"))
    yield line
    if judged.reply and judged.outcome is not Outcome.OK:
        yield [(f"{INDENT}{judged.reply.line}", "dim")]


def _certificate(certificate: Certificate, name: str | None, now: datetime) -> Iterator[Line]:
    issued = "self-signed" if certificate.self_signed else f"issued by {certificate.issuer}"
    yield [(f"{INDENT}certificate of {certificate.subject or '(no subject)'}, {issued}", "dim")]
    names = ", ".join(certificate.names) or "no name at all"
    yield [(f"{INDENT}for {names}", "dim")]
    yield [(f"{INDENT}valid {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}", "dim")]
    for fact in _complaints(certificate, name, now):
        yield [(f"{INDENT}{fact}", "yellow")]


def _complaints(certificate: Certificate, name: str | None, now: datetime) -> Iterator[str]:
    if certificate.expired(now):
        yield "it has expired: most clients refuse it"
    if certificate.not_yet_valid(now):
        yield "it is not valid yet: most clients refuse it"
    if name and not certificate.names_host(name):
        yield f"it was not made for {name}: clients that use this name refuse it"


def _transcript(lines: tuple[Said, ...]) -> Iterator[Line]:
    """Yield what was said; a long answer that the server has given before is folded into one line."""
    known: set[tuple[Said, ...]] = set()
    for who, group in groupby(lines, key=lambda line: line.who):
        said = tuple(group)
        if who is Who.SERVER and len(said) > 2 and said in known:
            yield [(f"  S: {said[0].text} ... the same {len(said)} lines as before", "dim")]
            continue
        known.add(said)
        yield from (_said(line) for line in said)


def _said(line: Said) -> Line:
    prefix, style = WHO[line.who]
    spans: Line = [(f"  {prefix}{line.text}", style)]
    if line.note:
        spans.append((f"    {line.note}", "cyan"))
    return spans


def _others(result: ProbeResult) -> str:
    steps = (Step.RELAY_WITHOUT_LOGIN, Step.RELAY_WITHOUT_LOGIN_25)
    asked = [phase.judged.outcome for phase in result.phases if phase.step in steps]
    if Outcome.NOT_JUDGED in asked or Outcome.OK not in asked:
        return "; whether others may as well could not be judged from here"
    return "; without a login nobody may"


def _place(result: ProbeResult) -> str:
    target = result.target
    host = f"{target.host} port {target.port}"
    return f"{target.service} ({host})" if target.service else host


def _word(verdict: Verdict) -> str:
    return verdict.upper().replace("-", " ")

"""``maildoctor explain-log``: what a log says about logins, and what to do."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.commands.output import report_stream
from maildoctor.host import CannotLook
from maildoctor.maillog.catalogue import Cause
from maildoctor.maillog.headline import how_often
from maildoctor.maillog.incident import Incident, Judgement, Kind, Verdict
from maildoctor.maillog.judge import judge
from maildoctor.maillog.order import Findings, Seen
from maildoctor.maillog.overlap import without_repeats
from maildoctor.maillog.places import chosen, usual
from maildoctor.maillog.scan import Progress, Reading, read
from maildoctor.maillog.sources import Source, in_order, speaks_of_postfix
from maildoctor.maillog.tally import Slots
from maildoctor.maillog.wanted import Wanted, moment_of
from maildoctor.report.ink import Colour
from maildoctor.report.sanitise import visible
from maildoctor.stage import Stage
from maildoctor.value import replace, value

if TYPE_CHECKING:
    from maildoctor.diagnosis import Diagnosis
    from maildoctor.finding import Finding

LONG_WORK = 64 * 1024 * 1024
"""Bytes from which a progress bar is shown."""


@value
class ExplainLogOptions:
    """What was asked for on the command line."""

    files: tuple[str, ...] = ()
    rotated: bool = False
    journal: bool = False
    since: str | None = None
    until: str | None = None
    service: str | None = None
    client: str | None = None
    user: str | None = None
    top: int = 5
    as_json: bool = False
    output: str | None = None
    colour: Colour = Colour.AUTO
    follow: bool = False
    ask_check: bool = True


def run(options: ExplainLogOptions) -> ExitStatus:
    """Read, judge, report, and give the exit status. Raises WrongUsage."""
    wanted = wanted_of(options)
    if options.follow:
        from maildoctor.commands.follow_log import follow

        return follow(options, wanted)
    problems: dict[str, str] = {}
    sources = in_order(chosen(options.files, options.rotated, options.journal, wanted.since, problems))
    sources, repeats = without_repeats(sources)
    reading = read(sources, wanted=wanted, progress=progress_of(sources))
    reading.problems.update(problems)
    judgement = answered(judged(reading, sources, options), reading, sources, wanted)
    _report(judgement, reading, sources, options, repeats.count)
    return exit_status(judgement, reading)


def wanted_of(options: ExplainLogOptions) -> Wanted:
    """Give the filter that the options ask for. Raises WrongUsage."""
    if options.top < 1:
        raise WrongUsage("--top: must be at least 1")
    return Wanted(
        since=_moment("--since", options.since),
        until=_moment("--until", options.until),
        service=options.service or "",
        client=options.client or "",
        user=options.user or "",
    )


def judged(reading: Reading, sources: list[Source], options: ExplainLogOptions) -> Judgement:
    """Judge, and where something is to be decided on the host that wrote the log, ask ``check``."""
    judgement = judge(reading.ledger, top=options.top)
    quiet = judgement.verdict is Verdict.NOTHING_WRONG and not judgement.incidents and reading.ledger.logins
    if quiet or not options.ask_check or reading.interrupted or not usual(sources):
        return judgement
    diagnosis = what_check_says()
    if diagnosis is None:
        return judgement
    findings = seen_by(diagnosis)
    return with_findings(judge(reading.ledger, findings, options.top), diagnosis, findings)


def answered(judgement: Judgement, reading: Reading, sources: list[Source], wanted: Wanted) -> Judgement:
    """Say so where nothing was found because nothing was there: that does not make a server sound."""
    ledger = reading.ledger
    if reading.problems and not ledger.lines:
        return replace(judgement, verdict=Verdict.UNKNOWN, headline="Nothing could be read.")
    found = judgement.incidents or ledger.logins or ledger.failed
    if judgement.verdict is not Verdict.NOTHING_WRONG or found:
        return judgement
    if not wanted.everything:
        text = "Nothing in this log matches --since, --until, --service, --client and --user as given."
    elif not any(speaks_of_postfix(source) for source in sources):
        text = "Postfix wrote none of these lines."
    else:
        return judgement
    return replace(judgement, verdict=Verdict.UNKNOWN, headline=text)


def what_check_says() -> "Diagnosis | None":
    """Give the diagnosis of this host, None where it cannot be looked at."""
    from maildoctor.diagnosis import diagnose
    from maildoctor.host import this_host

    try:
        return diagnose(this_host())
    except CannotLook:
        return None


def seen_by(diagnosis: "Diagnosis") -> Findings:
    """Give what is wrong on the host: the root causes, then what follows from them."""
    from maildoctor.commands.check import system_of
    from maildoctor.host import this_host

    system = system_of(this_host())
    return {
        each.code: Seen(
            visible(each.summary),
            visible(each.proof),
            visible("; ".join(each.remedy.commands(system))),
            each.explains,
        )
        for each in (*diagnosis.root_causes, *diagnosis.consequences)
    }


def with_findings(judgement: Judgement, diagnosis: "Diagnosis", findings: Findings) -> Judgement:
    """Add what stops logins on the host, and left no line in the log or only such as may be harmless."""
    from maildoctor.finding import Impact, Severity

    if any(_sure(each) for each in judgement.incidents):
        return judgement
    faults = [each for each in diagnosis.root_causes if each.severity is Severity.ERROR]
    shown = {each.code: each for each in judgement.incidents if each.side == "server"}
    found = tuple(
        _grave(shown[each.code]) if each.code in shown else _silent(each, findings[each.code])
        for each in faults
        if each.impact is not Impact.DANGER
    )
    if not found:
        return judgement
    codes = {each.code for each in found}
    others = (each for each in judgement.incidents if each.side != "server" or each.code not in codes)
    return replace(
        judgement, verdict=Verdict.BROKEN, headline=_seen_by_check(found[0]), incidents=(*found, *others)
    )


def _seen_by_check(incident: Incident) -> str:
    if not incident.attempts:
        return f"{incident.summary} Nothing in this log shows it; `maildoctor check` sees it."
    return f"{incident.summary} {how_often(incident)}, and `maildoctor check` sees it."


def _grave(incident: Incident) -> Incident:
    """Give what the log alone leaves open as what it is on the host that wrote it."""
    return replace(incident, kind=Kind.BROKEN, confirmed=True, uncertain=False, minor=False)


def _sure(incident: Incident) -> bool:
    """Tell whether the log itself shows what is broken on the server."""
    sure = incident.confirmed or not incident.uncertain
    return incident.kind is Kind.BROKEN and incident.side == "server" and sure


def _silent(finding: "Finding", seen: Seen) -> Incident:
    repair = seen.repair or f"maildoctor explain {finding.code}"
    return Incident(
        code=finding.code,
        side="server",
        kind=Kind.BROKEN,
        stage=finding.stage or Stage.HYGIENE,
        summary=seen.summary,
        causes=(Cause(finding.code, seen.summary, seen.proof, repair),),
        attempts=0,
        first="",
        last="",
        slots=Slots(),
        services=tuple((name, 0) for name in finding.services),
        confirmed=True,
    )


def exit_status(judgement: Judgement, reading: Reading) -> ExitStatus:
    """Give 130 after Ctrl-C, 1 for something broken, 3 where something could not be read, else 0."""
    if reading.interrupted:
        return ExitStatus.INTERRUPTED
    if judgement.verdict is Verdict.BROKEN:
        return ExitStatus.FOUND
    return ExitStatus.UNJUDGED if reading.problems else ExitStatus.FINE


def progress_of(sources: list[Source]) -> Progress | None:
    """Give what draws a progress bar on stderr, where somebody looks and the work is long."""
    total = sum(source.plain_size or 0 for source in sources)
    if total < LONG_WORK or not sys.stderr.isatty():
        return None
    return _bar(total)


def _bar(total: int) -> Callable[[int], None]:
    done, shown = 0, -1

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        percent = min(100, done * 100 // total)
        if percent != shown:
            shown = percent
            filled = "#" * (percent * 30 // 100)
            print(f"\r[{filled:<30}] {percent:3d} %", end="", file=sys.stderr, flush=True)
        if done >= total:
            print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)

    return advance


def _moment(option: str, text: str | None) -> str:
    if not text:
        return ""
    try:
        return moment_of(text, datetime.now().astimezone())
    except (ValueError, OverflowError) as error:
        raise WrongUsage(f"{option} {text}: not a time that is understood") from error


def _report(
    judgement: Judgement,
    reading: Reading,
    sources: list[Source],
    options: ExplainLogOptions,
    repeated: int,
) -> None:
    names = [source.name for source in sources]
    with report_stream(options.output) as stream:
        if options.as_json:
            from maildoctor.report import log_json

            stream.write(log_json.render(judgement, reading, names, repeated))
            return
        from maildoctor.report import ink, log_text
        from maildoctor.report.folded import folded, width_of

        ascii_only = not (stream.encoding or "").lower().startswith("utf")
        lines = log_text.render(judgement, reading, names, repeated, ascii_only=ascii_only)
        ink.write(list(folded(lines, width_of(stream))), options.colour, stream)

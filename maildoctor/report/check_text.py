"""A diagnosis for people: the verdict, each service's path, the root causes; nothing else unless asked."""

from collections.abc import Iterator

from maildoctor.check import Status
from maildoctor.diagnosis import Diagnosis, Verdict
from maildoctor.finding import Evidence, Finding, Impact, Severity
from maildoctor.login_path import LoginPath, State
from maildoctor.remedy import Option, Remedy, Safety, System
from maildoctor.report.ink import Line
from maildoctor.secret import masked

VERDICT_STYLE = {
    Verdict.HEALTHY: "bold green",
    Verdict.OFF: "bold",
    Verdict.DEGRADED: "bold yellow",
    Verdict.BROKEN: "bold red",
    Verdict.UNKNOWN: "bold yellow",
}
SEVERITY_STYLE = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
MARKS = {
    State.OK: ("✓", "green"),
    State.BROKEN: ("✗", "bold red"),
    State.NOT_REACHED: ("·", "dim"),
    State.UNKNOWN: ("?", "yellow"),
    State.OFF: ("-", "dim"),
}
SOURCE_WIDTH = 44


def render(
    diagnosis: Diagnosis, system: System, *, quiet: bool, verbose: bool, ascii_only: bool
) -> Iterator[Line]:
    """Yield the report's lines; ``ascii_only`` has words in place of the marks."""
    yield [
        (f"{diagnosis.verdict.upper()}", VERDICT_STYLE[diagnosis.verdict]),
        (f"  {headline(diagnosis)}", ""),
    ]
    if quiet:
        return
    for path in diagnosis.paths:
        yield []
        yield from _path(path, ascii_only=ascii_only)
    for number, finding in enumerate(diagnosis.root_causes, 1):
        yield []
        yield from _finding(finding, f"{number}  ", system)
    yield from _unjudged(diagnosis)
    if verbose:
        yield from _details(diagnosis, system)
    yield from _footer(diagnosis, verbose)


def headline(diagnosis: Diagnosis) -> str:
    """Give the verdict in one sentence."""
    names = [path.service.name for path in diagnosis.paths if State.OFF not in path.stages.values()]
    if diagnosis.verdict is Verdict.OFF:
        return "Nothing on this host offers SMTP AUTH, and nothing says that it should."
    if diagnosis.verdict is Verdict.UNKNOWN:
        return (
            f"Could not judge: {diagnosis.unjudged[0].reason}" if diagnosis.unjudged else "Could not judge."
        )
    if diagnosis.verdict is Verdict.HEALTHY:
        warned = ", but see the warning below" if diagnosis.root_causes else ""
        return f"Nothing stands in the way of a login on {_listed(names)}{warned}."
    first = diagnosis.root_causes[0]
    return f"{_cost(first, names)}: {first.summary.rstrip('.')}."


def _cost(finding: Finding, meant: list[str]) -> str:
    where = _listed(list(finding.services) or meant)
    return {
        Impact.INCOMING_MAIL: "Mail does not come in, and nobody can log in",
        Impact.ALL_LOGINS: f"Nobody can log in on {where}" if where else "Nobody can log in",
        Impact.SOME_LOGINS: f"Some cannot log in on {where}" if where else "Some cannot log in",
        Impact.DANGER: "Dangerous",
    }[finding.impact]


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _path(path: LoginPath, *, ascii_only: bool) -> Iterator[Line]:
    service = path.service
    place = f"chroot {service.chroot}" if service.chroot else "not chrooted"
    if State.OFF in path.stages.values():
        yield [
            (f"{service.name:<11} {service.port or '':>4}  ", "bold"),
            ("AUTH is off here, as it should be", "dim"),
        ]
        return
    by_reading = "  (by reading)" if path.by_reading else ""
    verified = f"  passwords: {', '.join(path.verifiers)}" if path.verifiers else ""
    yield [(f"{service.name:<11} {service.port or '':>4}  ", "bold"), (f"{place}{verified}{by_reading}", "")]
    line: Line = [("  ", "")]
    for stage, state in path.stages.items():
        mark, style = MARKS[state]
        line += [(f"{stage} ", ""), (str(state) if ascii_only else mark, style), ("  ", "")]
    yield line


def _finding(finding: Finding, number: str, system: System) -> Iterator[Line]:
    indent = " " * len(number)
    where = _listed(list(finding.services))
    yield [
        (number, "bold"),
        (f"{finding.code:<58}", "bold"),
        (f"  {finding.severity}", SEVERITY_STYLE[finding.severity]),
        (f"  {where}", ""),
    ]
    yield [(f"{indent}{finding.summary}", "")]
    for label, text in (("expected", finding.expected), ("found", finding.found)):
        if text is not None:
            yield from _evidence(Evidence(label, text), indent)
    for evidence in finding.evidence:
        yield from _evidence(evidence, indent)
    if finding.proof:
        yield [(f"{indent}See it: ", ""), (finding.proof, "bold")]
    yield from _remedy(finding.remedy, indent, system)


def _evidence(evidence: Evidence, indent: str) -> Iterator[Line]:
    first, *more = evidence.text.splitlines() or [""]
    yield [(f"{indent}  {evidence.source:<{SOURCE_WIDTH}}  ", "dim"), (first, "")]
    for line in more:
        yield [(f"{indent}  {'':<{SOURCE_WIDTH}}  ", ""), (line, "")]


def _remedy(remedy: Remedy, indent: str, system: System) -> Iterator[Line]:
    if remedy.safety is Safety.CHOICE and len(remedy.options) > 1:
        yield [(f"{indent}Repair, one of these:", "")]
        for option in remedy.options:
            yield [(f"{indent}  {option.name}: ", "bold"), (masked(option.meaning), "")]
            yield from _commands(option, f"{indent}    ", system)
    elif remedy.options:
        meaning = masked(remedy.options[0].meaning)
        yield [(f"{indent}Repair:{' ' + meaning if meaning else ''}", "")]
        yield from _commands(remedy.options[0], f"{indent}  ", system)
    if remedy.notes:
        label = "Note" if remedy.options else "Repair"
        yield [(f"{indent}{label}: {masked(remedy.notes)}", "")]


def _commands(option: Option, indent: str, system: System) -> Iterator[Line]:
    for command in option.commands(system):
        yield [(f"{indent}{masked(command)}", "bold")]


def _unjudged(diagnosis: Diagnosis) -> Iterator[Line]:
    if diagnosis.unjudged:
        yield []
        yield [("Could not be looked at:", "yellow")]
        for each in diagnosis.unjudged:
            more = f" and {len(each.codes) - 3} more" if len(each.codes) > 3 else ""
            yield [(f"  {each.reason}", ""), (f"  {', '.join(each.codes[:3])}{more}", "dim")]


def _details(diagnosis: Diagnosis, system: System) -> Iterator[Line]:
    for title, findings in (
        ("These follow from the causes above:", diagnosis.consequences),
        ("Worth knowing:", diagnosis.information),
    ):
        if findings:
            yield []
            yield [(title, "bold")]
            for finding in findings:
                yield from _finding(finding, "  ", system)
    skipped = [each for each in diagnosis.results if each.status in (Status.SKIPPED, Status.CRASHED)]
    if skipped:
        yield []
        yield [("Not asked:", "bold")]
    for result in skipped:
        yield [(f"  {result.check.code}: {result.status}: {result.reason}", "dim")]


def _footer(diagnosis: Diagnosis, verbose: bool) -> Iterator[Line]:
    lines = []
    if diagnosis.root_causes:
        first = diagnosis.root_causes[0]
        mends = "" if first.remedy.safety is Safety.MANUAL else "`maildoctor check --fix` mends this; "
        lines.append(f"{mends}`maildoctor explain {first.code}` says more.")
    if diagnosis.information and not verbose:
        count = len(diagnosis.information)
        lines.append(f"{count} thing{'s' if count > 1 else ''} worth knowing: `maildoctor check -v`.")
    if lines:
        yield []
    for line in lines:
        yield [(line, "dim")]

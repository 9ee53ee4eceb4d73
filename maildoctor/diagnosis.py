"""Runs the checks on a host, lays their findings along the path, and ranks the root causes.

The root cause is the finding that no other finding explains. Stage order is the protocol's order, not
causality: a bad smtpd.conf kills smtpd at its start, so the path breaks earlier than at its cause.
"""

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maildoctor.check import Check, Result, Status, all_checks, run
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import CannotLook, Host
from maildoctor.login_path import LoginPath, State, lay, unanswered
from maildoctor.postfix.configuration import login_services, meant_for_logins
from maildoctor.postfix.service import Service
from maildoctor.sasl.method import method

if TYPE_CHECKING:
    from maildoctor.maillog.evidence import LogWitness


class Verdict(enum.StrEnum):
    """The answer in one word."""

    HEALTHY = "healthy"
    OFF = "off"
    """Nothing offers AUTH and nothing says that it should."""
    DEGRADED = "degraded"
    """Some services or users cannot log in, or something is dangerous."""
    BROKEN = "broken"
    """Nobody can log in, or incoming mail stops."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Why some checks (``codes``; none: no check at all) could not look."""

    reason: str
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What came of all checks on one host."""

    verdict: Verdict
    paths: tuple[LoginPath, ...]
    root_causes: tuple[Finding, ...]
    """Errors and warnings that nothing else explains, the most important first."""
    consequences: tuple[Finding, ...]
    """Errors and warnings that a root cause explains."""
    information: tuple[Finding, ...]
    results: tuple[Result, ...]
    unjudged: tuple[Unjudged, ...] = ()
    """What keeps the verdict from being healthy although nothing was found."""


class UnknownName(ValueError):
    """A check or service was asked for by a name that does not exist."""


def diagnose(
    host: Host, *, only: Collection[str] = (), skip: Collection[str] = (), service: str | None = None
) -> Diagnosis:
    """Ask all checks (or ``only`` those codes, without those in ``skip``) about ``host``.

    ``service`` limits the answer to one service by its name or port. Raises UnknownName.
    """
    checks = _selected(only, skip)
    try:
        services = _named(login_services(host), service)
        meant = [each for each in services if meant_for_logins(host, each)]
    except CannotLook as error:
        return _could_not_judge(checks, str(error))
    results = tuple(
        result for check in checks for result in run(check, host, services if check.everywhere else meant)
    )
    found = merged(finding for result in results for finding in result.findings)
    found = _with_log_evidence(host, found)
    causes, consequences = separate([each for each in found if each.severity > Severity.INFO])
    paths = tuple(lay(each, each in meant, results, host.live, _verifiers(host, each)) for each in services)
    unjudged = _unjudged(paths, results)
    return Diagnosis(
        _verdict(causes, [each.name for each in meant], unjudged),
        paths,
        tuple(sorted(causes, key=_rank)),
        tuple(sorted(consequences, key=_rank)),
        tuple(each for each in found if each.severity is Severity.INFO),
        results,
        unjudged,
    )


def _verifiers(host: Host, service: Service) -> tuple[str, ...]:
    try:
        return tuple(each.value for each in method(host, service).verifiers)
    except CannotLook:
        return ()


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Make one finding of those that are equal in all but their services, in the order of the first.

    One line of main.cf may stop incoming mail on one port and mere logins on another: the worst counts.
    """
    alike: dict[Finding, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, services=(), impact=Impact.ALL_LOGINS), []).append(finding)
    return [_merged(group) for group in alike.values()]


def _merged(group: list[Finding]) -> Finding:
    names = tuple(dict.fromkeys(name for finding in group for name in finding.services))
    return replace(group[0], services=names, impact=min(finding.impact for finding in group))


def separate(findings: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Divide findings into root causes and consequences.

    A consequence is explained by another finding that concerns the same service and is not, in a circle,
    explained by it in turn.
    """
    explained = {
        index
        for index, finding in enumerate(findings)
        for other in findings
        if other is not finding and _explains(other, finding) and not _explains(finding, other)
    }
    causes = [finding for index, finding in enumerate(findings) if index not in explained]
    return causes, [finding for index, finding in enumerate(findings) if index in explained]


def _explains(cause: Finding, consequence: Finding) -> bool:
    if consequence.code not in cause.explains or cause.severity < consequence.severity:
        return False
    if not cause.services:
        return True
    return bool(consequence.services) and set(consequence.services) <= set(cause.services)


def _rank(finding: Finding) -> tuple[int, int, int, str]:
    stage = finding.stage or Stage.HYGIENE
    return (-finding.severity, finding.impact, stage.order, finding.code)


def _verdict(causes: list[Finding], meant: list[str], unjudged: Collection[Unjudged]) -> Verdict:
    errors = [finding for finding in causes if finding.severity is Severity.ERROR]
    if any(finding.impact is Impact.INCOMING_MAIL for finding in errors):
        return Verdict.BROKEN
    stopping = [finding for finding in errors if finding.impact is Impact.ALL_LOGINS]
    stopped = {name for finding in stopping for name in finding.services or meant}
    if stopping and stopped >= set(meant):
        return Verdict.BROKEN
    if errors:
        return Verdict.DEGRADED
    if unjudged:
        return Verdict.UNKNOWN
    # A warning may concern a service for logins that master still runs though master.cf has lost it.
    return Verdict.HEALTHY if meant or any(cause.services for cause in causes) else Verdict.OFF


def _unjudged(paths: Iterable[LoginPath], results: Iterable[Result]) -> tuple[Unjudged, ...]:
    open_stages = {stage for path in paths for stage, state in path.stages.items() if state is State.UNKNOWN}
    codes: dict[str, list[str]] = {}
    for result in results:
        if unanswered(result) and (result.check.vital or result.check.stage in open_stages):
            codes.setdefault(f"{result.reason}", []).append(result.check.code)
    return tuple(Unjudged(reason, tuple(dict.fromkeys(names))) for reason, names in codes.items())


def _with_log_evidence(host: Host, findings: list[Finding]) -> list[Finding]:
    """Lay what the log says under the findings that it confirms."""
    if not any(finding.severity is Severity.ERROR for finding in findings):
        return findings
    from maildoctor.maillog.evidence import recent_evidence

    try:
        witnesses = {witness.code: witness for witness in recent_evidence(host)}
    except CannotLook:
        return findings
    return [
        replace(finding, evidence=(*finding.evidence, _as_evidence(witness)))
        if (witness := witnesses.get(finding.code))
        else finding
        for finding in findings
    ]


def _as_evidence(witness: "LogWitness") -> Evidence:
    since = f"{'at least ' if witness.truncated else ''}{witness.count:,} times since {witness.first}"
    return Evidence("mail log", f"{since}, last {witness.last}\n{witness.sample}")


def _selected(only: Collection[str], skip: Collection[str]) -> list[Check]:
    checks = all_checks()
    unknown = (set(only) | set(skip)) - {check.code for check in checks}
    if unknown:
        raise UnknownName(f"no check is named {sorted(unknown)[0]!r}; `maildoctor checks` lists them")
    return [check for check in checks if (not only or check.code in only) and check.code not in skip]


def _named(services: list[Service], wanted: str | None) -> list[Service]:
    if wanted is None:
        return services
    chosen = [each for each in services if wanted in (each.name, str(each.port), each.entry)]
    if not chosen:
        names = ", ".join(each.name for each in services) or "none"
        raise UnknownName(f"master.cf has no login service {wanted!r}; it has: {names}")
    return chosen


def _could_not_judge(checks: list[Check], reason: str) -> Diagnosis:
    results = tuple(Result(check, None, Status.SKIPPED, reason) for check in checks)
    return Diagnosis(Verdict.UNKNOWN, (), (), (), (), results, (Unjudged(reason),))

"""What a log says, for people: the verdict, then incident by incident, then what was not understood."""

from collections.abc import Iterator

from maildoctor.maillog.catalogue import Cause
from maildoctor.maillog.incident import Incident, Judgement, Kind, Names, Verdict, sample
from maildoctor.maillog.scan import Reading
from maildoctor.report.ink import Line
from maildoctor.report.picture import picture

VERDICT_STYLE = {
    Verdict.BROKEN: "bold red",
    Verdict.MISTYPED: "bold yellow",
    Verdict.GUESSING: "bold yellow",
    Verdict.NOTHING_WRONG: "bold green",
    Verdict.UNKNOWN: "bold yellow",
}
KIND_STYLE = {Kind.BROKEN: "red", Kind.MISTYPED: "yellow", Kind.GUESSING: "yellow", Kind.POLICY: "cyan"}
TOLD = 4
TOLD_LATER = 2
"""How many likely causes are told in full, of the first incident and of the others."""
LABEL = 12


def render(
    judgement: Judgement, reading: Reading, sources: list[str], repeated: int = 0, *, ascii_only: bool
) -> Iterator[Line]:
    """Yield the report's lines; ``repeated`` lines stood in several sources and were read once."""
    word = judgement.verdict.upper().replace("-", " ")
    yield [(word, VERDICT_STYLE[judgement.verdict]), (f"  {judgement.headline}", "")]
    yield []
    yield from _read(judgement, reading, sources, repeated)
    for number, incident in enumerate(judgement.incidents, 1):
        yield []
        yield from _incident(number, incident, ascii_only)
    yield from _unknown(reading)


def _read(judgement: Judgement, reading: Reading, sources: list[str], repeated: int) -> Iterator[Line]:
    ledger = reading.ledger
    twice = f" ({repeated:,} more stood in several of these, and count once)" if repeated else ""
    names = ", ".join(sources[:4]) + (f" and {len(sources) - 4} more" if len(sources) > 4 else "")
    yield [("Read ", "dim"), (names or "nothing", ""), (f": {ledger.lines:,} lines{twice}", "")]
    if judgement.first:
        yield [(f"     {_clock(judgement.first)} to {_clock(judgement.last)}", "")]
    probes = f", {ledger.probes:,} of them probes of maildoctor's own" if ledger.probes else ""
    failed = ledger.failed or ledger.verifier_failed
    yield [(f"     {failed:,} attempts failed{probes}; {ledger.logins:,} logins succeeded and sent mail", "")]
    for name, why in sorted(reading.problems.items()):
        yield [("     not read: ", "yellow"), (why if name in why else f"{name}: {why}", "")]
    if reading.interrupted:
        yield [("     interrupted: this is what was found so far", "yellow")]


def _incident(number: int, incident: Incident, ascii_only: bool) -> Iterator[Line]:
    side = "our own login elsewhere  " if incident.side == "client" else ""
    title = f"{number}  {incident.code}"
    yield [(f"{title:<48}", "bold"), (f"{side}{incident.kind}  {incident.stage}", KIND_STYLE[incident.kind])]
    yield [(f"   {incident.summary}", "")]
    if incident.confirmed:
        yield [("   `maildoctor check` sees this cause on this host now.", "bold")]
    yield [(f"   {_how_often(incident)}", "")]
    if drawn := picture(incident.slots, ascii_only=ascii_only):
        yield [(f"   {drawn}", "cyan")]
    yield from _who(incident)
    for line in incident.samples[:2]:
        yield [(f"     {line}", "dim")]
    yield from _causes(incident, TOLD if number == 1 else TOLD_LATER)


def _how_often(incident: Incident) -> str:
    times = f"{incident.attempts:,} time{'s' if incident.attempts != 1 else ''}"
    if incident.first:
        times += f", first {_clock(incident.first)}, last {_clock(incident.last)}"
    if incident.kind is Kind.BROKEN and incident.logins_since is not None:
        times += (
            "; logins have succeeded since" if incident.logins_since else "; no login has succeeded since"
        )
    return times


def _who(incident: Incident) -> Iterator[Line]:
    rows: tuple[tuple[str, Names, int], ...] = (
        ("services", incident.services, 0),
        ("clients", incident.clients, incident.addresses),
        ("users", incident.users, incident.names),
        ("mechanisms", incident.mechanisms, 0),
    )
    for label, names, distinct in rows:
        if names:
            more = f"  (about {distinct:,} different)" if distinct > len(names) else ""
            listed = ", ".join(f"{name} {count:,}" for name, count in names)
            yield [(f"   {label:<{LABEL}}", "dim"), (listed + more, "")]
    if incident.error:
        yield [
            (f"   {'':<{LABEL}}", ""),
            (f"(each of these counts may be up to {incident.error:,} more)", "dim"),
        ]


def _causes(incident: Incident, told: int) -> Iterator[Line]:
    if not incident.causes:
        return
    likely = "The cause:" if len(incident.causes) == 1 else "Likely causes, the likeliest first:"
    yield [(f"   {likely}", "")]
    for cause in incident.causes[:told]:
        yield from _cause(cause)
    if rest := incident.causes[told:]:
        yield [("     less likely: ", "dim"), (", ".join(cause.code for cause in rest), "")]


def _cause(cause: Cause) -> Iterator[Line]:
    yield [("     - ", ""), (cause.code, "bold"), (f": {cause.summary}", "")]
    yield [("       told by  ", "dim"), (cause.told_apart_by, "")]
    yield [("       repair   ", "dim"), (cause.remedy, "")]


def _unknown(reading: Reading) -> Iterator[Line]:
    unknown = reading.ledger.most_unknown()
    if not unknown:
        return
    total = sum(count for _, (count, _) in unknown)
    yield []
    yield [(f"{total:,} lines about authentication that maildoctor does not know, one of each kind:", "")]
    for _, (count, line) in unknown[:10]:
        yield [(f"   {count:>6,}  ", "dim"), (sample(line), "")]


def _clock(iso: str) -> str:
    return iso[:19].replace("T", " ") + iso[19:]

"""What a log says, for people: the verdict, then incident by incident, then what was not understood."""

from collections.abc import Iterator

from maildoctor.maillog.catalogue import Cause
from maildoctor.maillog.headline import how_often, state
from maildoctor.maillog.incident import Incident, Judgement, Kind, Names, Verdict, sample
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.scan import Reading
from maildoctor.pattern import pattern
from maildoctor.report.ink import Line
from maildoctor.report.picture import picture

DIGITS = pattern(r"[0-9]+")
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
NAMED = 6
"""How many of the less likely ones are named."""
LABEL = 12


def render(
    judgement: Judgement, reading: Reading, sources: list[str], repeated: int = 0, *, ascii_only: bool
) -> Iterator[Line]:
    """Yield the report's lines; ``repeated`` lines stood in several sources and were read once."""
    word, style = judgement.verdict.upper().replace("-", " "), VERDICT_STYLE[judgement.verdict]
    if judgement.verdict is Verdict.BROKEN and judgement.incidents[0].logins_since:
        word, style = f"{word}, BUT OVER", "bold yellow"
    if any(each.side == "client" and each.kind is Kind.BROKEN for each in judgement.incidents):
        word, style = f"{word}, CLIENT BROKEN", "bold red"
    yield [(word, style), (f"  {judgement.headline}", "")]
    yield []
    yield from _read(judgement, reading, sources, repeated)
    for number, incident in enumerate(judgement.incidents, 1):
        yield []
        yield from _incident(number, incident, reading.ledger, ascii_only)
    if judgement.incidents:
        yield from ([], [("`maildoctor explain CODE` says more of a cause.", "dim")])
    yield from _unknown(reading)


def _read(judgement: Judgement, reading: Reading, sources: list[str], repeated: int) -> Iterator[Line]:
    ledger = reading.ledger
    twice = f" ({repeated:,} more stood in several of these, and count once)" if repeated else ""
    names = ", ".join(sources[:4]) + (f" and {len(sources) - 4} more" if len(sources) > 4 else "")
    yield [
        ("Read ", "dim"),
        (names or "nothing", ""),
        (f": {ledger.lines:,} line{'s' if ledger.lines != 1 else ''}{twice}", ""),
    ]
    if judgement.first:
        yield [(f"     {_clock(judgement.first)} to {_clock(judgement.last)}", "")]
    tries = "attempt" if (ledger.failed or ledger.verifier_failed) == 1 else "attempts"
    probes = f", {ledger.probes:,} of them probes of maildoctor's own" if ledger.probes else ""
    failed = ledger.failed or ledger.verifier_failed
    logins = "login" if ledger.logins == 1 else "logins"
    yield [(f"     {failed:,} {tries} failed{probes}; {ledger.logins:,} {logins} sent mail", "")]
    for name, why in sorted(reading.problems.items()):
        yield [("     not read: ", "yellow"), (why if name in why else f"{name}: {why}", "")]
    if reading.interrupted:
        yield [("     interrupted: this is what was found so far", "yellow")]


def _incident(number: int, incident: Incident, ledger: Ledger, ascii_only: bool) -> Iterator[Line]:
    side = "client side  " if incident.side == "client" else ""
    title = f"{number}  {incident.code}"
    yield [(f"{title:<46}", "bold"), (f"{side}{incident.kind}  {incident.stage}", KIND_STYLE[incident.kind])]
    yield [(f"   {incident.summary}", "")]
    if incident.confirmed:
        yield [("   `maildoctor check` sees this cause on this host now.", "bold")]
    # The headline has said it of the first one.
    over = f". {state(incident, ledger)}" if incident.kind is Kind.BROKEN and number > 1 else ""
    if incident.attempts:
        yield [(f"   {how_often(incident)}{over}", "")]
    if drawn := picture(incident.slots, ascii_only=ascii_only):
        yield [(f"   {drawn}", "cyan")]
    yield from _who(incident)
    for line in _different(incident.samples):
        yield [(f"     {line}", "dim")]
    yield from _causes(incident, TOLD if number == 1 else TOLD_LATER)


def _different(samples: tuple[str, ...]) -> list[str]:
    """Leave out a second sample that says the same."""
    said: dict[str, str] = {}
    for line in samples:
        said.setdefault(DIGITS.sub("", line.partition("]: ")[2])[:60], line)
    return list(said.values())[:2]


def _who(incident: Incident) -> Iterator[Line]:
    rows: tuple[tuple[str, Names, int], ...] = (
        ("services", incident.services, 0),
        ("clients", incident.clients, incident.addresses),
        ("users", incident.users, incident.names),
        ("mechanisms", incident.mechanisms, 0),
    )
    for label, names, distinct in rows:
        listed = ", ".join(f"{name} {count:,}" for name, count in names)
        if distinct > len(names):
            listed += (
                f"  (about {distinct:,} different)" if names else f"about {distinct:,}, none of them often"
            )
        if listed:
            yield [(f"   {label:<{LABEL}}", "dim"), (listed, "")]
    if incident.error and (incident.clients or incident.users):
        yield [
            (f"   {'':<{LABEL}}", ""),
            (f"(each of these counts may be up to {incident.error:,} more)", "dim"),
        ]


def _causes(incident: Incident, fully: int) -> Iterator[Line]:
    if not incident.causes:
        return
    likely = "The cause:" if len(incident.causes) == 1 else "Likely causes, the likeliest first:"
    yield [(f"   {likely}", "")]
    for cause in incident.causes[:fully]:
        yield from told(cause)
    if rest := incident.causes[fully:]:
        more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
        listed = ", ".join(cause.code for cause in rest[:NAMED])
        yield [("     less likely: ", "dim"), (listed + more, "")]


def told(cause: Cause) -> Iterator[Line]:
    """Yield what a cause means, what tells it from others, and what mends it."""
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

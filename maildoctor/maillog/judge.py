"""From tallies to a verdict and a few incidents, the most important first."""

from maildoctor.maillog import crowd
from maildoctor.maillog.all_refused import a_handful_refused
from maildoctor.maillog.apart import kept_apart
from maildoctor.maillog.auth_rate_limit import counted_once
from maildoctor.maillog.catalogue import Message, catalogue
from maildoctor.maillog.headline import headline, logins_since
from maildoctor.maillog.incident import Incident, Judgement, Kind, Verdict, of_tally
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.order import Case, Findings, Said, causes_of, confirmed
from maildoctor.maillog.reader import AFTER_A_FAILURE
from maildoctor.maillog.shared_secrets import unserved
from maildoctor.maillog.stamps import earlier
from maildoctor.maillog.testimony import (
    stops_logins,
    verifiers_word,
    with_the_faults_of_verifiers,
    with_the_verifiers_word,
    without_what_was_passed,
)
from maildoctor.stage import Stage
from maildoctor.value import replace

FEW_LINES = 5000
MANY_FAILURES = 20
OTHER_REASON = Message(
    id="reason-other",
    programs=("reason",),
    texts=(),
    stage=Stage.VERIFYING,
    role="refused",
    meaning="The login was refused, for a reason of its own.",
    causes={"": ("wrong-password", "password-guessing", "verifier-backend-misconfigured")},
)


def judge(ledger: Ledger, findings: Findings | None = None, top: int = 5) -> Judgement:
    """Judge what was gathered. ``findings`` are those of ``check`` on the host that wrote the log."""
    ledger.settle()
    case = Case(ledger, catalogue(), findings or {}, top)
    messages = case.known.messages
    said = [
        (messages.get(name, OTHER_REASON), detail, each) for (name, detail), each in ledger.tallies.items()
    ]
    said = with_the_faults_of_verifiers(counted_once(said), ledger)
    incidents = _faults(said, case) + _refused(said, case)
    incidents += _client_mistakes(said, case) + _policies(said, case)
    if not incidents and not ledger.logins:
        incidents = _whispers(said, case)
    ranked = tuple(sorted(_merged(incidents), key=_rank))
    verdict = _verdict(ranked, ledger)
    said_first = headline(verdict, ranked, ledger)
    return Judgement(verdict, said_first, ranked, ledger.span.first, ledger.span.last)


def _faults(said: list[Said], case: Case) -> list[Incident]:
    """Give an incident for each fault that nothing else in the log explains."""
    faults = [each for each in said if each[0].role in ("cause", "consequence")]
    faults = [each for each in faults if not _from_strangers(each, case.ledger)]
    explained = {name for message, _, _ in faults for name in message.explains}
    sides = {message.side for message, _, _ in faults if message.role == "cause" and not message.minor}
    refused = any(message.role == "refused" for message, _, _ in said)
    if refused:
        explained.add("password-verification-failed")
    found = []
    for message, detail, tally in faults:
        if message.role == "consequence" and (message.id in explained or message.side in sides):
            continue
        incident = _incident(Kind.BROKEN, (message, detail, tally), case)
        stops = not refused and stops_logins((message, detail, tally), case.ledger)
        stops = stops or _stops_mail((message, detail, tally), faults, case.ledger)
        if message.minor and case.ledger.logins and not stops:
            incident = replace(incident, kind=Kind.POLICY)
        explains = any(other.id in message.explains for other, _, _ in faults)
        minor = (message.minor and not explains and not stops) or message.id in explained
        found.append(replace(incident, minor=minor))
    return found


def _stops_mail(fault: Said, faults: list[Said], ledger: Ledger) -> bool:
    """Tell whether what may be harmless turned clients away, and nobody has sent mail since."""
    message, _, tally = fault
    followed = any(other.role == "consequence" and other.id in message.explains for other, _, _ in faults)
    nobody_since = earlier(ledger.login_tally.span.last, tally.span.first)
    return message.minor and followed and bool(ledger.logins) and nobody_since


def _incident(kind: Kind, said: Said, case: Case) -> Incident:
    message, detail, tally = said
    causes = causes_of(message, detail, tally, case)
    incident = of_tally(
        tally,
        case.top,
        code=causes[0].code if causes else message.id,
        side=message.side,
        kind=kind,
        stage=message.stage or Stage.HYGIENE,
        summary=_summary(message, detail),
        causes=causes,
    )
    return replace(
        incident,
        logins_since=logins_since(incident, case.ledger),
        confirmed=confirmed([each.code for each in causes], case.findings),
        uncertain=incident.code == "every-login-fails",
    )


def _summary(message: Message, detail: str) -> str:
    if not detail or message.role == "refused":
        return message.meaning
    end = f": {detail.rstrip('.')}." if "(" in detail else f" ({detail})."
    return message.meaning.rstrip(".") + end


def _from_strangers(said: Said, ledger: Ledger) -> bool:
    """Tell whether only strangers met with it while others log in."""
    message, _, tally = said
    if not message.stranger or not ledger.logins:
        return False
    clients = {name.rpartition(b"[")[2].rstrip(b"]") for name in tally.clients.counts}
    return not any(profile.logins for name in clients if (profile := ledger.visitors.profiles.get(name)))


def _refused(said: list[Said], case: Case) -> list[Incident]:
    refusals = _refusals(said)
    only = (
        unserved(refusals, case) or verifiers_word(said, refusals, case) or a_handful_refused(refusals, case)
    )
    found = [only] if only else kept_apart(crowd.incidents(refusals, case), case.ledger)
    passed = [without_what_was_passed(each, said, case) for each in found]
    return [with_the_verifiers_word(each, said, case) for each in passed]


def _refusals(said: list[Said]) -> list[Said]:
    """Give what smtpd wrote of refusals, or, without any, what the verifiers wrote."""
    refused = [each for each in said if each[0].role == "refused"]
    smtpd = [each for each in refused if each[0].programs[0] in ("smtpd", "reason")]
    return smtpd or refused


def _client_mistakes(said: list[Said], case: Case) -> list[Incident]:
    found = []
    for each in said:
        message, _, tally = each
        if message.role == "client" or (message.stranger and _from_strangers(each, case.ledger)):
            strangers = message.programs[0] != "reply" and crowd.mostly_strangers(tally, case.ledger)
            kind = Kind.GUESSING if strangers else Kind.MISTYPED
            incident = _incident(kind, each, case)
            guessing = case.known.causes["password-guessing"]
            others = tuple(cause for cause in incident.causes if cause is not guessing)
            if strangers and not incident.confirmed:
                incident = replace(incident, code=guessing.code, causes=(guessing, *others))
            elif others:
                incident = replace(incident, code=others[0].code, causes=others)
            found.append(incident)
    return found


def _policies(said: list[Said], case: Case) -> list[Incident]:
    found = []
    for each in said:
        message, detail, tally = each
        many = tally.count >= MANY_FAILURES or case.ledger.lines < FEW_LINES
        if message.role == "policy" or (message.id in ("smtp-port-25", "process-limit") and many):
            broken = _is_our_relayhost(message, case)
            incident = _incident(Kind.BROKEN if broken else Kind.POLICY, each, case)
            if detail == AFTER_A_FAILURE:
                after = case.known.causes["relay-after-failed-login"]
                others = tuple(cause for cause in incident.causes if cause is not after)
                incident = replace(incident, code=after.code, causes=(after, *others), minor=True)
            found.append(incident)
    return found


def _is_our_relayhost(message: Message, case: Case) -> bool:
    """Tell whether one server at port 25 turns us away, and nobody logs in here: we are a satellite."""
    hosts = [detail for name, detail in case.ledger.tallies if name == message.id]
    return message.id.startswith("smtp-mx-") and len(hosts) == 1 and not case.ledger.logins


def _whispers(said: list[Said], case: Case) -> list[Incident]:
    """Give what is harmless on a healthy host, where the log has nothing else."""
    noises = [each for each in said if each[0].role == "noise" and each[0].causes]
    return [replace(_incident(Kind.POLICY, each, case), uncertain=True, minor=True) for each in noises]


def _merged(incidents: list[Incident]) -> list[Incident]:
    """Make one of incidents that have the same code, kind and causes."""
    kept: dict[tuple[str, str, str], Incident] = {}
    for incident in incidents:
        key = (incident.code, incident.side, incident.kind)
        kept[key] = _both(kept[key], incident) if key in kept else incident
    return list(kept.values())


def _both(one: Incident, other: Incident) -> Incident:
    """Join two incidents; the larger one speaks for both."""
    big, small = (one, other) if one.attempts >= other.attempts else (other, one)
    codes = {cause.code for cause in big.causes}
    firsts = sorted(filter(None, (one.first, other.first)), key=lambda text: text[:19])
    lasts = sorted(filter(None, (one.last, other.last)), key=lambda text: text[:19])
    return replace(
        big,
        # Of a delivery that fails, Postfix's client says why in one line, and that it is deferred in another.
        attempts=one.attempts + other.attempts if big.side == "server" else big.attempts,
        causes=(*big.causes, *(cause for cause in small.causes if cause.code not in codes)),
        first=firsts[0] if firsts else "",
        last=lasts[-1] if lasts else "",
        services=_sum(one.services, other.services),
        clients=_sum(one.clients, other.clients),
        users=_sum(one.users, other.users),
        mechanisms=_sum(one.mechanisms, other.mechanisms),
        samples=tuple(dict.fromkeys((*big.samples, *small.samples)))[:3],
        addresses=max(one.addresses, other.addresses),
        names=max(one.names, other.names),
        minor=one.minor and other.minor,
        logins_since=big.logins_since if big.last >= small.last else small.logins_since,
    )


def _sum(one: tuple[tuple[str, int], ...], other: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for name, count in (*one, *other):
        counts[name] = counts.get(name, 0) + count
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: max(len(one), len(other))])


def _rank(incident: Incident) -> tuple[object, ...]:
    """Order: what is broken before what is not, the server's own faults before its client's."""
    return (
        incident.kind is not Kind.BROKEN,
        incident.minor,
        incident.uncertain and incident.kind is Kind.BROKEN,
        not incident.confirmed,
        incident.side == "client",
        -incident.attempts,
        incident.kind is not Kind.POLICY,
        incident.code,
    )


def _verdict(incidents: tuple[Incident, ...], ledger: Ledger) -> Verdict:
    """Judge the server: what its own client meets with at other servers stands beside that."""
    ours = [each for each in incidents if each.side == "client" and each.kind is Kind.BROKEN]
    incidents = tuple(each for each in incidents if each not in ours)
    faults = [each for each in incidents if each.kind is Kind.BROKEN]
    if any(not each.uncertain or each.confirmed for each in faults):
        return Verdict.BROKEN
    if faults:
        return Verdict.UNKNOWN
    sizes = {kind: sum(each.attempts for each in incidents if each.kind is kind) for kind in Kind}
    if sizes[Kind.GUESSING] or sizes[Kind.MISTYPED]:
        return Verdict.GUESSING if sizes[Kind.GUESSING] >= sizes[Kind.MISTYPED] else Verdict.MISTYPED
    if not ledger.logins and not incidents and (ours or not ledger.span.first):
        return Verdict.UNKNOWN
    if not ledger.logins and all(each.uncertain for each in incidents) and (incidents or ledger.unknown):
        return Verdict.UNKNOWN
    return Verdict.NOTHING_WRONG

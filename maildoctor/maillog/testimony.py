"""What a verifier said of the very attempts that smtpd writes as refused: one attempt, one cause."""

from collections.abc import Collection
from datetime import timedelta

from maildoctor.maillog.catalogue import Message
from maildoctor.maillog.causes import SILENT
from maildoctor.maillog.incident import Incident, Kind, of_tally, sample, shown
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.order import Case, Said, causes_of, whole_of
from maildoctor.maillog.people import FEW, SEVERAL
from maildoctor.maillog.stamps import earlier, moment
from maildoctor.maillog.tally import Attempt, Tally
from maildoctor.stage import Stage
from maildoctor.value import replace

_VERIFIERS = ("saslauthd", "saslauthd reason", "pam", "dovecot")
_GENERAL = ("wrong-password", "password-guessing", "every-login-fails")
"""What smtpd's own lines say as well."""
JUST = timedelta(seconds=30)
"""So long before the end of an attempt its verifier may have spoken."""
_RULES = ("user-not-permitted", "pam-service-refuses")


def with_the_faults_of_verifiers(said: list[Said], ledger: Ledger) -> list[Said]:
    """Give what was said, with refusals under the fault that their verifier named, if it named one.

    A verifier whose back end is down says so, and smtpd writes the line of a wrong password.
    """
    faults = [
        each
        for each in said
        if each[0].role == "cause" and each[0].programs[0] in _VERIFIERS and stops_logins(each, ledger)
    ]
    if not faults:
        return said
    explained = {name for message, _, _ in faults for name in message.explains}
    fault = max(faults, key=lambda each: (each[0].id not in explained, each[2].count))
    ended = [each for each in said if _ended_by(fault[0], each[0])]
    whole = whole_of(ended)
    if not whole.count or fault[2].count * 2 < whole.count:
        return said
    joined = (fault[0], fault[1], _joined(fault[2], whole))
    others = [each for each in said if each not in ended and (each is fault or not _echoes(fault, each))]
    return [joined if each is fault else each for each in others]


def stops_logins(fault: Said, ledger: Ledger) -> bool:
    """Tell whether a fault stops logins: a minor one of a verifier does where nobody gets in any more."""
    message, _, tally = fault
    if not message.minor:
        return True
    if message.programs[0] not in _VERIFIERS or message.stage is Stage.REACHABLE:
        # A verifier that has much to do serves others meanwhile.
        return False
    return not ledger.logins or earlier(ledger.login_tally.span.last, tally.span.first)


def _ended_by(fault: Message, other: Message) -> bool:
    """Tell whether a fault of the verifier makes smtpd write ``other`` at the end of an attempt."""
    if other.programs[0] not in ("smtpd", "reason"):
        return False
    return other.role == "refused" or (other.programs[0] == "reason" and other.id in fault.explains)


def _echoes(fault: Said, other: Said) -> bool:
    """Tell whether a verifier says once more, of the same attempts, what a fault brought about."""
    message = other[0]
    if message.programs[0] not in _VERIFIERS:
        return False
    return message.role == "refused" or message.id in fault[0].explains or message is fault[0]


def verifiers_word(said: list[Said], refused: list[Said], case: Case) -> Incident | None:
    """Give the incident of a few refusals of which the verifier knows more than that they were refused."""
    heard = [each for each in said if each[0].role == "refused" and each[0].programs[0] in _VERIFIERS]
    ours = [each for each in refused if each not in heard]
    if not heard or not ours or case.ledger.logins:
        return None
    whole = whole_of(ours)
    if whole.count > FEW or whole.addresses.about() > SEVERAL:
        return None
    message, detail, tally = max(heard, key=lambda each: each[2].count)
    causes = causes_of(message, detail, tally, case)
    if not causes or causes[0].code in _GENERAL:
        return None
    silent = causes[0].code in SILENT
    seen = causes[0].code in case.findings
    incident = of_tally(
        _joined(tally, whole),
        case.top,
        code=causes[0].code,
        side="server",
        kind=Kind.BROKEN if silent or seen else Kind.MISTYPED,
        stage=message.stage or Stage.VERIFYING,
        summary=message.meaning,
        causes=causes,
    )
    kind = incident.kind if silent or seen else _kind_of(incident.code, incident, case)
    return replace(incident, kind=kind, uncertain=silent, confirmed=seen)


def with_the_verifiers_word(incident: Incident, said: list[Said], case: Case) -> Incident:
    """Give the incident of users who are refused while others log in, with what the verifier knows of them.

    That an account has expired, or that a rule excludes it, is written where smtpd's own lines are not.
    """
    if incident.kind is not Kind.MISTYPED or incident.code != "wrong-password":
        return incident
    names = {account(name) for name, _ in incident.users}
    words = [(_about(each[2], names), each) for each in said if _is_special(each, case)]
    count, word = max(words, key=lambda each: each[0], default=(0, None))
    if word is None or not count:
        return incident
    causes = causes_of(*word, case)
    known = {each.code for each in causes}
    others = tuple(each for each in incident.causes if each.code not in known)
    if count * 2 < incident.attempts:
        return replace(incident, causes=(*others, *causes))
    samples = tuple(sample(line) for line in word[2].samples)
    return replace(
        incident,
        kind=_kind_of(causes[0].code, incident, case),
        code=causes[0].code,
        stage=word[0].stage or incident.stage,
        summary=word[0].meaning,
        causes=(*causes, *others),
        samples=tuple(dict.fromkeys((*samples, *incident.samples)))[:3],
    )


def word_about(attempt: Attempt, case: Case) -> Said | None:
    """Give what a verifier said within the last moments of a refused attempt, if it says why."""
    name, known = {account(shown(attempt.user))}, case.known.messages
    said = [(known[key[0]], key[1], tally) for key, tally in case.ledger.tallies.items() if key[0] in known]
    words = [
        each
        for each in said
        if (_is_special(each, case) or _is_fault(each)) and _about(each[2], name) and _just(each[2], attempt)
    ]
    return max(words, key=lambda each: (each[2].span.last[:19], _is_fault(each)), default=None)


def _is_fault(said: Said) -> bool:
    message = said[0]
    return message.role == "cause" and message.programs[0] in _VERIFIERS and not message.minor


def _just(tally: Tally, attempt: Attempt) -> bool:
    try:
        return timedelta() <= moment(attempt.when) - moment(tally.span.last) + timedelta(seconds=1) <= JUST
    except (ValueError, TypeError):
        return False


def _kind_of(code: str, incident: Incident, case: Case) -> Kind:
    """Give the kind of a refusal by a rule: it is a fault where it shuts out several, and nobody gets in."""
    shut_out = code in _RULES and incident.names > 1
    last_login = case.ledger.login_tally.span.last
    since = bool(last_login) and not earlier(last_login, incident.first)
    return Kind.BROKEN if shut_out and not since else incident.kind


def _is_special(said: Said, case: Case) -> bool:
    """Tell whether a verifier says more than that a name or password is wrong."""
    message = said[0]
    if message.role != "refused" or message.programs[0] not in _VERIFIERS:
        return False
    causes = causes_of(*said, case)
    return bool(causes) and causes[0].code not in (*_GENERAL, "user-unknown", *SILENT)


def _about(tally: Tally, names: Collection[str]) -> int:
    """Count how often something was said of these users; all of it where it names nobody."""
    users = tally.users.counts
    if not users:
        return tally.count
    return sum(count for name, count in users.items() if account(shown(name)) in names)


def account(name: str) -> str:
    """Give a name without its realm: saslauthd splits it off."""
    return name.partition("@")[0]


def without_what_was_passed(incident: Incident, said: list[Said], case: Case) -> Incident:
    """Give the incident of people who never get in, without the faults that a verifier's own word rules out.

    Where it was asked, and said no to everybody, smtpd.conf is in effect and the verifier is in reach.
    """
    heard = [each for each in said if each[0].role == "refused" and each[0].programs[0] in _VERIFIERS]
    if incident.code != "every-login-fails" or incident.confirmed or not heard:
        return incident
    causes = causes_of(*max(heard, key=lambda each: each[2].count), case)
    silent = tuple(each for each in causes if each.code in SILENT)
    others = tuple(each for each in causes if each not in silent)
    if not silent or incident.uncertain:
        return replace(incident, causes=(incident.causes[0], *silent, *others))
    summary = "Every attempt failed and none succeeded: the verifier was asked, and said no to everybody."
    return replace(incident, code=silent[0].code, summary=summary, causes=(*silent, *others))


def _joined(heard: Tally, refused: Tally) -> Tally:
    """Give the attempts of smtpd, with the time and the words of the verifier as well."""
    joined = Tally()
    joined.merge(refused)
    joined.span.merge(heard.span)
    joined.samples = list(dict.fromkeys((*heard.samples, *refused.samples)))[:3]
    return joined

"""What a verifier said of the very attempts that smtpd writes as refused: one attempt, one cause."""

from dataclasses import replace

from maildoctor.finding import Stage
from maildoctor.maillog.catalogue import Message
from maildoctor.maillog.causes import SILENT
from maildoctor.maillog.incident import Incident, Kind, of_tally
from maildoctor.maillog.order import Case, Said, causes_of, whole_of
from maildoctor.maillog.people import FEW, SEVERAL
from maildoctor.maillog.tally import Tally

_VERIFIERS = ("saslauthd", "saslauthd reason", "pam", "dovecot")
_GENERAL = ("wrong-password", "password-guessing", "every-login-fails")
"""What smtpd's own lines say as well."""


def with_the_faults_of_verifiers(said: list[Said]) -> list[Said]:
    """Give what was said, with refusals under the fault that their verifier named, if it named one.

    A verifier whose back end is down says so, and smtpd writes the line of a wrong password.
    """
    faults = [
        each
        for each in said
        if each[0].role == "cause" and each[0].programs[0] in _VERIFIERS and not each[0].minor
    ]
    if not faults:
        return said
    fault = max(faults, key=lambda each: each[2].count)
    ended = [each for each in said if _ended_by(fault[0], each[0])]
    whole = whole_of(ended)
    if not whole.count or fault[2].count * 2 < whole.count:
        return said
    joined = (fault[0], fault[1], _joined(fault[2], whole))
    return [joined if each is fault else each for each in said if each not in ended]


def _ended_by(fault: Message, other: Message) -> bool:
    """Tell whether a fault of the verifier makes smtpd write ``other`` at the end of an attempt."""
    if other.programs[0] not in ("smtpd", "reason"):
        return False
    return other.role == "refused" or (other.programs[0] == "reason" and other.id in fault.explains)


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
    return replace(incident, uncertain=silent, confirmed=seen)


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

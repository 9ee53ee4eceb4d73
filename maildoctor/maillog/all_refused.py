"""A handful of refusals in a log in which nobody ever got in: too few to call anybody a stranger."""

from maildoctor.maillog.causes import SILENT
from maildoctor.maillog.incident import Incident, Kind, of_tally
from maildoctor.maillog.order import Case, Said, cause, causes_of, whole_of
from maildoctor.maillog.people import SEVERAL
from maildoctor.maillog.tally import Tally
from maildoctor.stage import Stage
from maildoctor.value import replace

HANDFUL = 5


def a_handful_refused(refused: list[Said], case: Case) -> Incident | None:
    """Give the incident of a few refusals of clients that have names, while nobody got in; else None.

    Guessers come from addresses without reverse DNS, mostly, by the hundred, and try LOGIN.
    """
    ours = [each for each in refused if each[0].programs[0] in ("smtpd", "reason")]
    whole = whole_of(ours)
    seen = any(code in case.findings for code in SILENT)
    few = 0 < whole.count <= HANDFUL and whole.addresses.about() < SEVERAL
    if case.ledger.logins or seen or not few or not _rather_people(whole):
        return None
    message, detail, tally = max(ours, key=lambda said: said[2].count)
    more = (each.code for each in causes_of(message, detail, tally, case))
    codes = dict.fromkeys(("every-login-fails", "wrong-password", *more, *SILENT))
    incident = of_tally(
        whole,
        case.top,
        code="every-login-fails",
        side="server",
        kind=Kind.BROKEN,
        stage=Stage.VERIFYING,
        summary="Every attempt failed and none succeeded: wrong passwords, or a silent fault of the server.",
        causes=tuple(cause(code, case) for code in codes),
    )
    return replace(incident, uncertain=True)


def _rather_people(whole: Tally) -> bool:
    if set(whole.mechanisms) == {"PLAIN"}:
        return True
    clients = [name for name in whole.clients.counts if b"[" in name]
    named = [name for name in clients if not name.startswith((b"unknown[", b"["))]
    return bool(named) and 2 * len(named) > len(clients)

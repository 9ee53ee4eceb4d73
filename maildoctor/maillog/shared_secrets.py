"""Refusals of CRAM-MD5 and its like alone, which guessers hardly use: no store may hold what they need."""

from maildoctor.maillog.incident import Incident, Kind, of_tally
from maildoctor.maillog.order import Case, Said, cause, causes_of, whole_of
from maildoctor.maillog.people import FEW, SEVERAL
from maildoctor.maillog.smtpd_text import SECRET_MECHANISMS
from maildoctor.maillog.tally import Tally
from maildoctor.stage import Stage
from maildoctor.value import replace


def unserved(refusals: list[Said], case: Case) -> Incident | None:
    """Give the incident of ``refusals`` if a few tried nothing else and nobody ever got in; else None."""
    whole = whole_of(refusals)
    few = 0 < whole.count <= FEW and whole.addresses.about() <= SEVERAL
    if case.ledger.logins or not few or not _secrets_alone(whole):
        return None
    message, detail, tally = max(refusals, key=lambda said: said[2].count)
    more = (each.code for each in causes_of(message, detail, tally, case))
    codes = dict.fromkeys(("mech-list-unserved", *more, "sasldb-realm-mismatch", "wrong-password"))
    readings = [cause(code, case) for code in codes]
    readings.sort(key=lambda each: each.code not in case.findings)
    incident = of_tally(
        whole,
        case.top,
        code=readings[0].code,
        side="server",
        kind=Kind.BROKEN,
        stage=Stage.VERIFYING,
        summary="A shared-secret mechanism never succeeded: no store may hold the plaintext that it needs.",
        causes=tuple(readings),
    )
    return replace(incident, uncertain=True, confirmed=readings[0].code in case.findings)


def _secrets_alone(whole: Tally) -> bool:
    return bool(whole.mechanisms) and all(name.startswith(SECRET_MECHANISMS) for name in whole.mechanisms)

"""The answer in one sentence: what, since when until when, and whether it is over."""

from maildoctor.maillog.incident import Incident, Kind, Verdict
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.stamps import earlier

SEVERAL = 3
"""So many refusals, and no login after them, and the server may have stopped to let anybody in."""
_NOBODY = "whether users could get in this log cannot tell, for nobody did (`maildoctor check` can)"


def headline(verdict: Verdict, incidents: tuple[Incident, ...], ledger: Ledger) -> str:
    """Give the verdict in one sentence."""
    server = tuple(each for each in incidents if each.side == "server" or each.kind is not Kind.BROKEN)
    ours = [each for each in incidents if each not in server]
    said = _of_the_server(verdict, server, ledger)
    if verdict is Verdict.UNKNOWN and ours and not server:
        return f"{_broken(ours[0], ledger)} Of logins at this server the log says nothing."
    return f"{said} Besides: {_broken(ours[0], ledger)}" if ours else said


def _of_the_server(verdict: Verdict, incidents: tuple[Incident, ...], ledger: Ledger) -> str:
    logins = f"{ledger.logins:,} login{'s' if ledger.logins != 1 else ''} succeeded"
    if verdict is Verdict.BROKEN:
        return _broken(incidents[0], ledger)
    if verdict is Verdict.UNKNOWN and incidents and incidents[0].kind is Kind.BROKEN:
        return f"{incidents[0].summary} `maildoctor check` on that host decides."
    if verdict is Verdict.UNKNOWN:
        return "This log says too little about logins to judge."
    if verdict is Verdict.GUESSING:
        guesses = next(each for each in incidents if each.kind is Kind.GUESSING)
        places = f"about {guesses.addresses:,} address{'es' if guesses.addresses != 1 else ''}"
        places = places if guesses.addresses else "addresses that this log does not show"
        sure = "nothing on the server is broken" if ledger.logins else _NOBODY
        return f"Strangers guess passwords, from {places}; {sure}. {logins}."
    if verdict is Verdict.MISTYPED:
        wrong = next(each for each in incidents if each.kind is Kind.MISTYPED)
        return f"{wrong.summary} {_how_sure(wrong, ledger)}. {logins}."
    but = f" But: {incidents[0].summary}" if incidents else ""
    if not ledger.logins:
        return f"No login failed in this log, and none succeeded.{but}"
    return f"Nothing is wrong with logins in this log: {logins}, and none failed.{but}"


def _how_sure(wrong: Incident, ledger: Ledger) -> str:
    """Say whether others show that the server works: a silent fault writes the lines of a wrong password."""
    if not ledger.logins:
        return _NOBODY[0].upper() + _NOBODY[1:]
    if wrong.logins_since is False and wrong.attempts >= SEVERAL:
        last = clock(ledger.login_tally.span.last)
        return (
            f"Nobody has logged in since {last}: a silent fault can look like this (`maildoctor check` knows)"
        )
    return "Nothing on the server is broken"


def logins_since(incident: Incident, ledger: Ledger) -> bool | None:
    """Tell whether somebody logged in after the last of it, on its services; None where nobody ever did."""
    if not ledger.logins or incident.side == "client":
        return None
    if _still_shut(incident, ledger):
        return False
    return bool(incident.last and earlier(incident.last, ledger.login_tally.span.last))


def _still_shut(incident: Incident, ledger: Ledger) -> list[str]:
    """Give the incident's services on which nobody logged in after it, of those on which people ever did.

    Where they never did on any of them, that is all: logins on others do not tell that these work again.
    """
    services, latest = [name for name, _ in incident.services], ledger.login_tally.latest
    if "others" in ledger.login_tally.services:
        return []
    used = [name for name in services if name in latest]
    return [name for name in used if not earlier(incident.last, latest[name])] if used else services


def how_often(incident: Incident) -> str:
    """Give number and time: ``14 times, from 2026-11-07 09:12:00 to 10:16:36``."""
    times = f"{incident.attempts:,} time{'s' if incident.attempts != 1 else ''}"
    first, last = clock(incident.first), clock(incident.last)
    if not first:
        return times
    if first == last:
        return f"{times}, at {first}"
    return f"{times}, from {first} to {last[11:] if last[:10] == first[:10] else last}"


def state(incident: Incident, ledger: Ledger) -> str:
    """Say whether it is over; empty where the log does not tell."""
    last_login = ledger.login_tally.span.last
    if incident.logins_since:
        return f"It is over: logins have succeeded since, the last at {clock(last_login)}."
    if incident.logins_since is False:
        where = " and ".join(_still_shut(incident, ledger)[:3])
        there = f" on {where}" if where else ""
        return f"No login{there} has succeeded since; the log ends at {clock(ledger.span.last)}."
    if incident.side == "server" and incident.attempts:
        return "No login succeeded in this log at all."
    return ""


def clock(iso: str) -> str:
    """Give a time for people, without its zone."""
    return iso[:19].replace("T", " ")


def _broken(incident: Incident, ledger: Ledger) -> str:
    side = "Our own login at another server: " if incident.side == "client" else ""
    where = ", ".join(name for name, _ in incident.services[:3])
    where = f"On {where}: " if where else ""
    how = f"{where}{how_often(incident)}." if incident.attempts else ""
    decides = "`maildoctor check` on that host decides." if incident.code == "every-login-fails" else ""
    said = (f"{side}{incident.summary}", how, state(incident, ledger), decides)
    return " ".join(filter(None, said))

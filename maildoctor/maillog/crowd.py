"""Incidents of refused passwords: a crowd of strangers, a user who mistypes, or everybody shut out."""

from collections import Counter
from collections.abc import Iterable

from maildoctor.maillog.catalogue import Cause
from maildoctor.maillog.causes import SILENT
from maildoctor.maillog.incident import Incident, Kind, Names, names_of, of_tally, shown
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.order import Case, Said, cause, causes_of, whole_of
from maildoctor.maillog.people import FEW, SEVERAL, People, is_local, sort_out
from maildoctor.maillog.tally import Tally
from maildoctor.stage import Stage
from maildoctor.value import replace

DROWNED = 10
"""So many times more strangers, and a few people who are refused need not be people at all."""
SURE = 3
"""So many different people who can never get in are no typing error."""


def incidents(refusals: list[Said], case: Case) -> list[Incident]:
    """Give the incidents of all refusals together."""
    if not refusals:
        return []
    whole = whole_of(refusals)
    message, detail, largest = max(refusals, key=lambda said: said[2].count)
    causes = causes_of(message, detail, largest, case)
    if message.programs[0] not in ("smtpd", "reason"):
        return [_verifiers_word(whole, causes, case)]
    people = sort_out(case.ledger, whole.count)
    make = _Maker(whole, people, causes, case)
    found = [make.shut_out(), make.fell_silent(), make.strangers(), make.users(), make.got_in()]
    return [each for each in found if each is not None]


def mostly_strangers(tally: Tally, ledger: Ledger) -> bool:
    """Tell whether those whom a tally counted never logged in, and come from outside."""
    clients = {name.rpartition(b"[")[2].rstrip(b"]") for name in tally.clients.counts if b"[" in name}
    if not clients:
        return False
    profiles = ledger.visitors.profiles
    logged_in = sum(1 for name in clients if (profile := profiles.get(name)) and profile.logins)
    local = sum(1 for name in clients if is_local(name))
    unnamed = sum(1 for name in tally.clients.counts if name.startswith(b"unknown["))
    return not logged_in and not local and (unnamed * 2 >= len(clients) or len(clients) > SURE)


def _verifiers_word(whole: Tally, causes: tuple[Cause, ...], case: Case) -> Incident:
    """Only the verifier's own log is there: it said no, and smtpd's side is not to be seen."""
    if _many_strangers(whole) and causes[0].code not in case.findings:
        guessing = case.known.causes["password-guessing"]
        causes = (guessing, *(each for each in causes if each is not guessing))
    kind = Kind.GUESSING if causes[0].code == "password-guessing" else Kind.MISTYPED
    summary = "The verifier refused: names or passwords that it does not know."
    if kind is Kind.GUESSING:
        summary = "Strangers try names and passwords, as the verifier saw it."
    incident = of_tally(
        whole,
        case.top,
        code=causes[0].code,
        side="server",
        kind=kind,
        stage=Stage.VERIFYING,
        summary=summary,
        causes=causes,
    )
    if causes[0].code in SILENT or causes[0].code in case.findings:
        return replace(incident, kind=Kind.BROKEN, uncertain=True, confirmed=causes[0].code in case.findings)
    return incident


def _many_strangers(whole: Tally) -> bool:
    """Tell whether more names or addresses than a few users have were refused, and not from inside."""
    outside = [address for address in whole.clients.counts if not is_local(address)]
    if not whole.clients.counts:
        # saslauthd knows no addresses; people who are shut out try again under their own names.
        return whole.names.about() > FEW and whole.count < 2 * whole.names.about()
    several = whole.addresses.about() > SEVERAL or whole.names.about() > SEVERAL
    return several and 2 * len(outside) > len(whole.clients.counts)


def _ranked(counts: dict[bytes, int]) -> Names:
    return names_of(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class _Maker:
    """Makes the incidents of one crowd."""

    def __init__(self, whole: Tally, people: People, causes: tuple[Cause, ...], case: Case) -> None:
        self._whole, self._people, self._causes = whole, people, causes
        self._ledger, self._case = case.ledger, case
        self._seen = tuple(code for code in SILENT if code in case.findings)

    def shut_out(self) -> Incident | None:
        """People who were refused whenever they tried."""
        people, ledger = self._people, self._ledger
        if self._seen and not ledger.logins:
            # What check sees explains every refusal, whoever came.
            summary = "Every attempt failed and none succeeded, and this is why."
            codes = self._silent("every-login-fails")
            return self._part(Kind.BROKEN, codes[0], summary, self._whole.count, codes)
        if not people.shut_out:
            return None
        if ledger.logins:
            who = len(people.shut_out_names)
            refused = f"{who} users are" if who > 1 else "A user is"
            summary = f"{refused} refused whenever they try, and others log in: a wrong name or password."
            incident = self._part(
                Kind.MISTYPED, "wrong-password", summary, people.shut_out, ("wrong-password",)
            )
            return self._of(incident, people.shut_out_names, people.shut_out_addresses)
        summary = "Every attempt failed and none succeeded: wrong passwords, or a silent fault of the server."
        codes = self._silent("every-login-fails")
        several = len(people.shut_out_names) >= SURE or len(people.shut_out_addresses) >= SURE
        drowned = people.strangers > DROWNED * people.shut_out
        kind = Kind.MISTYPED if drowned else Kind.BROKEN
        incident = self._part(kind, codes[0], summary, people.shut_out, codes)
        incident = self._of(incident, people.shut_out_names, people.shut_out_addresses)
        return replace(incident, uncertain=drowned or not several)

    def fell_silent(self) -> Incident | None:
        """People who could log in once, and all of them no longer."""
        ledger, silent = self._ledger, self._silenced
        if not silent:
            return None
        since = ledger.login_tally.span.last
        summary = f"Since {since} nobody logs in, and users who could before are refused: a silent fault."
        codes = self._silent("every-login-fails")
        incident = self._part(Kind.BROKEN, codes[0], summary, sum(silent.values()), codes)
        return replace(self._of(incident, self._names_of(silent), silent), logins_since=False)

    def strangers(self) -> Incident | None:
        """Guesses."""
        people, ledger = self._people, self._ledger
        if not people.strangers or (self._seen and not ledger.logins):
            return None
        summary = "Strangers try names and passwords."
        hinted = (each.code for each in self._causes if each.code != "every-login-fails")
        codes: tuple[str, ...] = ("password-guessing", *hinted)
        if not ledger.logins:
            codes = (*codes, *self._silent("every-login-fails"))
        incident = self._part(Kind.GUESSING, "password-guessing", summary, people.strangers, codes)
        return replace(
            incident, addresses=min(people.strangers, max(people.stranger_addresses, incident.addresses))
        )

    def users(self) -> Incident | None:
        """Users who log in as well, from the same address."""
        silent, people = self._silenced, self._people
        addresses = {
            address: count for address, count in people.user_addresses.items() if address not in silent
        }
        if not addresses:
            return None
        names = _ranked(self._names_of(addresses))
        who = names[0][0] if len(names) == 1 else f"{len(names)} users" if names else "A user"
        summary = f"{who} mistyped name or password, and got in from the same address at other times."
        count = sum(addresses.values())
        incident = self._part(Kind.MISTYPED, "wrong-password", summary, count, ("wrong-password",))
        clients = _ranked(addresses)
        return replace(
            incident,
            users=names[: self._case.top],
            clients=clients[: self._case.top],
            names=len(names),
            addresses=len(clients),
        )

    def got_in(self) -> Incident | None:
        """Somebody got in after trying several names."""
        people = self._people
        if not people.guessed:
            return None
        where = ", ".join(shown(address) for address in people.guessed[:3])
        summary = f"A login succeeded from {where} after several other names had been tried from there."
        count = sum(self._ledger.visitors.profiles[address].refused for address in people.guessed)
        incident = self._part(Kind.GUESSING, "password-guessed", summary, count, ("password-guessed",))
        return replace(incident, clients=tuple((shown(each), 1) for each in people.guessed[: self._case.top]))

    @property
    def _silenced(self) -> dict[bytes, int]:
        """Addresses that fell silent and how often, where they are enough to speak of a fault."""
        people = self._people
        if len(people.fell_silent) < (1 if self._seen else SURE):
            return {}
        return {address: people.user_addresses[address] for address in people.fell_silent}

    def _names_of(self, addresses: Iterable[bytes]) -> dict[bytes, int]:
        """Count the names that these addresses tried."""
        names: Counter[bytes] = Counter()
        for address in addresses:
            names.update(self._ledger.visitors.profiles[address].users)
        return names

    def _of(self, incident: Incident, names: dict[bytes, int], addresses: dict[bytes, int]) -> Incident:
        """Give the incident with these people in it, and nobody else."""
        top, users, clients = self._case.top, _ranked(names), _ranked(addresses)
        return replace(
            incident,
            users=users[:top],
            clients=clients[:top],
            names=len(users),
            addresses=len(clients),
            error=0,
        )

    def _silent(self, first: str) -> tuple[str, ...]:
        """Give the readings of "every login fails": what ``check`` sees first, else both."""
        hinted = tuple(each.code for each in self._causes if each.code in SILENT)
        return tuple(dict.fromkeys((*self._seen, first, "wrong-password", *hinted, *SILENT)))

    def _part(self, kind: Kind, code: str, summary: str, count: int, codes: tuple[str, ...]) -> Incident:
        causes = tuple(cause(each, self._case) for each in dict.fromkeys(codes))
        incident = of_tally(
            self._whole,
            self._case.top,
            code=code,
            side="server",
            kind=kind,
            stage=Stage.VERIFYING,
            summary=summary,
            causes=causes,
        )
        last_login = self._ledger.login_tally.span.last
        since = bool(last_login[:19] > incident.last[:19]) if self._ledger.logins else None
        return replace(incident, attempts=count, logins_since=since, confirmed=code in self._case.findings)

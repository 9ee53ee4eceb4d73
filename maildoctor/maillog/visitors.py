"""Who came: the names and addresses that are remembered, and what they did."""

from collections import Counter, OrderedDict
from collections.abc import Container, Iterable, Iterator
from operator import itemgetter

from maildoctor.maillog.rows import Columns, Row
from maildoctor.maillog.tally import Span

ACCOUNTS = 1024
PROFILES = 2048
GUESSED_NAMES = 3
Glimpse = tuple[bytes, str, str]
"""Of one refusal: user, mechanism, time."""
Arrival = tuple[int, Row]
"""Where in a block a line stands, and what it says."""


class Profile:
    """What one address did: strangers and users who mistype are told apart by it."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.refused = 0
        self.logins = 0
        self.users: dict[bytes, int] = {}
        self.more_users = False
        self.plain = False
        self.login = False
        self.guessed = False
        """It logged in after it had been refused under several other names."""
        self.entered = b""
        """The name under which it logged in first."""
        self.before: tuple[bytes, ...] = ()
        """The names under which it had been refused by then."""
        self.span = Span()

    def merge(self, other: "Profile") -> None:
        """Take in what the address did further on in the log."""
        self.guessed |= other.guessed
        if other.logins and not self.logins:
            self.enter(other.entered, other.before)
        self.refused += other.refused
        self.logins += other.logins
        for user, count in other.users.items():
            self._user(user, count)
        self.more_users |= other.more_users
        self.plain |= other.plain
        self.login |= other.login
        self.span.merge(other.span)

    def enter(self, user: bytes, before: Iterable[bytes] = ()) -> None:
        """Note its first login, ``before`` which it was refused under these names too."""
        names = {*self.users, *before}
        self.guessed |= len(names - {user}) >= GUESSED_NAMES
        self.entered, self.before = user, (*names,)

    def _user(self, user: bytes, count: int) -> None:
        if user in self.users or len(self.users) < 8:
            self.users[user] = self.users.get(user, 0) + count
        else:
            self.more_users = True

    def refuse(self, glimpse: Glimpse) -> None:
        """Note a refusal."""
        user, mechanism, when = glimpse
        self.refused += 1
        if user:
            self._user(user, 1)
        if mechanism == "PLAIN":
            self.plain = True
        elif mechanism == "LOGIN":
            self.login = True
        self.span.add(when)


class Visitors:
    """All who are remembered: those who logged in, those who came again, and the latest of the others."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.accounts: dict[bytes, None] = {}
        """Names that logged in."""
        self.profiles: OrderedDict[bytes, Profile] = OrderedDict()
        """Addresses that logged in, or were refused more than once."""
        self.once: dict[bytes, Glimpse] = {}
        """Addresses that were refused a single time, and nothing else."""
        self.forgotten = 0
        """Refusals of addresses that are no longer remembered: strangers, who never logged in."""

    def come(self, refusals: Columns, logins: Columns) -> None:
        """Note many refusals and logins in the order of the log."""
        addresses, users = [row[4] for row in logins.rows], [row[6] for row in logins.rows]
        welcome = Counter(addresses)
        known = self._known(refusals, welcome)
        self._name(users)
        if known and welcome:
            self._one_by_one(known, [*zip(logins.places, logins.rows, strict=True)])
            return
        for _, row in known:
            self.refuse(row)
        first = dict(zip(reversed(addresses), reversed(users), strict=True))
        for address, count in welcome.items():
            self._welcome(address, first[address], count)

    def _one_by_one(self, refusals: list[Arrival], logins: list[Arrival]) -> None:
        entries = {place for place, _ in logins}
        for place, row in sorted([*refusals, *logins], key=itemgetter(0)):
            if place in entries:
                self._welcome(row[4], row[6], 1)
            else:
                self.refuse(row)

    def _known(self, refusals: Columns, welcome: Container[bytes]) -> list[Arrival]:
        """Note the refusals of addresses that came for the first time, and give all others."""
        if not refusals.rows:
            return []
        _, whens, _, _, addresses, mechanisms, users, _ = zip(*refusals.rows, strict=True)
        new = dict(zip(addresses, zip(users, mechanisms, whens, strict=True), strict=True))
        seen = (any(map(each.__contains__, new)) for each in (self.once, self.profiles, welcome))
        if len(new) == len(addresses) and not any(seen):
            self.once.update(new)
            self._shorten()
            return []
        return self._sifted(refusals, welcome)

    def _sifted(self, refusals: Columns, welcome: Container[bytes]) -> list[Arrival]:
        """Do as ``_known`` for some of whom not all are new."""
        once, profiles, known = self.once, self.profiles, list[Arrival]()
        for arrival in zip(refusals.places, refusals.rows, strict=True):
            _, when, _, _, address, mechanism, user, _ = arrival[1]
            if address in once or address in profiles or address in welcome:
                known.append(arrival)
            else:
                once[address] = (user, mechanism, when)
        self._shorten()
        return known

    def refuse(self, row: Row) -> None:
        """Note one refusal."""
        _, when, _, _, address, mechanism, user, _ = row
        glimpse = (user, mechanism, when)
        profile = self.profiles.get(address)
        if profile is None:
            once = self.once.pop(address, None)
            if once is None:
                self.once[address] = glimpse
                self._shorten()
                return
            profile = self._new_profile(address)
            profile.refuse(once)
        profile.refuse(glimpse)

    def log_in(self, row: Row) -> None:
        """Note one login."""
        self._name((row[6],))
        self._welcome(row[4], row[6], 1)

    def _name(self, users: Iterable[bytes]) -> None:
        """Remember names that logged in, the first ones where they are many."""
        if len(self.accounts) < ACCOUNTS:
            self.accounts.update(dict.fromkeys(users))

    def _welcome(self, address: bytes, user: bytes, logins: int) -> None:
        profile = self.profiles.get(address)
        if profile is None:
            profile = self._new_profile(address)
            if once := self.once.pop(address, None):
                profile.refuse(once)
        if not profile.logins:
            profile.enter(user)
        profile.logins += logins

    def everybody(self) -> Iterator[tuple[bytes, Profile]]:
        """Yield each address that is remembered with what it did."""
        yield from self.profiles.items()
        for address, glimpse in self.once.items():
            profile = Profile()
            profile.refuse(glimpse)
            yield address, profile

    def merge(self, later: "Visitors") -> None:
        """Take in who came further on in the log."""
        self.forgotten += later.forgotten
        self._name(later.accounts)
        for address, profile in later.everybody():
            if once := self.once.pop(address, None):
                self._new_profile(address).refuse(once)
            elif address in later.once and address not in self.profiles:
                self.once[address] = later.once[address]
                continue
            if address in self.profiles:
                self.profiles[address].merge(profile)
            else:
                self.profiles[address] = profile
        while len(self.profiles) > PROFILES:
            self._forget()
        self._shorten()

    def _new_profile(self, address: bytes) -> Profile:
        profile = self.profiles[address] = Profile()
        if len(self.profiles) > PROFILES:
            self._forget()
        return profile

    def _forget(self) -> None:
        """Drop the oldest address that never logged in, or else the oldest."""
        for _ in range(8):
            address, profile = self.profiles.popitem(last=False)
            if not profile.logins:
                self.forgotten += profile.refused
                return
            self.profiles[address] = profile
        self.profiles.popitem(last=False)

    def _shorten(self) -> None:
        """Keep the latest of those who came once."""
        if len(self.once) > 2 * PROFILES:
            late = list(self.once.items())[-PROFILES:]
            self.forgotten += len(self.once) - len(late)
            self.once = dict(late)

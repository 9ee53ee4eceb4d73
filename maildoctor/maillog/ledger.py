"""All that was gathered from a log, or from a part of it; parts that were read side by side are merged."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from maildoctor.maillog.tally import Attempt, Span, Tally

BATCH = 2048
TALLIES = 64
"""How many different messages (with their details) are kept apart."""
DETAILED = 6
"""How many of them have long lists of names."""
ACCOUNTS = 1024
PROFILES = 2048
UNKNOWN_SHAPES = 50
PROBE_USER = b"maildoctor-probe-"


Glimpse = tuple[bytes, str, str]
"""Of one refusal: user, mechanism, time."""


@dataclass(slots=True)
class Account:
    """One name that logged in: how often, when last, and how often it was refused since."""

    logins: int = 0
    last: str = ""
    refused_since: int = 0


@dataclass(slots=True)
class Profile:
    """What one address did: strangers and users who mistype are told apart by it."""

    refused: int = 0
    logins: int = 0
    users: dict[bytes, int] = field(default_factory=dict)
    more_users: bool = False
    plain: bool = False
    login: bool = False
    guessed: bool = False
    """It logged in after it had been refused under several other names."""
    span: Span = field(default_factory=Span)

    def merge(self, other: "Profile") -> None:
        """Take in what the address did further on in the log."""
        names = {*self.users, *other.users}
        self.guessed |= other.guessed or bool(other.logins and self.refused and len(names) > GUESSED_NAMES)
        self.refused += other.refused
        self.logins += other.logins
        for user, count in other.users.items():
            self._user(user, count)
        self.more_users |= other.more_users
        self.plain |= other.plain
        self.login |= other.login
        self.span.merge(other.span)

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


GUESSED_NAMES = 3


@dataclass
class Ledger:
    """Counts, tallies and who is who."""

    lines: int = 0
    failed: int = 0
    logins: int = 0
    probes: int = 0
    span: Span = field(default_factory=Span)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    login_tally: Tally = field(default_factory=lambda: Tally(people=False))
    accounts: OrderedDict[bytes, Account] = field(default_factory=OrderedDict)
    profiles: OrderedDict[bytes, Profile] = field(default_factory=OrderedDict)
    once: dict[bytes, Glimpse] = field(default_factory=dict)
    """Addresses that were refused a single time, and nothing else."""
    forgotten: int = 0
    """Refusals of addresses dropped from ``profiles``: strangers who came once and never logged in."""
    unknown: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    verifier_failed: int = 0
    _batches: dict[tuple[str, str], list[Attempt]] = field(default_factory=dict)
    _waiting: int = 0

    def attempt(self, attempt: Attempt, refused: bool) -> None:
        """Count one AUTH command that failed; ``refused`` by a verifier, rather than for a fault."""
        self.failed += 1
        if attempt.user.startswith(PROBE_USER):
            self.probes += 1
            if refused:
                return
        if refused:
            self._refused(attempt)
        self.said(attempt)

    def attempts(self, many: list[Attempt], refused: bool) -> None:
        """Count attempts that ended alike, as ``attempt`` does, without a call for each."""
        accounts, profiles, once = self.accounts, self.profiles, self.once
        for attempt in many:
            address, user = attempt[4], attempt[6]
            if user[:1] == b"m" and user.startswith(PROBE_USER):
                self.probes += 1
            elif not refused:
                continue
            elif address in once or address in profiles or user in accounts:
                self._refused(attempt)
            else:
                once[address] = (user, attempt[5], attempt[1])
        if len(once) > 2 * PROFILES:
            self._shorten()
        self.failed += len(many)
        if refused and self.probes:
            many = [each for each in many if not each[6].startswith(PROBE_USER)]
        if many:
            self._batches.setdefault(many[0][0], []).extend(many)
        self._waiting += len(many)
        if self._waiting >= BATCH:
            self.settle()

    def said(self, attempt: Attempt) -> None:
        """Count something that was said, which need not be an attempt."""
        self._batches.setdefault(attempt.key, []).append(attempt)
        self._waiting += 1
        if self._waiting >= BATCH:
            self.settle()

    def login(self, login: Attempt) -> None:
        """Count a login that succeeded and sent mail."""
        self.logins += 1
        self._batches.setdefault(LOGIN_KEY, []).append(login)
        self._waiting += 1
        account = self.accounts.get(login.user)
        if account is None:
            account = self.accounts[login.user] = Account()
            if len(self.accounts) > ACCOUNTS:
                self.accounts.popitem(last=False)
        account.logins += 1
        account.last, account.refused_since = login.when, 0
        self._profile_login(login)
        if self._waiting >= BATCH:
            self.settle()

    def odd(self, shape: str, sample: bytes) -> None:
        """Count a line about authentication that the catalogue does not know."""
        if shape not in self.unknown and len(self.unknown) >= UNKNOWN_SHAPES:
            shape = "others"
        count, first = self.unknown.get(shape, (0, sample))
        self.unknown[shape] = (count + 1, first)

    def most_unknown(self) -> list[tuple[str, tuple[int, bytes]]]:
        """Give the shapes of unknown lines with count and sample, the most frequent first."""
        return sorted(self.unknown.items(), key=lambda item: (-item[1][0], item[0]))

    def settle(self) -> None:
        """Put what waits into the tallies."""
        for key, attempts in self._batches.items():
            self._tally(key).add(attempts)
        self._batches = {}
        self._waiting = 0

    def merge(self, later: "Ledger") -> None:
        """Take in what was gathered from a later part of the log."""
        self.settle()
        later.settle()
        self.lines += later.lines
        self.failed += later.failed
        self.logins += later.logins
        self.probes += later.probes
        self.forgotten += later.forgotten
        self.verifier_failed += later.verifier_failed
        self.span.merge(later.span)
        self.login_tally.merge(later.login_tally)
        for key, tally in later.tallies.items():
            self._tally(key).merge(tally)
        self._merge_people(later)
        for shape, (count, sample) in later.unknown.items():
            before, first = self.unknown.get(shape, (0, sample))
            self.unknown[shape] = (before + count, first)

    def _tally(self, key: tuple[str, str]) -> Tally:
        if key == LOGIN_KEY:
            return self.login_tally
        if key not in self.tallies and len(self.tallies) >= TALLIES:
            key = (key[0], "")
        if key not in self.tallies:
            self.tallies[key] = Tally(64 if len(self.tallies) < DETAILED else 12)
        return self.tallies[key]

    def _refused(self, attempt: Attempt) -> None:
        account = self.accounts.get(attempt.user)
        if account is not None:
            account.refused_since += 1
        glimpse = (attempt.user, attempt.mechanism, attempt.when)
        profile = self.profiles.get(attempt.address)
        if profile is None:
            once = self.once.pop(attempt.address, None)
            if once is None:
                self.once[attempt.address] = glimpse
                self._shorten()
                return
            profile = self._new_profile(attempt.address)
            profile.refuse(once)
        profile.refuse(glimpse)

    def _profile_login(self, login: Attempt) -> None:
        profile = self.profiles.get(login.address)
        if profile is None:
            profile = self._new_profile(login.address)
            if once := self.once.pop(login.address, None):
                profile.refuse(once)
        profile.logins += 1
        if profile.logins == 1 and len(set(profile.users) - {login.user}) >= GUESSED_NAMES:
            profile.guessed = True

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

    def everybody(self) -> Iterator[tuple[bytes, Profile]]:
        """Yield each address that is remembered with what it did."""
        yield from self.profiles.items()
        for address, glimpse in self.once.items():
            profile = Profile()
            profile.refuse(glimpse)
            yield address, profile

    def _merge_people(self, later: "Ledger") -> None:
        for name, account in later.accounts.items():
            mine = self.accounts.setdefault(name, Account())
            mine.logins += account.logins
            mine.last, mine.refused_since = account.last, account.refused_since
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


LOGIN_KEY = ("login", "")

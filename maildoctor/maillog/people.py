"""Who was refused: users who mistype, people who can never get in, or strangers who guess.

Addresses tell: one that also logs in belongs to a user. A private address, or a mail program that falls back
from PLAIN to LOGIN in its session, is a person. Where nobody ever got in, so is one who tries PLAIN again
under the same name: guessers use LOGIN. Everybody else is a stranger.
"""

import ipaddress

from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.visitors import Profile

STUBBORN = 4
"""From so many refusals of one name from one address, it is a device with an old password."""
SEVERAL = 3
FEW = 20
"""So many refusals in all are no attack yet."""


class People:
    """How many refusals belong to whom."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.users = 0
        """Refusals of addresses that also logged in."""
        self.shut_out = 0
        """Refusals of people who never logged in."""
        self.strangers = 0
        self.user_names: dict[bytes, int] = {}
        self.shut_out_names: dict[bytes, int] = {}
        self.shut_out_addresses: dict[bytes, int] = {}
        self.stranger_addresses = 0
        self.user_addresses: dict[bytes, int] = {}
        self.guessed: list[bytes] = []
        """Addresses that got in after trying several names."""
        self.fell_silent: list[bytes] = []
        """Addresses that used to log in, and were only refused after the last login of anybody."""


def sort_out(ledger: Ledger, refused: int) -> People:
    """Divide the ``refused`` attempts among users, people who are shut out, and strangers."""
    people = People()
    last_login = ledger.login_tally.span.last
    outside: list[tuple[bytes, Profile]] = []
    for address, profile in ledger.visitors.everybody():
        if not profile.refused:
            continue
        guessed = profile.guessed and not is_local(address)
        if guessed:
            people.guessed.append(address)
        if profile.logins and not guessed and not _tries_names(profile):
            _user(people, address, profile, last_login)
        elif _is_person(address, profile, ledger):
            _shut_out(people, address, profile)
        else:
            outside.append((address, profile))
    if ledger.logins and not ledger.visitors.forgotten and _looks_like_typing(outside):
        for address, profile in outside:
            _shut_out(people, address, profile)
        outside = []
    people.strangers = max(0, refused - people.users - people.shut_out)
    people.stranger_addresses = len(outside) if people.strangers else 0
    return people


def _tries_names(profile: Profile) -> bool:
    """Tell whether guesses and logins come from one address, as through a proxy that hides the clients."""
    return profile.more_users and profile.refused > profile.logins


def _looks_like_typing(outside: list[tuple[bytes, Profile]]) -> bool:
    """Tell whether a few refusals from outside are rather people: one name from each address."""
    if len(outside) > SEVERAL or sum(profile.refused for _, profile in outside) > FEW:
        return False
    return all(len(profile.users) == 1 for _, profile in outside)


def _shut_out(people: People, address: bytes, profile: Profile) -> None:
    people.shut_out += profile.refused
    people.shut_out_addresses[address] = profile.refused
    _names(people.shut_out_names, profile)


def _user(people: People, address: bytes, profile: Profile, last_login: str) -> None:
    people.users += profile.refused
    people.user_addresses[address] = profile.refused
    _names(people.user_names, profile)
    if profile.span.last and last_login and profile.span.last[:19] > last_login[:19]:
        people.fell_silent.append(address)


def _is_person(address: bytes, profile: Profile, ledger: Ledger) -> bool:
    if profile.more_users or len(profile.users) > SEVERAL:
        return False
    if is_local(address) or (profile.plain and profile.login):
        return True
    if not ledger.logins and profile.plain and profile.refused > 1 and len(profile.users) <= 1:
        return True
    known = all(name in ledger.visitors.accounts for name in profile.users) and bool(profile.users)
    return known and len(profile.users) == 1 and profile.refused >= STUBBORN


def is_local(address: bytes) -> bool:
    """Tell whether an address is private, link-local or loopback (RFC 1918, 4193, 6598)."""
    try:
        parsed = ipaddress.ip_address(address.decode("ascii"))
    except ValueError:
        return False
    if parsed.is_loopback or parsed.is_link_local:
        return True
    return any(parsed in network for network in _PRIVATE if network.version == parsed.version)


_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def _names(names: dict[bytes, int], profile: Profile) -> None:
    for name, count in profile.users.items():
        names[name] = names.get(name, 0) + count

"""Lists of access restrictions, taken apart as smtpd(8) does it.

Names and rules: postconf(5) and Postfix's smtpd_check.c. Pure: text in, values out.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple


def words(text: str) -> list[str]:
    """Split a list at commas and white space, but not inside ``{ ... }``."""
    found, word, depth = [], "", 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth <= 0 and (character in ", \t\r\n"):
            found.append(word)
            word, depth = "", 0
        else:
            word += character
    return [word for word in [*found, word] if word]


LISTS = {
    "smtpd_client_restrictions": "check_client_access",
    "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access",
    "smtpd_relay_restrictions": "check_recipient_access",
    "smtpd_recipient_restrictions": "check_recipient_access",
    "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "",
}
"""The lists that a message passes, in order, and the check that a bare ``type:table`` stands for in each."""

SAFEGUARDS = frozenset(
    words("""
    reject_unauth_destination defer_unauth_destination reject defer defer_if_permit check_relay_domains
    """)
)
"""Without one of these, smtpd refuses to start: it would be an open relay."""

WITH_ARGUMENT = frozenset(
    words("""
    check_policy_service permit_dnswl_client permit_rhswl_client reject_rbl reject_rbl_client
    reject_rhsbl_client reject_rhsbl_helo reject_rhsbl_recipient reject_rhsbl_reverse_client
    reject_rhsbl_sender sleep
    """)
)
WITHOUT_ARGUMENT = SAFEGUARDS | frozenset(
    words("""
    check_recipient_maps defer_if_reject permit permit_auth_destination permit_inet_interfaces
    permit_mx_backup permit_mynetworks permit_naked_ip_address permit_sasl_authenticated
    permit_tls_all_clientcerts permit_tls_clientcerts reject_authenticated_sender_login_mismatch
    reject_invalid_helo_hostname reject_invalid_hostname reject_known_sender_login_mismatch reject_maps_rbl
    reject_multi_recipient_bounce reject_non_fqdn_helo_hostname reject_non_fqdn_hostname
    reject_non_fqdn_recipient reject_non_fqdn_sender reject_plaintext_session reject_sender_login_mismatch
    reject_unauth_pipelining reject_unauthenticated_sender_login_mismatch reject_unknown_address
    reject_unknown_client reject_unknown_client_hostname reject_unknown_forward_client_hostname
    reject_unknown_helo_hostname reject_unknown_hostname reject_unknown_recipient_domain
    reject_unknown_reverse_client_hostname reject_unknown_sender_domain reject_unlisted_recipient
    reject_unlisted_sender reject_unverified_recipient reject_unverified_sender
    """)
)
"""With those above and ``check_..._access``, every restriction from Postfix 2.3 to 3.10."""

DEPTH_LIMIT = 20
"""Classes may name each other in a circle."""


class Restriction(NamedTuple):
    """One restriction of a list; ``members`` are those of a restriction class, which ``name`` then names."""

    name: str
    argument: str = ""
    """A table, a policy service, a DNS zone, seconds."""
    warns_only: bool = False
    """It stands behind ``warn_if_reject``."""
    members: tuple["Restriction", ...] = ()
    known: bool = True
    """Whether smtpd knows it; at one that it does not know it answers 451 to everybody."""

    def __str__(self) -> str:
        """Give it as it would stand in main.cf."""
        return f"{self.name} {self.argument}".rstrip()

    @property
    def is_table(self) -> bool:
        """Tell whether it looks something up in an access(5) table."""
        return is_access_check(self.name)


def is_access_check(name: str) -> bool:
    """Tell whether ``name`` is one of the ``check_..._access`` restrictions."""
    return name.startswith("check_") and name.endswith("_access")


def parse(
    text: str, class_of: Callable[[str], str | None], table_check: str = "", depth: int = 0
) -> tuple[Restriction, ...]:
    """Take a list apart.

    ``class_of`` gives the list that a restriction class stands for, None if the name is none; ``table_check``
    is what a bare ``type:table`` means in this list.
    """
    return tuple(_restrictions(iter(words(text)), class_of, table_check, depth))


def flatten(restrictions: tuple[Restriction, ...]) -> Iterator[tuple[int, Restriction]]:
    """Yield every restriction with its place in the list; a class's members share the place of the class."""
    for place, restriction in enumerate(restrictions):
        if restriction.members:
            yield from ((place, member) for _, member in flatten(restriction.members))
        else:
            yield place, restriction


def has_safeguard(restrictions: tuple[Restriction, ...]) -> bool:
    """Tell whether smtpd finds the safeguard against open relaying that it demands at its start."""
    for restriction in restrictions:
        if restriction.warns_only:
            continue
        if restriction.name == "permit":
            return False
        if restriction.name in SAFEGUARDS or has_safeguard(restriction.members):
            return True
    return False


def nearest(name: str) -> str | None:
    """Give the restriction that somebody who wrote ``name`` most likely meant; None if nothing is near."""
    from difflib import get_close_matches

    checks = {f"check_{what}_access" for what in ("client", "helo", "sender", "recipient", "sasl")}
    known = sorted(WITH_ARGUMENT | WITHOUT_ARGUMENT | checks)
    return next(iter(get_close_matches(name.lower().replace("-", "_"), known, 1, 0.8)), None)


def render(restrictions: Iterable[Restriction]) -> str:
    """Write a list as it would stand in main.cf."""
    return ", ".join(f"{'warn_if_reject ' * each.warns_only}{each}" for each in restrictions)


def _restrictions(
    rest: Iterator[str], class_of: Callable[[str], str | None], table_check: str, depth: int
) -> Iterator[Restriction]:
    warns = False
    for word in rest:
        name = word.lower()
        if name == "warn_if_reject":
            warns = True
            continue
        yield _restriction(word, rest, class_of, table_check, depth, warns)
        warns = False


def _restriction(
    word: str,
    rest: Iterator[str],
    class_of: Callable[[str], str | None],
    table_check: str,
    depth: int,
    warns: bool,
) -> Restriction:
    name = word.lower()
    if ":" in word:
        return Restriction(table_check or word, word, warns, known=bool(table_check))
    if is_access_check(name):
        table = next(rest, "")
        return Restriction(name, table, warns, known=":" in table)
    if name in WITH_ARGUMENT:
        return Restriction(name, next(rest, ""), warns)
    if name in WITHOUT_ARGUMENT:
        return Restriction(name, "", warns)
    definition = class_of(word) if depth < DEPTH_LIMIT else None
    if definition is None:
        return Restriction(word, "", warns, known=False)
    members = parse(definition, class_of, table_check, depth + 1)
    if warns:
        members = tuple(_warning(member) for member in members)
    return Restriction(word, "", warns, members)


def _warning(restriction: Restriction) -> Restriction:
    members = tuple(map(_warning, restriction.members))
    return Restriction(restriction.name, restriction.argument, True, members, restriction.known)

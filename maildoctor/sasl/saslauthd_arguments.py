"""saslauthd's command line: saslauthd(8), the getopt(3) call in saslauthd-main.c."""

from collections.abc import Sequence
from typing import NamedTuple

WITH_VALUE = "aOmnst"
WITHOUT_VALUE = "cdfhlrvV"
DIRECTORY = "/var/run/saslauthd"
"""Compiled into Debian's saslauthd."""
MECHANISMS = ("sasldb", "getpwent", "kerberos5", "pam", "rimap", "shadow", "ldap")
"""Compiled into Debian's saslauthd; it compares with strcasecmp(3), so capital letters do not count."""


class Arguments(NamedTuple):
    """What the daemon makes of them."""

    mechanism: str = ""
    option: str = ""
    """``-O``: for rimap the server, for ldap the configuration file."""
    directory: str = DIRECTORY
    cache: bool = False
    combine_realm: bool = False
    """``-r``: PAM and its like get user@realm instead of user."""
    foreground: bool = False
    refused: str = ""
    """The first argument that makes it print its usage and end."""

    @property
    def socket(self) -> str:
        """Give the path of its socket."""
        return f"{self.directory.rstrip('/')}/mux"


def parse(words: Sequence[str]) -> Arguments:
    """Read the words behind the program's name; getopt(3) passes over those that are no options."""
    values: dict[str, str] = {}
    seen: set[str] = set()
    refused = ""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in WITH_VALUE:
                refused = refused or ("-a given twice" if letter == "a" and "a" in values else "")
                refused = refused or ("" if letters or rest else f"-{letter} without a value")
                values[letter] = letters or (rest.pop(0) if rest else "")
                break
            seen.add(letter)
            refused = refused or ("" if letter in "cdflrV" else f"-{letter}")
    return Arguments(
        mechanism=values.get("a", "").lower(),
        option=values.get("O", ""),
        directory=values.get("m", DIRECTORY),
        cache="c" in seen,
        combine_realm="r" in seen,
        foreground=bool(seen & {"d", "f"}),
        refused=refused,
    )

"""Access tables as far as their source text tells: access(5), cidr_table(5), regexp_table(5)."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import Host, Missing
from maildoctor.pattern import pattern
from maildoctor.postfix.restrictions import words

INDEXED = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "dbm": ".pag", "sdbm": ".pag"}
"""Table types that postmap(1) makes from a text file of the same name, and the suffix of what it makes."""
TEXT = frozenset({"texthash", "cidr", "regexp", "pcre"})
"""Table types that smtpd reads as text."""
CONFIGURED = frozenset({"ldap", "memcache", "mongodb", "mysql", "pgsql", "sqlite"})
"""Table types whose path is a configuration file; what they hold cannot be read here."""
BUILT_IN = frozenset(
    words("""
    btree cidr environ fail hash inline internal memcache nis pipemap proxy randmap regexp socketmap static
    tcp texthash unionmap unix
    """)
)
"""What ``postconf -m`` says of Debian's package postfix alone."""
DYNAMIC = "/etc/postfix/dynamicmaps.cf"
"""Packages such as postfix-pcre enter the types that they add here, or below ``dynamicmaps.cf.d``."""
PACKAGES = ("cdb", "ldap", "lmdb", "mongodb", "mysql", "pcre", "pgsql", "sqlite")
"""The types that Debian has a package of their own for: postfix-cdb, ..."""
ANYTHING = frozenset({"0.0.0.0/0", "0/0", "/./", "/.*/", "/^/", "/.+/", "//", "/^.*$/", "/^.*/", "/.*$/"})
"""Keys of cidr and regexp tables that match everything."""

_RULE = pattern(r"(?P<key>/(?:\\.|[^/\\])*/[a-zA-Z]*|\S+)\s+(?P<action>\S.*)")


class Rule(NamedTuple):
    """One line of a table: an access(5) action for a key."""

    key: str
    action: str

    @property
    def for_everybody(self) -> bool:
        """Tell whether the key matches whatever is looked up."""
        return self.key in ANYTHING


class Table(NamedTuple):
    """A table as main.cf names it: ``hash:/etc/postfix/access``."""

    kind: str
    path: str

    @classmethod
    def of(cls, text: str) -> "Table":
        """Take ``type:path`` apart; ``proxy:type:path`` is the table behind it."""
        kind, _, path = text.strip("{} \t").partition(":")
        if kind == "proxy":
            kind, _, path = path.partition(":")
        return cls(kind.strip(), path.strip())

    @property
    def file(self) -> str | None:
        """Give the file that smtpd opens, None where it opens none or one that is not known here."""
        if not self.path.startswith("/"):
            return None
        if self.kind in TEXT or self.kind in CONFIGURED:
            return self.path
        return self.path + INDEXED[self.kind] if self.kind in INDEXED else None

    @property
    def readable(self) -> bool:
        """Tell whether the table's rules can be read here."""
        return self.kind == "static" or (self.file is not None and self.kind not in CONFIGURED)


def parse(text: str) -> Iterator[Rule]:
    """Read a table's text: rules, comments, lines that go on with white space, ``if`` and ``endif``."""
    logical: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and logical:
            logical[-1] += " " + line.strip()
        else:
            logical.append(line.strip())
    for line in logical:
        if rule := _RULE.fullmatch(line):
            yield Rule(rule["key"], rule["action"])


@fact
def rules(host: Host, text: str) -> tuple[Rule, ...]:
    """Give the rules of the table that main.cf names as ``text``.

    Raises CannotLook where there is no text to read; ask ``Table.readable`` first.
    """
    table = Table.of(text)
    if table.kind == "static":
        return (Rule("//", table.path.strip("{} \t")),)
    return tuple(parse(host.text(table.path)))


@fact
def types(host: Host) -> frozenset[str] | None:
    """Give the types of tables that this Postfix can open, None where that is not known. Raises Refused."""
    try:
        texts = [host.text(DYNAMIC)]
    except Missing:
        return None
    with contextlib.suppress(Missing):
        texts += [host.text(f"{DYNAMIC}.d/{name}") for name in host.names(f"{DYNAMIC}.d")]
    added = (line.split()[0] for text in texts for line in text.splitlines() if line.split())
    return BUILT_IN.union(added)


def unsupported(host: Host, text: str) -> bool:
    """Tell whether the type of the table ``text`` is one that smtpd does not know."""
    known = types(host)
    return known is not None and Table.of(text).kind not in known


@fact
def missing_file(host: Host, text: str) -> str | None:
    """Give the file that smtpd would open for the table ``text`` if it is not there, else None."""
    file = Table.of(text).file
    if file is None:
        return None
    try:
        host.stat(file)
    except Missing:
        return file
    return None

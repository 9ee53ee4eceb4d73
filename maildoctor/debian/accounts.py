"""Users and groups, from /etc/passwd and /etc/group: passwd(5), group(5).

Postfix's and SASL's accounts are system accounts and stand in these files; a directory service is not asked,
since it may hang just when the mail server is in trouble.
"""

from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import Host


class Account(NamedTuple):
    """A user as the kernel sees one: ``groups`` are all group ids, the primary one included."""

    name: str
    uid: int
    gid: int
    groups: frozenset[int]


@fact
def passwd(host: Host) -> dict[str, tuple[int, int]]:
    """Map each user's name to uid and primary gid; lines that are not valid are passed over."""
    entries: dict[str, tuple[int, int]] = {}
    for fields in _rows(host, "/etc/passwd", 4):
        if fields[2].isdigit() and fields[3].isdigit():
            entries.setdefault(fields[0], (int(fields[2]), int(fields[3])))
    return entries


@fact
def groups(host: Host) -> dict[str, tuple[int, frozenset[str]]]:
    """Map each group's name to its gid and the names of its members."""
    entries: dict[str, tuple[int, frozenset[str]]] = {}
    for fields in _rows(host, "/etc/group", 4):
        if fields[2].isdigit():
            members = frozenset(name.strip() for name in fields[3].split(",") if name.strip())
            entries.setdefault(fields[0], (int(fields[2]), members))
    return entries


@fact
def account(host: Host, name: str) -> Account | None:
    """Give a user with all groups that a new process of that user gets, None where there is no such user."""
    if name not in passwd(host):
        return None
    uid, gid = passwd(host)[name]
    member_of = {number for number, members in groups(host).values() if name in members}
    return Account(name, uid, gid, frozenset({gid} | member_of))


def user_name(host: Host, uid: int) -> str:
    """Give the name of a uid, or the number itself."""
    return next((name for name, ids in passwd(host).items() if ids[0] == uid), str(uid))


def group_name(host: Host, gid: int) -> str:
    """Give the name of a gid, or the number itself."""
    return next((name for name, (number, _) in groups(host).items() if number == gid), str(gid))


def _rows(host: Host, path: str, columns: int) -> list[list[str]]:
    rows = (line.split(":") for line in host.text(path).splitlines())
    return [row for row in rows if len(row) >= columns]

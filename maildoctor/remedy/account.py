"""Names and numbers of users and groups, from the host's own passwd(5) and group(5).

Not from getpwnam(3): what a repair needs are system accounts, and a directory service may be down.
"""

from maildoctor.remedy.site import Site
from maildoctor.remedy.trouble import RepairFailed


def user_id(site: Site, name: str) -> int:
    """Give a user's number. Raises RepairFailed."""
    return _number(site, "/etc/passwd", "user", name)


def group_id(site: Site, name: str) -> int:
    """Give a group's number. Raises RepairFailed."""
    return _number(site, "/etc/group", "group", name)


def user_name(site: Site, number: int) -> str:
    """Give a user's name, or the number where there is none."""
    return _name(site, "/etc/passwd", number)


def group_name(site: Site, number: int) -> str:
    """Give a group's name, or the number where there is none."""
    return _name(site, "/etc/group", number)


def _number(site: Site, path: str, kind: str, name: str) -> int:
    for entry in _entries(site, path):
        if entry[0] == name:
            return int(entry[2])
    raise RepairFailed(f"{path}: there is no {kind} {name}")


def _name(site: Site, path: str, number: int) -> str:
    return next((entry[0] for entry in _entries(site, path) if entry[2] == str(number)), str(number))


def _entries(site: Site, path: str) -> list[list[str]]:
    lines = (site.read(path) or b"").decode("utf-8", "surrogateescape").splitlines()
    fields = [line.split(":") for line in lines]
    return [each for each in fields if len(each) > 3 and each[2].isdigit()]

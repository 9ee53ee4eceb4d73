"""Postfix's built-in defaults where postconf(1) cannot be asked: as data, by version.

``defaults.json`` holds what ``postconf -d`` says in each version for the parameters that touch SMTP AUTH:
the oldest version in full, then what each later one changed (null: the parameter is gone).
"""

import json
from importlib.resources import files

from maildoctor.debian.packages import postfix_version
from maildoctor.host import CannotLook, Host

NEWEST = (3, 10)
"""Assumed where not even the package's version is known."""


def defaults(host: Host) -> dict[str, str]:
    """Give the defaults of the host's Postfix, unexpanded, and what it works out from the host's name."""
    version = postfix_version(host) or NEWEST
    said = {"mail_version": ".".join(map(str, version))}
    return of_version(version) | said | _from_host_name(host)


def of_version(version: tuple[int, ...]) -> dict[str, str]:
    """Give the defaults of the newest known version that is not newer than ``version``."""
    by_version = json.loads(files("maildoctor.postfix").joinpath("defaults.json").read_text("utf-8"))
    result: dict[str, str] = {}
    for name, changes in by_version.items():
        if result and _numbers(name) > version[:2]:
            break
        result |= changes
    return {name: value for name, value in result.items() if value is not None}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _from_host_name(host: Host) -> dict[str, str]:
    """Work out myhostname and mydomain as postconf(5) says, from /etc/hostname."""
    try:
        name = host.text("/etc/hostname").strip()
    except CannotLook:
        name = ""
    name = name or "localhost"
    if "." not in name:
        return {"myhostname": f"{name}.localdomain", "mydomain": "localdomain"}
    return {"myhostname": name, "mydomain": name.partition(".")[2]}

"""Postfix's built-in defaults where postconf(1) cannot be asked: as data, by version.

``defaults.json`` holds what ``postconf -d`` says in each version for the parameters that touch SMTP AUTH:
the oldest version in full, then what each later one changed (null: the parameter is gone).
"""

from collections.abc import Mapping
from functools import cache

from maildoctor.debian.release import packaged_postfix
from maildoctor.host import CannotLook, Host
from maildoctor.source import Sourced

DATA = __file__.removesuffix("defaults.py") + "defaults.json"
NEWEST = (3, 10)
"""Assumed where not even the package's version is known."""


def defaults(host: Host, written: Mapping[str, Sourced[str]]) -> dict[str, str]:
    """Give the defaults of the host's Postfix, unexpanded, and what it works out from the host's name.

    ``written`` is what main.cf sets: mydomain follows from a myhostname that stands there.
    """
    version = packaged_postfix(host) or NEWEST
    name = host_name(host)
    domain = written.get("myhostname", Sourced(name)).value.partition(".")[2]
    said = {"mail_version": ".".join(map(str, version)), "myhostname": name}
    return {**of_version(version), **said, "mydomain": domain or "localdomain"}


@cache
def of_version(version: tuple[int, ...]) -> Mapping[str, str]:
    """Give the defaults of the newest known version that is not newer than ``version``."""
    import json

    with open(DATA, encoding="utf-8") as file:
        by_version = json.load(file)
    result: dict[str, str] = {}
    for name, changes in by_version.items():
        if result and _numbers(name) > version[:2]:
            break
        result |= changes
    return {name: value for name, value in result.items() if value is not None}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def host_name(host: Host) -> str:
    """Give myhostname's default, from /etc/hostname; without a dot it gets ``.localdomain``: postconf(5)."""
    try:
        name = host.text("/etc/hostname").strip()
    except CannotLook:
        name = ""
    name = name or "localhost"
    return name if "." in name else f"{name}.localdomain"

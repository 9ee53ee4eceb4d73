"""Which Debian it is, and what its commands look like. Source: os-release(5), debian_version."""

import re

from maildoctor.debian.packages import postfix_version
from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, Missing
from maildoctor.remedy.system import System

CODE_NAMES = {"squeeze": 6, "wheezy": 7, "jessie": 8, "stretch": 9, "buster": 10}
CODE_NAMES |= {"bullseye": 11, "bookworm": 12, "trixie": 13, "forky": 14}
POSTFIX = {6: (2, 7), 7: (2, 9), 8: (2, 11), 9: (3, 1), 10: (3, 4), 11: (3, 5), 12: (3, 7), 13: (3, 10)}
"""The Postfix of each Debian release."""


@fact
def os_release(host: Host) -> dict[str, str]:
    """Read /etc/os-release, or /usr/lib/os-release; empty where there is neither (before Debian 7)."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            text = host.text(path)
        except Missing:
            continue
        pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
        return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}
    return {}


@fact
def debian_release(host: Host) -> int | None:
    """Give the Debian release, 12 for bookworm; None where it is not Debian, or not known which."""
    if number := re.match(r"\d+", _debian_version(host)):
        return int(number.group())
    release = os_release(host)
    if release.get("ID", "debian") != "debian":
        return None
    words = re.findall(r"[a-z]+", f"{release.get('VERSION_CODENAME', '')} {_debian_version(host)}".lower())
    return next((CODE_NAMES[word] for word in words if word in CODE_NAMES), None)


def _debian_version(host: Host) -> str:
    """Give /etc/debian_version, ``12.11`` or ``forky/sid``; a derivative's own number is not taken for it."""
    if os_release(host).get("ID", "debian") != "debian":
        return ""
    try:
        return host.text("/etc/debian_version").strip()
    except CannotLook:
        return os_release(host).get("VERSION_ID", "")


@fact
def packaged_postfix(host: Host) -> tuple[int, ...] | None:
    """Give Postfix's version by its package or, where dpkg cannot say, as this Debian release ships it."""
    return postfix_version(host) or POSTFIX.get(debian_release(host) or 0)


@fact
def system(host: Host) -> System:
    """Give which commands change this host: whether systemd steers it, and its Postfix's version."""
    return System(uses_systemd(host), packaged_postfix(host) or System().postfix)


@fact
def uses_systemd(host: Host) -> bool:
    """Tell whether systemd is init: running, as sd_booted(3) asks, or in a tree by what is installed."""
    if host.live:
        return host.exists("/run/systemd/system")
    return any(host.exists(f"{place}/systemd/systemd") for place in ("/lib", "/usr/lib"))

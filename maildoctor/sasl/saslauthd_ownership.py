"""What saslauthd's directory will look like once it is started: its starter makes it anew each time."""

import os
import stat

from maildoctor.debian.accounts import groups, passwd
from maildoctor.fact import fact
from maildoctor.host import Host, Missing, Step
from maildoctor.sasl.saslauthd_unit import unit

STATOVERRIDE = "/var/lib/dpkg/statoverride"


def as_made(host: Host, directory: str) -> Step | None:
    """Give the directory as the init script makes it: as dpkg-statoverride(1) says, else 0710 root:sasl.

    None where a native unit starts saslauthd, which leaves an existing directory as it is, or where there is
    no such group.
    """
    if unit(host) is not None:
        return None
    known, usual = overrides(host), ("root", "sasl", 0o710)
    owner, group, mode = known.get(directory) or known.get(f"/var{directory}") or usual
    if owner not in passwd(host) or group not in groups(host):
        return None
    fields = (stat.S_IFDIR | mode, 0, 0, 2, passwd(host)[owner][0], groups(host)[group][0], 0, 0, 0, 0)
    return Step(directory, os.stat_result(fields))


@fact
def overrides(host: Host) -> dict[str, tuple[str, str, int]]:
    """Map each path of dpkg-statoverride(1) to owner, group and mode."""
    try:
        lines = host.text(STATOVERRIDE).splitlines()
    except Missing:
        return {}
    rows = [line.split(" ", 3) for line in lines]
    return {
        row[3]: (row[0], row[1], int(row[2], 8))
        for row in rows
        if len(row) == 4 and row[2].strip("01234567") == ""
    }

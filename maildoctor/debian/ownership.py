"""Owner, group and mode, as evidence and as what an admin types."""

import os
import stat

from maildoctor.debian.accounts import group_name, user_name
from maildoctor.finding import Evidence
from maildoctor.host import Host, Step


def owners(host: Host, status: os.stat_result) -> str:
    """Give mode, owner and group in one look: ``0640 root:postfix``."""
    mode = stat.S_IMODE(status.st_mode)
    return f"{mode:04o} {user_name(host, status.st_uid)}:{group_name(host, status.st_gid)}"


def stat_evidence(host: Host, path: str, status: os.stat_result) -> Evidence:
    """Make evidence of what stat(1) shows for ``path``, a path on the host."""
    kind = Step(path, status).kind
    text = owners(host, status)
    return Evidence(f"stat {path}", text if stat.S_ISREG(status.st_mode) else f"{text}, {kind}")

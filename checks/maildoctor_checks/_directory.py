"""Who passes the directories on the way, and the least change that lets postfix pass one."""

import stat

from maildoctor.debian.accounts import account, group_name, user_name
from maildoctor.host import Host, Step
from maildoctor.remedy import ChangeOwner


def let_pass(host: Host, directory: Step) -> ChangeOwner:
    """Add the one x that postfix lacks: the owner's, the group's or the others', as the kernel would ask."""
    status, user = directory.status, account(host, "postfix")
    bit = 0o001
    if user and status.st_uid == user.uid:
        bit = 0o100
    elif user and status.st_gid in user.groups:
        bit = 0o010
    mode = stat.S_IMODE(status.st_mode) | bit
    owner, group = user_name(host, status.st_uid), group_name(host, status.st_gid)
    return ChangeOwner(directory.path, owner, group, mode)


def open_to_all(host: Host, path: str) -> bool:
    """Tell whether strangers get through every directory on the way to ``path``; errors as in ``walk``."""
    *directories, _ = host.walk(path)
    return all(step.status.st_mode & 0o001 for step in directories)

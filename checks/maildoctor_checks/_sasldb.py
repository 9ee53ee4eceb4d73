"""What the checks of sasldb2 share: where it is looked for, as evidence, and how it gets into a chroot."""

import os
from collections.abc import Iterable

from maildoctor.debian.accounts import account, group_name, user_name
from maildoctor.finding import Evidence, Impact
from maildoctor.host import CannotLook, Host, Missing
from maildoctor.postfix.service import Service
from maildoctor.remedy import Action, HardLink, MakeDirectory, MoveFile, Option, Remedy, SymbolicLink
from maildoctor.sasl.intention import intention, traces_of_sasldb
from maildoctor.sasl.sasldb import Database, Place, alone, in_use
from maildoctor.sasl.smtpd_conf import effective

MOST_NAMED = 5
"""Names that a finding lists before it says how many more there are."""


def is_judged(host: Host, service: Service) -> bool:
    """Tell whether sasldb2 matters: it is asked, and not only because an smtpd.conf is missing."""
    if not in_use(host, service):
        return False
    if not alone(host, service) and not any(traces_of_sasldb(host, service)):
        return False  # Others verify as well, and nobody has ever put a user into it.
    return effective(host, service).found or intention(host, service).verifier in ("sasldb", None)


def impact(host: Host, service: Service) -> Impact:
    """Give what it costs that sasldb2 cannot be used."""
    return Impact.ALL_LOGINS if alone(host, service) else Impact.SOME_LOGINS


def where_evidence(where: Place) -> tuple[Evidence, ...]:
    """Say what makes smtpd look there: smtpd.conf, the chroot."""
    said = (Evidence.at(where.source, f"sasldb_path: {where.path}"),) if where.source else ()
    return (*said, Evidence("chroot", where.root)) if where.root != "/" else said


def named(names: Iterable[object]) -> str:
    """List names, the first few of them."""
    listed = [str(name) for name in names]
    more = len(listed) - MOST_NAMED
    return ", ".join(listed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def postfix_group(host: Host) -> str:
    """Give the name of the group that a user postfix has by itself."""
    user = account(host, "postfix")
    return group_name(host, user.gid) if user else "postfix"


def owner_and_group(host: Host, status: os.stat_result) -> tuple[str, str]:
    """Give the names to hand on to chown(1)."""
    return user_name(host, status.st_uid), group_name(host, status.st_gid)


def link_into(host: Host, there: Database, where: Place, *, in_the_way: bool = False) -> Remedy:
    """Make the chroot's name a second one of the file, or move the file where a hard link cannot lead.

    ``in_the_way`` says that a symbolic link bears the name now.
    """
    directory = where.on_host.rpartition("/")[0]
    actions: list[Action] = [] if _is_there(host, directory) else [MakeDirectory(directory)]
    if same_file_system(host, there.path, where.on_host):
        return Remedy.safe(*actions, HardLink(there.path, where.on_host))
    if in_the_way:
        actions.append(MoveFile(where.on_host, f"{where.on_host}.old"))
    moved = (*actions, MoveFile(there.path, where.on_host), SymbolicLink(where.on_host, there.path))
    meaning = (
        "The file moves into the chroot, and a symbolic link takes its place: they are two file systems."
    )
    return Remedy.choice(Option("move-into-chroot", meaning, moved))


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except CannotLook:
        return True


def same_file_system(host: Host, first: str, second: str) -> bool:
    """Tell whether a hard link can lead from the directory of one path to that of the other.

    The directories are compared: on overlayfs a file may show the number of another layer's device.
    """
    return _device(host, first) == _device(host, second)


def _device(host: Host, path: str) -> int:
    while directory := path.rpartition("/")[0]:
        try:
            return host.stat(directory).st_dev
        except Missing:
            path = directory
    return host.stat("/").st_dev

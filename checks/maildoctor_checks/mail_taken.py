"""Permitted: can smtpd take mail at all from somebody who logged in? Free space, tables of addresses."""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host
from maildoctor.host.errors import NeedsLiveHost
from maildoctor.postfix import access_table, restrictions
from maildoctor.postfix.address_tables import Lookup, every_lookup
from maildoctor.postfix.admission import OWNER_CHECKS, OWNERS, restriction_list
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import cost, evidence, proof
from maildoctor.remedy import InstallPackages, Option, ReloadUnit, Remedy

MINFREE, SIZE = "queue_minfree", "message_size_limit"
SPACE_FACTOR = 1.5
"""smtpd wants that many times message_size_limit to be free: smtpd_check.c, smtpd_check_queue()."""


@check(Stage.PERMITTED, live=True)
def queue_space_short(host: Host, service: Service) -> Iterator[Finding]:
    """The queue's file system has too little free space, and smtpd takes no mail.

    What:
        Less is free than queue_minfree, or than one and a half times message_size_limit.
    Why:
        The disk filled up (logs, a mail loop), or one of the two was set far too high. A login succeeds, and
        MAIL FROM is answered with "452 4.3.1 Insufficient system storage", on every port.
    Start: saslauthd-chroot
    Break:
        postconf -e message_size_limit=100000000000000 mailbox_size_limit=0
        systemctl restart postfix
    Mend:
        postconf -X message_size_limit mailbox_size_limit
        postfix reload
    Safety:
        Manual: what may be deleted, or how large a message may be, only the admin knows.
    See: postconf(5) on queue_minfree and message_size_limit
    """
    queue = service.parameter("queue_directory").value or "/var/spool/postfix"
    name, wanted = max(
        ((MINFREE, _number(service, MINFREE)), (SIZE, int(_number(service, SIZE) * SPACE_FACTOR))),
        key=lambda each: each[1],
    )
    free = _free(host, queue)
    if free >= wanted:
        return
    yield Finding(
        summary=f"{_size(free)} are free for {queue}, and smtpd wants {_size(wanted)}: it takes no mail",
        subject=queue,
        impact=cost(host, service, name),
        expected=f"at least {_size(wanted)} free",
        found=f"{_size(free)} free",
        evidence=(Evidence(f"statvfs {queue}", f"{free} bytes free"), evidence(service, name)),
        proof=f"df -h {quote(queue)}; {proof(service, name)}",
        remedy=Remedy.manual(f"Make space on the file system of {queue}, or correct {name}."),
    )


def _number(service: Service, name: str) -> int:
    text = service.parameter(name).value.strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def _free(host: Host, directory: str) -> int:
    import os

    if not host.live:
        raise NeedsLiveHost("free space")
    found = os.statvfs(host.here(host.resolve(directory)))
    return found.f_bavail * found.f_frsize


def _size(count: int) -> str:
    amount, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.0f} {units[0]}"


@check(Stage.PERMITTED)
def lookup_table_missing(host: Host, service: Service) -> Iterator[Finding]:
    """A table of addresses or domains cannot be opened, and smtpd takes no recipient.

    What:
        virtual_alias_maps, transport_maps, mydestination or a relative names a file that is not there (mostly
        postmap was never run on the text), or a type of table that this Postfix does not know.
    Why:
        Each recipient is looked up there, wherever it is. A login succeeds, and RCPT TO is answered with "451
        4.3.0 Temporary lookup failure"; the log has "error: open database ...: No such file or directory".
    Start: saslauthd-chroot
    Break:
        echo 'info@mail.example.com hoge' > /etc/postfix/virtual
        postconf -e virtual_alias_maps=hash:/etc/postfix/virtual
        systemctl restart postfix
    Mend:
        postmap hash:/etc/postfix/virtual
        postfix reload
    Safety:
        postmap only writes the indexed file beside the text. A missing package is installed by choice.
    See: postconf(5), postmap(1), DATABASE_README
    """
    for lookup in every_lookup(service, *([OWNERS] if _asks_owners(host, service) else [])):
        if not lookup.is_file and access_table.unsupported(host, lookup.text):
            yield _unsupported(host, service, lookup)
        elif file := _missing(host, lookup):
            yield _not_there(host, service, lookup, file)


def _asks_owners(host: Host, service: Service) -> bool:
    lists = (restriction_list(host, service, name) for name in restrictions.LISTS)
    return any(each.name in OWNER_CHECKS for listed in lists for _, each in restrictions.flatten(listed))


def _missing(host: Host, lookup: Lookup) -> str | None:
    if lookup.is_file:
        return None if host.exists(lookup.text) else lookup.text
    return access_table.missing_file(host, lookup.text)


def _not_there(host: Host, service: Service, lookup: Lookup, file: str) -> Finding:
    table = access_table.Table.of(lookup.text)
    make = f"postmap {table.kind}:{table.path}"
    indexed = table.kind in access_table.INDEXED and not lookup.is_file
    text_is_there = indexed and host.exists(table.path)
    return Finding(
        summary=f"{file} is missing, so smtpd answers 451 to every recipient",
        subject=file,
        impact=cost(host, service, lookup.parameter),
        expected=f"{file}, as {lookup.parameter} names it",
        found="no such file",
        evidence=(evidence(service, lookup.parameter), Evidence(f"stat {file}", "No such file or directory")),
        proof=f"stat {quote(file)}",
        remedy=Remedy.manual(
            f"{make} && systemctl reload postfix"
            if text_is_there
            else f"Write {table.path if indexed else file}{f', then: {make}' if indexed else ''}; "
            f"or take it out of {lookup.parameter}."
        ),
    )


def _unsupported(host: Host, service: Service, lookup: Lookup) -> Finding:
    kind = access_table.Table.of(lookup.text).kind
    package = f"postfix-{kind}"
    known = kind in access_table.PACKAGES
    return Finding(
        summary=f"Postfix knows no tables of type {kind}: it answers 451 to every recipient",
        subject=lookup.parameter,
        impact=cost(host, service, lookup.parameter),
        expected=" ".join(sorted(access_table.types(host) or ())),
        found=kind,
        evidence=(
            evidence(service, lookup.parameter),
            Evidence(access_table.DYNAMIC, f"no line for {kind}"),
        ),
        proof="postconf -m",
        remedy=Remedy.choice(
            Option(
                "install",
                f"{package} brings this type of table.",
                (InstallPackages((package,)), ReloadUnit("postfix")),
            )
        )
        if known
        else Remedy.manual(f"Correct the type {kind} in {lookup.parameter}, then reload Postfix."),
    )

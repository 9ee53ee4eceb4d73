"""The system refuses: each call that writes fails once, with each errno, and the host is whole."""

import contextlib
import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from maildoctor.remedy import ChangeOwner, HardLink, MakeDirectory, MoveFile, SetLine, SymbolicLink, WriteFile
from maildoctor.remedy.engine import Repair
from maildoctor.remedy.plan import arrange
from maildoctor.remedy.record import Status
from maildoctor.remedy.trouble import RepairFailed

from .conftest import FakeSite, inventory

CHROOT_SASLDB = "/var/spool/postfix/etc/sasldb2"
WRITING = (
    "mkdir", "open", "pwrite", "fsync", "ftruncate", "rename", "link", "symlink", "unlink", "chown", "chmod",
    "utime",
)  # fmt: skip
STEPS = arrange(
    [
        (
            "everything",
            (
                SetLine("/etc/default/saslauthd", "START", "=", "yes"),
                WriteFile("/etc/new/smtpd.conf", "pwcheck_method: saslauthd\n", "root", "sasl", 0o640),
                MakeDirectory("/var/spool/postfix/etc/deep/deeper", "root", "sasl", 0o710),
                ChangeOwner("/etc/gshadow", "root", "sasl", 0o600),
                MoveFile("/etc/sasldb2", CHROOT_SASLDB),
                SymbolicLink(CHROOT_SASLDB, "/etc/sasldb2"),
                HardLink(CHROOT_SASLDB, "/etc/copy"),
            ),
        )
    ]
)


class Failing:
    """Makes one os function fail at its nth call; reading stays possible."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, number: int, code: int) -> None:
        self.left, self.hit, self.code = number, False, code
        self.function: Callable[..., Any] = getattr(os, name)
        self.opening = name == "open"
        monkeypatch.setattr(os, name, self)

    def __call__(self, *words: Any, **options: Any) -> Any:
        if self.opening and not words[1] & (os.O_WRONLY | os.O_RDWR):
            return self.function(*words, **options)
        self.left -= 1
        if self.left == 0:
            self.hit = True
            raise OSError(self.code, os.strerror(self.code), words[0])
        return self.function(*words, **options)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EPERM, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("name", WRITING)
def test_every_refused_call_leaves_the_host_as_it_was(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    if name != "fsync":
        monkeypatch.setattr(os, "fsync", lambda _: None)  # Nothing is slower, and here it proves nothing.
    os.link(site.root + "/etc/default/saslauthd", site.root + "/other")
    before, number, hits = inventory(site.root), 0, 0
    while True:
        number += 1
        with monkeypatch.context() as patch:
            failing = Failing(patch, name, number, code)
            failed = _repair_and_take_back(site)
        if not failing.hit:
            break
        hits += failed
        assert inventory(site.root) == before, f"call {number} of {name}"
    assert hits or name in ("unlink", "utime", "ftruncate")


def _repair_and_take_back(site: FakeSite) -> bool:
    """Repair; take back, failed or not, and again if that failed. Tell whether repairing failed."""
    failed = False
    try:
        repair = Repair(site)
    except RepairFailed:
        return True
    try:
        repair.apply(STEPS)
    except RepairFailed:
        failed = True
    problems = repair.take_back()
    if problems:
        assert repair.take_back() == [], problems
    repair.end(Status.TAKEN_BACK)
    return failed


class Full:
    """A disk on which, from the nth call on, no file can grow any more."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.write = os.pwrite

    def __call__(self, descriptor: int, content: bytes, offset: int) -> int:
        self.left -= 1
        if self.left <= 0 and offset + len(content) > os.fstat(descriptor).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.write(descriptor, content, offset)


@pytest.mark.parametrize("number", range(1, 25))
def test_disk_that_stays_full(site: FakeSite, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    before = inventory(site.root)
    monkeypatch.setattr(os, "pwrite", Full(number))
    steps = arrange([("x", (SetLine("/etc/default/saslauthd", "START", "=", "yes"),))])
    try:
        repair = Repair(site)
    except RepairFailed as error:
        said = str(error)
    else:
        with contextlib.suppress(RepairFailed):
            repair.apply(steps)
        assert repair.take_back() == []
        said = "room"
    assert "room" in said
    assert inventory(site.root) == before

"""Runs on a host: kills a repair before every system call that changes something, and undoes it each time;
or lets each such call fail instead, after which the repair itself must have brought everything back.

The state after one such call is the state before the next, so this is also a kill after each. A call counts
for each process by itself (strace(1), inject=...:when=N), so the programs that a repair starts are killed
at each of their calls as well; then the repair itself must bring everything back.

usage: killing.py NAME repair|undo|fail; prints a line of JSON.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys

from maildoctor.remedy import (
    AddUserToGroup,
    ChangeOwner,
    EnableUnit,
    MakeDirectory,
    MoveFile,
    SetLine,
    SetServiceOption,
    StatOverride,
    SymbolicLink,
    UnitDropIn,
)
from maildoctor.remedy.engine import Repair, undo
from maildoctor.remedy.journal import records
from maildoctor.remedy.lock import locked
from maildoctor.remedy.plan import arrange
from maildoctor.remedy.record import Status
from maildoctor.remedy.site import Site
from maildoctor.remedy.trouble import RepairFailed

DEFAULTS = "/etc/default/saslauthd"
INSIDE = "/var/spool/postfix/etc/sasldb2"
REMEDIES = {
    "line": (SetLine(DEFAULTS, "START", "=", "yes"), SetLine(DEFAULTS, "MECHANISMS", "=", "shadow")),
    "line-in-place": (SetLine("/etc/hardlinked", "START", "=", "yes"),),
    "postconf": (SetServiceOption("smtp/inet", "smtpd_sasl_auth_enable", "no"),),
    "group": (AddUserToGroup("postfix", "sasl"),),
    "statoverride": (StatOverride("/etc/sasldb2", "root", "postfix", 0o640),),
    "owner-and-directory": (
        ChangeOwner("/etc/sasldb2", "root", "postfix", 0o640),
        MakeDirectory("/var/spool/postfix/var/run/saslauthd", "root", "sasl", 0o710),
    ),
    "move": (MoveFile("/etc/sasldb2", INSIDE), SymbolicLink(INSIDE, "/etc/sasldb2")),
    "drop-in": (UnitDropIn("saslauthd.service", "[Service]\nPIDFile=/run/saslauthd/x.pid\n"),),
    "boot": (EnableUnit("saslauthd"),),
}
CALLS = (
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat",
    "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "lchown", "write",
    "pwrite64", "ftruncate", "fsync", "fdatasync", "setxattr", "fsetxattr", "utimensat",
)  # fmt: skip
ERRORS = ("ENOSPC", "EROFS", "EPERM", "EIO")
TRACE = "/root/trace"
TOPS = ("/etc", "/var/spool/postfix/etc", "/var/spool/postfix/var", "/var/lib/dpkg/statoverride")
MOST = 400
"""Kills of one kind of call; a repair that needs more would be a loop."""


def main(name: str, what: str) -> None:
    """Kill ``what`` at every call of every kind, or let the call fail, and compare."""
    prepare(name)
    before = inventory()
    kills, wrong = 0, []
    for call in CALLS:
        for number in range(1, MOST):
            if what == "undo":
                repair(name)
            how = f"error={ERRORS[number % len(ERRORS)]}" if what == "fail" else "signal=SIGKILL"
            status, injected = traced(call, number, name, "undo" if what == "undo" else "repair", how)
            if what != "fail" or status == 0:
                finish()
            if not injected:
                break
            kills += 1
            after = inventory()
            if after != before:
                wrong.append(f"{call} {number} {how}: {difference(before, after)}")
                finish()
    print(json.dumps({"kills": kills, "wrong": wrong}))


def prepare(name: str) -> None:
    """Make the file of two names, and let nothing of an earlier run stand."""
    if name == "line-in-place" and not os.path.exists("/etc/hardlinked"):
        with open("/etc/hardlinked", "w") as stream:
            stream.write("START=no\n# a longer file than what comes\n" * 3)
        os.link("/etc/hardlinked", "/etc/hardlinked.too")


def traced(call: str, number: int, name: str, what: str, how: str) -> tuple[int, bool]:
    """Run the repair, killed or refused at the given call; tell its status, and whether it came to that."""
    inject = f"inject={call}:{how}:when={number}"
    words = ["strace", "-f", "-qq", "-o", TRACE, "-e", f"trace={call}", "-e", inject]
    program = [sys.executable, __file__, name, f"do-{what}"]
    quiet = subprocess.DEVNULL
    status = subprocess.run([*words, *program], stdout=quiet, stderr=quiet).returncode
    with open(TRACE, encoding="utf-8", errors="replace") as stream:
        seen = stream.read()
    return status, "INJECTED" in seen or (status != 0 and "SIGKILL" in how)


def repair(name: str) -> int:
    """Repair as ``check --fix`` does; 3 if it failed and was taken back."""
    site = Site()
    with locked(site):
        run = Repair(site)
        try:
            run.apply(arrange([(name, REMEDIES[name])]))
        except RepairFailed:
            if not run.take_back():
                run.end(Status.TAKEN_BACK)
            return 3
        run.end(Status.DONE)
    return 0


def finish() -> bool:
    """Undo what is there to be undone; twice if the first time a program was killed."""
    site = Site()
    with locked(site):
        open_ = [each for each in records(site) if each.status in (Status.DONE, Status.INTERRUPTED)]
        return all(not undo(site, each.id) for each in open_)


def inventory() -> dict[str, list[object]]:
    """Give everything that the remedies may touch."""
    found: dict[str, list[object]] = {}
    for top in TOPS:
        paths = [top] if os.path.lexists(top) else []
        for directory, names, files in os.walk(top):
            paths += [f"{directory}/{each}" for each in names + files]
        for path in paths:
            found[path] = look(path)
    return found


def look(path: str) -> list[object]:
    status = os.lstat(path)
    content = ""
    if os.path.islink(path):
        content = os.readlink(path)
    elif os.path.isfile(path):
        with open(path, "rb") as stream:
            content = hashlib.sha256(stream.read()).hexdigest()
    links = status.st_nlink if os.path.isfile(path) else 0
    return [status.st_mode, status.st_uid, status.st_gid, links, content]


def difference(before: dict[str, list[object]], after: dict[str, list[object]]) -> str:
    """Say what differs, briefly."""
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return "; ".join(f"{path}: {before.get(path)} -> {after.get(path)}" for path in paths[:3])


if __name__ == "__main__":
    if sys.argv[2] == "do-repair":
        sys.exit(repair(sys.argv[1]))
    elif sys.argv[2] == "do-undo":
        with contextlib.suppress(RepairFailed):
            sys.exit(0 if finish() else 3)
        sys.exit(3)
    main(sys.argv[1], sys.argv[2])

"""The journal and the lock: what is cut off, damaged, foreign or held by somebody else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maildoctor.remedy import SetLine
from maildoctor.remedy.engine import Repair, undo
from maildoctor.remedy.journal import RUNS_KEPT, Journal, records
from maildoctor.remedy.lock import holder, locked
from maildoctor.remedy.plan import arrange
from maildoctor.remedy.record import Status
from maildoctor.remedy.thing import Thing
from maildoctor.remedy.trouble import RepairFailed, RepairInProgress

from .conftest import FakeSite, inventory

START = SetLine("/etc/default/saslauthd", "START", "=", "yes")
STEPS = arrange([("saslauthd-start-not-yes", (START,))])


def begun(site: FakeSite) -> Repair:
    repair = Repair(site)
    repair.mean([{"code": "saslauthd-start-not-yes", "summary": "START is not yes."}])
    repair.apply(STEPS)
    return repair


def test_run_without_end_is_interrupted_and_can_be_undone(site: FakeSite) -> None:
    before = inventory(site.root)
    repair = begun(site)
    [record] = records(site)
    assert (record.status, record.causes[0]["code"]) == (Status.INTERRUPTED, "saslauthd-start-not-yes")
    assert record.commands == [START.command(site.system)]
    assert undo(site, repair.journal.name) == []
    assert inventory(site.root) == before


def test_line_that_was_cut_off_is_passed_over(site: FakeSite) -> None:
    before = inventory(site.root)
    repair = begun(site)
    with open(f"{repair.journal.directory}/journal", "ab") as stream:
        stream.write(b'\n{"event": "did", "thi')
    assert undo(site, repair.journal.name) == []
    assert inventory(site.root) == before
    assert records(site)[0].status is Status.UNDONE


def test_damaged_copy_is_never_put_back(site: FakeSite) -> None:
    repair = begun(site)
    repair.end(Status.DONE)
    contents = Path(repair.journal.directory, "contents")
    contents.write_bytes(contents.read_bytes().replace(b"START=no", b"START=xx"))
    after = inventory(site.root)
    with pytest.raises(RepairFailed, match="damaged"):
        undo(site, repair.journal.name)
    assert inventory(site.root) == after


def test_journal_is_for_root_alone(site: FakeSite) -> None:
    begun(site)
    state = Path(site.root, "var/lib/maildoctor")
    for path in (state, *state.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_journal_of_somebody_else_is_refused(site: FakeSite) -> None:
    state = Path(site.root, "var/lib/maildoctor")
    state.mkdir()
    os.chown(state, 103, 109)
    with pytest.raises(RepairFailed, match="root's own"):
        Repair(site)


def test_old_runs_are_forgotten_but_not_interrupted_ones(site: FakeSite) -> None:
    names = [Journal.begin(site).name for _ in range(RUNS_KEPT + 2)]
    for name in names[1:]:
        Journal(site, name).write("end", status="undone")
    Journal.begin(site)
    kept = {record.id for record in records(site)}
    assert names[0] in kept
    assert names[1] not in kept


def test_every_kind_of_thing_is_known_to_a_fresh_process() -> None:
    program = (
        "import json, maildoctor.remedy.journal as j; from maildoctor.remedy.thing import Thing;"
        "print(json.dumps(sorted(Thing.kinds)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == sorted(Thing.kinds)


def test_second_admin_waits_briefly_and_is_told_who(site: FakeSite) -> None:
    other = FakeSite(Path(site.root))
    with locked(site):
        assert str(os.getpid()) in (holder(other) or "")
        with pytest.raises(RepairInProgress, match=f"process {os.getpid()}, since"), locked(other, 0.2):
            pass
    assert holder(other) is None
    with locked(other, 0.2):
        pass


def test_orphan_still_holds_the_lock(site: FakeSite) -> None:
    """A program that the killed repair had started keeps the next repair waiting until it ends."""
    program = (
        "import os, subprocess, sys; sys.path.insert(0, sys.argv[2]);"
        "from maildoctor.remedy.site import Site; from maildoctor.remedy.lock import locked;"
        "site = Site(root=sys.argv[1]);"
        "lock = locked(site); lock.__enter__(); print(os.getpid(), flush=True);"
        "site.run('sleep', '3')"
    )
    words = [sys.executable, "-c", program, site.root, str(Path(__file__).parents[2])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pid = process.stdout.readline().strip()
        children = Path(f"/proc/{pid}/task/{pid}/children")
        while not children.read_text().strip():
            pass
        process.kill()
    with pytest.raises(RepairInProgress, match=f"process {pid}.*killed"), locked(site, 0.1):
        pass
    with locked(site, 10):
        pass

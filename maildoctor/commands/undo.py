"""``maildoctor undo``: take a repair back."""

import os
import sys

from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.remedy.engine import lost, undo
from maildoctor.remedy.journal import records
from maildoctor.remedy.record import Record, Status
from maildoctor.remedy.site import Site
from maildoctor.remedy.system import System
from maildoctor.remedy.trouble import ChangedSince, RepairFailed
from maildoctor.report import plan_text
from maildoctor.report.ink import Colour, Line, write

FORCE = "`maildoctor undo --force` takes back all the same, and with it these changes."


def run(name: str | None, *, yes: bool, force: bool, colour: Colour) -> ExitStatus:
    """Take back the last run, or the run ``name``. It needs neither Postfix nor a valid configuration.

    Raises WrongUsage.
    """
    if os.geteuid() != 0:
        raise WrongUsage("undo needs root")
    from maildoctor.remedy.lock import locked

    site = Site(System(systemd=os.path.isdir("/run/systemd/system")))
    try:
        with locked(site):
            return _undo(site, name, yes=yes, force=force, colour=colour)
    except RepairFailed as error:
        raise WrongUsage(str(error)) from error


def _undo(site: Site, name: str | None, *, yes: bool, force: bool, colour: Colour) -> ExitStatus:
    record = _chosen(records(site), name)
    if record is None:
        write([[("There is nothing to take back.", "")]], colour)
        return ExitStatus.FINE
    write([*plan_text.history([record]), *_lost(site, record)], colour)
    if not yes:
        if not sys.stdin.isatty():
            raise WrongUsage("nothing was changed: nobody can be asked here; `undo --yes` does not ask")
        if input("Take this back (y/n)? ").strip().lower() not in ("y", "yes"):
            write([[("Nothing was changed.", "")]], colour)
            return ExitStatus.FOUND
    try:
        problems = undo(site, record.id, force=force)
    except ChangedSince as error:
        write([*_changed(error), [(FORCE, "")]], colour)
        return ExitStatus.FOUND
    lines: list[Line] = [[("Could not be brought back: ", "bold red"), (text, "")] for text in problems]
    write(lines or [[("Taken back: ", "green"), (record.id, "bold")]], colour)
    return ExitStatus.FOUND if problems else ExitStatus.FINE


def _chosen(runs: list[Record], name: str | None) -> Record | None:
    """Give the run to take back: a killed one first, else the last. Raises WrongUsage for an unknown name."""
    able = [record for record in runs if record.status in (Status.DONE, Status.INTERRUPTED)]
    if name is None:
        return next((each for each in able if each.status is Status.INTERRUPTED), able[0] if able else None)
    if name not in [record.id for record in runs]:
        raise WrongUsage(f"no repair is named {name!r}; `maildoctor history` lists them")
    return next((record for record in able if record.id == name), None)


def _lost(site: Site, record: Record) -> list[Line]:
    return [[("   ", ""), (text, "yellow")] for text in lost(site, record.id)]


def _changed(error: ChangedSince) -> list[Line]:
    lines: list[Line] = [
        [("Somebody has changed since what the repair left; nothing was taken back.", "bold")]
    ]
    for _, texts in error.differences:
        lines += [[("   ", ""), (text, plan_text.DIFF_STYLES.get(text[:1], ""))] for text in texts]
    return lines

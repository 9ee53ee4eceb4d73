"""``maildoctor history``: what was repaired, when, why, and by which actions."""

import os
import sys

from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.report.ink import Colour, write


def run(*, as_json: bool, colour: Colour) -> ExitStatus:
    """List the repairs, the latest first. Raises WrongUsage."""
    from maildoctor.remedy.journal import records
    from maildoctor.remedy.site import Site
    from maildoctor.remedy.trouble import RepairFailed
    from maildoctor.report import plan_json, plan_text

    try:
        runs = records(Site())
    except RepairFailed as error:
        raise WrongUsage(f"{error}; history needs root") from error
    if as_json:
        sys.stdout.write(plan_json.history(runs))
    else:
        write(plan_text.history(runs), colour)
    return ExitStatus.FINE


def warn_of_interruption() -> None:
    """Say on stderr that a repair was killed, if this process may know; nothing is opened for writing."""
    if not os.access("/var/lib/maildoctor/runs", os.R_OK | os.X_OK):
        return
    from maildoctor.remedy.journal import records
    from maildoctor.remedy.lock import holder
    from maildoctor.remedy.record import Status
    from maildoctor.remedy.site import Site

    site = Site()
    run = next((each for each in records(site) if each.status is Status.INTERRUPTED), None)
    if run is None:
        return
    if by := holder(site):
        print(f"maildoctor: a repair is under way: {by}", file=sys.stderr)
    else:
        print(
            f"maildoctor: the repair {run.id} was interrupted and is half done; "
            "`maildoctor undo` takes it back",
            file=sys.stderr,
        )

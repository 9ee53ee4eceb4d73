"""``maildoctor check``: diagnose a host and report."""

import os
from dataclasses import dataclass

from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.commands.output import report_stream
from maildoctor.diagnosis import Diagnosis, UnknownName, Verdict, diagnose
from maildoctor.finding import Severity
from maildoctor.host import CannotLook, Host, TreeHost, this_host
from maildoctor.remedy import System
from maildoctor.report.ink import Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What was asked for on the command line."""

    root: str | None = None
    service: str | None = None
    auth: str | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    fail_on: Severity = Severity.ERROR
    as_json: bool = False
    output: str | None = None
    colour: Colour = Colour.AUTO
    quiet: bool = False
    verbose: bool = False


def run(options: CheckOptions) -> ExitStatus:
    """Diagnose, report, and give the exit status. Raises WrongUsage."""
    host = _host(options)
    try:
        diagnosis = diagnose(host, only=options.only, skip=options.skip, service=options.service)
    except UnknownName as error:
        raise WrongUsage(str(error)) from error
    _report(diagnosis, system_of(host), options)
    if host.live:
        from maildoctor.commands.history import warn_of_interruption

        warn_of_interruption()
    return exit_status(diagnosis, options.fail_on)


def exit_status(diagnosis: Diagnosis, fail_on: Severity) -> ExitStatus:
    """Give 1 for a finding at or above ``fail_on``, else 3 where the host could not be judged, else 0."""
    worst = max((each.severity for each in (*diagnosis.root_causes, *diagnosis.information)), default=None)
    if worst is not None and worst >= fail_on:
        return ExitStatus.FOUND
    return ExitStatus.UNJUDGED if diagnosis.verdict is Verdict.UNKNOWN else ExitStatus.FINE


def system_of(host: Host) -> System:
    """Give what the host's commands look like; where that cannot be told, as on today's Debian."""
    from maildoctor.debian.release import system

    try:
        return system(host)
    except CannotLook:
        return System()


def _host(options: CheckOptions) -> Host:
    host: Host
    if options.root is None:
        host = this_host()
    elif os.path.isdir(options.root):
        host = TreeHost(options.root)
    else:
        raise WrongUsage(f"--root {options.root}: is not a directory")
    host.intended = options.auth
    return host


def _report(diagnosis: Diagnosis, system: System, options: CheckOptions) -> None:
    with report_stream(options.output) as stream:
        if options.as_json:
            from maildoctor.report import check_json

            stream.write(check_json.render(diagnosis, system))
            return
        from maildoctor.report import check_text, ink

        ascii_only = not (stream.encoding or "").lower().startswith("utf")
        lines = check_text.render(
            diagnosis, system, quiet=options.quiet, verbose=options.verbose, ascii_only=ascii_only
        )
        ink.write(list(lines), options.colour, stream)

"""How every command ends: with a status, and one line on stderr for what it could not do."""

import os
import sys
from collections.abc import Callable

from maildoctor.commands import ExitStatus, WrongUsage


def status_of(command: Callable[[], ExitStatus]) -> ExitStatus:
    """Run a command; give its exit status, or that of what stopped it. Never raises."""
    try:
        return command()
    except WrongUsage as error:
        _say(str(error))
        return ExitStatus.USAGE
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the report has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.FOUND
    except Exception as error:
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}:{place.lineno}"
        _say(f"a fault of maildoctor's own, please report it: {type(error).__name__}: {error} ({where})")
        return ExitStatus.UNJUDGED


def _say(message: str) -> None:
    from maildoctor.report.sanitise import visible

    print(f"maildoctor: {visible(message)}", file=sys.stderr)

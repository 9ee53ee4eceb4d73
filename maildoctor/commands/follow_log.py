"""``maildoctor explain-log --follow``: each attempt is explained as it ends."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.commands.explain_log import ExplainLogOptions
from maildoctor.maillog.catalogue import Message, catalogue
from maildoctor.maillog.evidence import journal_command
from maildoctor.maillog.follow import new_lines
from maildoctor.maillog.foreign import canonical
from maildoctor.maillog.incident import sample, shown
from maildoctor.maillog.ledger import LOGIN_KEY, Ledger
from maildoctor.maillog.order import Case, causes_of
from maildoctor.maillog.places import at_hand
from maildoctor.maillog.reader import Reader
from maildoctor.maillog.stamps import Calendar
from maildoctor.maillog.tally import Attempt, Tally
from maildoctor.maillog.testimony import word_about
from maildoctor.maillog.wanted import Wanted
from maildoctor.report import ink

CAUSES = 3
"""How many likely causes of an attempt are told."""
NOBODY = ("every-login-fails",)
"""What a login rules out."""


def follow(options: ExplainLogOptions, wanted: Wanted) -> ExitStatus:
    """Explain attempts until Ctrl-C, which is how this ends. Raises WrongUsage."""
    if options.as_json or options.output or "-" in options.files:
        raise WrongUsage("--follow: writes text about files or the journal to the terminal")
    # A verifier speaks before smtpd does, so that its log is looked into first.
    paths = list(options.files) or ([] if options.journal else list(reversed(at_hand())))
    where = ", ".join(paths) or "the journal"
    _write([("Following ", "dim"), (where, ""), ("; Ctrl-C ends it.", "dim")], options)

    ledger = Ledger()

    def ended(attempt: Attempt, message: Message | None) -> None:
        ledger.settle()
        for line in explained(attempt, message, Case(ledger, catalogue(), {}, CAUSES)):
            _write(line, options)

    reader = Reader(Calendar(datetime.now()), ledger, wanted, ended)
    try:
        with _lines(paths) as lines:
            for line in lines:
                reader.line(canonical(line))
                ledger.settle()
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    return ExitStatus.FINE


def explained(attempt: Attempt, message: Message | None, case: Case) -> Iterator[ink.Line]:
    """Yield what to say about one attempt, in the light of all that was read before."""
    who = shown(attempt.user) or "somebody (no name in the log)"
    where = f"{attempt.service or '?'}  {shown(attempt.client)}  {attempt.mechanism}"
    clock = attempt.when[11:19] or "--:--:--"
    if attempt.key == LOGIN_KEY:
        yield [(f"{clock}  ", "dim"), (f"{who} logged in", "green"), (f"  {where}", "dim")]
        return
    stage = f"stopped at {message.stage}" if message and message.stage else "was refused"
    yield [(f"{clock}  ", "dim"), (f"{who} {stage}", "red"), (f"  {where}", "dim")]
    if message is None:
        yield [(f"          {sample(attempt.sample)}", "")]
        return
    said = word_about(attempt, case) if message.role == "refused" else None
    said = said or (message, attempt.key[1], case.ledger.tallies.get(attempt.key, Tally()))
    yield [(f"          {said[0].meaning}", "")]
    causes = [each for each in causes_of(*said, case) if not (case.ledger.logins and each.code in NOBODY)]
    for cause in causes[:CAUSES]:
        yield [
            ("          - ", ""),
            (cause.code, "bold"),
            (f": {cause.summary} Told by: {cause.told_apart_by}", ""),
        ]


def _write(line: ink.Line, options: ExplainLogOptions) -> None:
    ink.write([line], options.colour)
    sys.stdout.flush()


@contextmanager
def _lines(paths: list[str]) -> Iterator[Iterator[bytes]]:
    if paths:
        yield new_lines(paths)
        return
    command = journal_command("--follow", "--lines=0")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield iter(process.stdout.readline, b"")
        finally:
            process.kill()

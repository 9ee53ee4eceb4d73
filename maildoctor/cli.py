"""The commands and their options, nothing else."""

from collections.abc import Callable
from enum import StrEnum
from typing import List, NoReturn, Optional

import typer

from maildoctor import __version__
from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.commands.ending import status_of
from maildoctor.report.ink import Colour

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    # Its pretty tracebacks would print local variables, a password among them.
    pretty_exceptions_enable=False,
    help="Finds out why SMTP AUTH does not work on a Postfix server, and says how to mend it.",
)


class Format(StrEnum):
    """The values of ``--format``."""

    TEXT = "text"
    JSON = "json"


class Auth(StrEnum):
    """The values of ``--auth``."""

    SASLAUTHD = "saslauthd"
    SASLDB = "sasldb"
    DOVECOT = "dovecot"


class Tls(StrEnum):
    """The values of ``--tls``."""

    AUTO = "auto"
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class FailOn(StrEnum):
    """The values of ``--fail-on``."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


COLOUR = typer.Option(Colour.AUTO, "--color", help="Paint the output.")
FORMAT = typer.Option(Format.TEXT, "--format", help="How to report.")
OUTPUT = typer.Option(None, "--output", metavar="FILE", help="Write the report to FILE instead of stdout.")


def finish(command: Callable[[], ExitStatus]) -> NoReturn:
    """Run a command and end with its exit status."""
    raise typer.Exit(int(status_of(command)))


def _without_fix() -> NoReturn:
    raise WrongUsage("--yes, --dry-run, --accept and --user go with --fix")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"maildoctor {__version__}")
        raise typer.Exit()


@app.callback()
def _common(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Say the version."
    ),
) -> None:
    pass


@app.command()
def check(
    root: Optional[str] = typer.Option(
        None, "--root", metavar="DIR", help="Judge the host whose files lie in DIR."
    ),
    service: Optional[str] = typer.Option(
        None, "--service", metavar="NAME", help="Judge one service alone: its name in master.cf, or its port."
    ),
    auth: Optional[Auth] = typer.Option(None, "--auth", help="Which way of verifying passwords is meant."),
    only: List[str] = typer.Option([], "--only", metavar="CODE", help="Ask this check alone; repeatable."),
    skip: List[str] = typer.Option([], "--skip", metavar="CODE", help="Leave this check out; repeatable."),
    fail_on: FailOn = typer.Option(FailOn.ERROR, "--fail-on", help="Exit with 1 from this severity on."),
    fix: bool = typer.Option(False, "--fix", help="Repair: show the plan, ask, mend, and look again."),
    yes: bool = typer.Option(False, "--yes", help="With --fix: do every safe repair without asking."),
    dry_run: bool = typer.Option(False, "--dry-run", help="With --fix: show the plan and stop."),
    accept: List[str] = typer.Option(
        [],
        "--accept",
        metavar="CODE[=OPTION]",
        help="With --fix: make this choice, without OPTION the first one; repeatable.",
    ),
    user: Optional[str] = typer.Option(
        None,
        "--user",
        metavar="NAME@REALM",
        help="With --fix --auth sasldb: a first user; the password from a prompt or stdin.",
    ),
    format: Format = FORMAT,
    output: Optional[str] = OUTPUT,
    color: Colour = COLOUR,
    quiet: bool = typer.Option(False, "-q", "--quiet", help="Say the verdict alone."),
    verbose: bool = typer.Option(
        False,
        "-v",
        "--verbose",
        help="Say as well what follows, what is worth knowing, and what was not asked.",
    ),
) -> None:
    """Name the root cause of failing logins on this host, with evidence and repair."""
    from maildoctor.commands import check as command
    from maildoctor.finding import Severity

    options = command.CheckOptions(
        root=root,
        service=service,
        auth=auth.value if auth else None,
        only=tuple(only),
        skip=tuple(skip),
        fail_on=Severity[fail_on.name],
        as_json=format is Format.JSON,
        output=output,
        colour=color,
        quiet=quiet,
        verbose=verbose,
    )
    if fix:
        from maildoctor.commands import fix as fixing

        wanted = fixing.FixOptions(check=options, yes=yes, dry_run=dry_run, accept=tuple(accept), user=user)
        finish(lambda: fixing.run(wanted))
    if yes or dry_run or accept or user:
        finish(_without_fix)
    finish(lambda: command.run(options))


@app.command()
def undo(
    id: Optional[str] = typer.Argument(None, metavar="[ID]", help="A repair from `maildoctor history`."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    force: bool = typer.Option(False, "--force", help="Overwrite what somebody changed since."),
    color: Colour = COLOUR,
) -> None:
    """Take back the last repair, or the one named."""
    from maildoctor.commands import undo as command

    finish(lambda: command.run(id, yes=yes, force=force, colour=color))


@app.command()
def history(format: Format = FORMAT, color: Colour = COLOUR) -> None:
    """List what was repaired: when, why, and by which actions."""
    from maildoctor.commands import history as command

    finish(lambda: command.run(as_json=format is Format.JSON, colour=color))


@app.command()
def explain(
    code: str = typer.Argument(
        ..., metavar="CODE", help="A finding's code, such as postfix-not-in-group-sasl."
    ),
    color: Colour = COLOUR,
) -> None:
    """Say what a finding means: what, why, a broken and a mended example, how safe the repair is."""
    from maildoctor.commands import explain as command

    finish(lambda: command.explain(code, color))


@app.command()
def checks(color: Colour = COLOUR) -> None:
    """List all checks."""
    from maildoctor.commands import explain as command

    finish(lambda: command.list_checks(color))


@app.command()
def probe(
    host: Optional[str] = typer.Option(
        None, "--host", metavar="HOST", help="Probe another host; without it, this host's own services."
    ),
    port: Optional[int] = typer.Option(
        None, "--port", metavar="PORT", help="The port; with --host 587 unless given."
    ),
    service: Optional[str] = typer.Option(
        None, "--service", metavar="NAME", help="Probe one service of this host: its name in master.cf."
    ),
    user: Optional[str] = typer.Option(
        None, "--user", metavar="USER", help="Log in as USER; without it, as a user that exists nowhere."
    ),
    password_file: Optional[str] = typer.Option(
        None,
        "--password-file",
        metavar="FILE",
        help="The password is FILE's only line (- is stdin); without it, a prompt asks.",
    ),
    mechanism: Optional[str] = typer.Option(
        None, "--mechanism", metavar="NAME", help="Try PLAIN, LOGIN or CRAM-MD5 alone."
    ),
    tls: Tls = typer.Option(Tls.AUTO, "--tls", help="When TLS begins."),
    sender: Optional[str] = typer.Option(
        None, "--from", metavar="ADDRESS", help="Ask for relaying from ADDRESS; postmaster of this host."
    ),
    recipient: Optional[str] = typer.Option(
        None, "--rcpt", metavar="ADDRESS", help="Ask for relaying to ADDRESS; nothing is sent there."
    ),
    timeout: float = typer.Option(30.0, "--timeout", metavar="SECONDS", help="Wait so long in each phase."),
    format: Format = FORMAT,
    output: Optional[str] = OUTPUT,
    color: Colour = COLOUR,
) -> None:
    """Log in over the network and ask for relaying, without sending mail; show what was said."""
    from maildoctor.commands import probe as command
    from maildoctor.probe import Tls as When

    options = command.ProbeOptions(
        host=host,
        port=port,
        service=service,
        user=user,
        password_file=password_file,
        mechanism=mechanism,
        tls=When(tls.value),
        sender=sender,
        recipient=recipient,
        timeout=timeout,
        as_json=format is Format.JSON,
        output=output,
        colour=color,
    )
    finish(lambda: command.run(options))


@app.command("explain-log")
def explain_log(
    files: List[str] = typer.Argument(
        None, metavar="[FILE]...", help="Logs in any order, - for stdin; without any, what this host uses."
    ),
    all: bool = typer.Option(
        False, "--all", help="Read the rotated and compressed kin of each file as well."
    ),
    journal: bool = typer.Option(False, "--journal", help="Read the journal."),
    since: Optional[str] = typer.Option(
        None, "--since", metavar="TIME", help="ISO 8601, HH:MM, today, '2 hours ago'."
    ),
    until: Optional[str] = typer.Option(None, "--until", metavar="TIME", help="Likewise."),
    service: Optional[str] = typer.Option(None, "--service", metavar="NAME", help="One service alone."),
    client: Optional[str] = typer.Option(None, "--client", metavar="ADDRESS", help="One client alone."),
    user: Optional[str] = typer.Option(None, "--user", metavar="USER", help="One user alone."),
    top: int = typer.Option(5, "--top", metavar="N", help="Show so many clients, users and mechanisms."),
    follow: bool = typer.Option(False, "--follow", help="Explain each attempt as it ends, until Ctrl-C."),
    no_check: bool = typer.Option(False, "--no-check", help="Do not ask check to decide between causes."),
    format: Format = FORMAT,
    output: Optional[str] = OUTPUT,
    color: Colour = COLOUR,
) -> None:
    """Say what a mail log tells about logins: broken server, typing users, guessing strangers."""
    from maildoctor.commands import explain_log as command

    options = command.ExplainLogOptions(
        files=tuple(files or ()),
        rotated=all,
        journal=journal,
        since=since,
        until=until,
        service=service,
        client=client,
        user=user,
        top=top,
        follow=follow,
        ask_check=not no_check,
        as_json=format is Format.JSON,
        output=output,
        colour=color,
    )
    finish(lambda: command.run(options))


@app.command()
def why(
    user: str = typer.Argument(..., metavar="USER", help="A login name, with or without its domain."),
    files: List[str] = typer.Argument(
        None, metavar="[FILE]...", help="Logs to read; without any, all that this host has."
    ),
    journal: bool = typer.Option(False, "--journal", help="Read the journal."),
    color: Colour = COLOUR,
) -> None:
    """Lay one user's last attempts along the path of a login."""
    from maildoctor.commands import why as command

    finish(lambda: command.run(user, tuple(files or ()), journal=journal, colour=color))

"""The entry point. What a check will ask Postfix first is started before anything large is imported.

Reading options takes a quarter of the time of a check, most of it for importing what reads them; so the two
ways in which nearly every check is called do without.
"""

import sys

PLAIN = {("check",): False, ("check", "--format", "json"): True}
"""Calls whose options are the default ones, and whether they ask for JSON."""


def main() -> None:
    """Run maildoctor with the arguments of this process."""
    if sys.argv[1:2] == ["check"] and not any(word.startswith("--root") for word in sys.argv):
        _start_asking()
    if tuple(sys.argv[1:]) in PLAIN:
        sys.exit(_check(as_json=PLAIN[tuple(sys.argv[1:])]))
    if len(sys.argv) > 1 and not {"--help", "-h"} & set(sys.argv):
        _import_typer_without_rich()
    from maildoctor.cli import app

    app(prog_name="maildoctor")


def _check(*, as_json: bool) -> int:
    from maildoctor.commands.check import CheckOptions, run
    from maildoctor.commands.ending import status_of

    return int(status_of(lambda: run(CheckOptions(as_json=as_json))))


def _start_asking() -> None:
    from maildoctor.host import this_host

    for command in (("postconf",), ("postconf", "-a"), ("postconf", "-A")):
        this_host().start(*command)


def _import_typer_without_rich() -> None:
    """Import typer as if rich were not there: with it, half of typer's time goes into painting help texts."""
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import typer  # noqa: F401
    finally:
        del sys.modules["rich"]


if __name__ == "__main__":
    main()

"""The entry point. What a check will ask Postfix first is started before anything large is imported.

Reading options takes a quarter of the time of a check, most of it for importing what reads them; so the ways
in which nearly every check and explain-log is called do without.
"""

import sys
from collections.abc import Callable

AS_JSON = ["--format", "json"]


def main() -> None:
    """Run maildoctor with the arguments of this process."""
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules are imported; commands have a way of their own
        sys.exit(130)


def _run(words: list[str]) -> None:
    if words[:1] == ["check"] and not any(word.startswith("--root") for word in words):
        _start_asking()
    if plain := _plain(words):
        sys.exit(plain())
    if words and not {"--help", "-h"} & set(words):
        _import_typer_without_rich()
    from maildoctor.cli import app

    app(prog_name="maildoctor")


def _plain(words: list[str]) -> Callable[[], int] | None:
    """Give the command for a call that has files, and ``--format json``, behind its name alone."""
    as_json = words[1:3] == AS_JSON
    files = words[3:] if as_json else words[1:]
    if words[:1] == ["check"] and not files:
        return lambda: _check(as_json=as_json)
    if words[:1] == ["explain-log"] and not any(word.startswith("-") for word in files):
        return lambda: _explain_log(tuple(files), as_json=as_json)
    return None


def _check(*, as_json: bool) -> int:
    from maildoctor.commands.check import CheckOptions, run
    from maildoctor.commands.ending import status_of

    return int(status_of(lambda: run(CheckOptions(as_json=as_json))))


def _explain_log(files: tuple[str, ...], *, as_json: bool) -> int:
    from maildoctor.commands.ending import status_of
    from maildoctor.commands.explain_log import ExplainLogOptions, run

    return int(status_of(lambda: run(ExplainLogOptions(files=files, as_json=as_json))))


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

"""The entry point. What a check will ask Postfix first is started before anything large is imported."""

import sys


def main() -> None:
    """Run maildoctor with the arguments of this process."""
    if sys.argv[1:2] == ["check"] and not any(word.startswith("--root") for word in sys.argv):
        _start_asking()
    if len(sys.argv) > 1 and not {"--help", "-h"} & set(sys.argv):
        _import_typer_without_rich()
    from maildoctor.cli import app

    app(prog_name="maildoctor")


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

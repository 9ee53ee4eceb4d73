"""The entry point. What a check will ask Postfix first is started before anything large is imported."""

import sys


def main() -> None:
    """Run maildoctor with the arguments of this process."""
    if sys.argv[1:2] == ["check"] and not any(word.startswith("--root") for word in sys.argv):
        from maildoctor.host import this_host

        for command in (("postconf",), ("postconf", "-a"), ("postconf", "-A")):
            this_host().start(*command)
    from maildoctor.cli import app

    app(prog_name="maildoctor")


if __name__ == "__main__":
    main()

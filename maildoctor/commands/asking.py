"""Questions at the terminal. Whoever ends them with Ctrl-D has answered no."""

import sys
from typing import TYPE_CHECKING

from maildoctor.remedy.trouble import RepairFailed

if TYPE_CHECKING:
    from maildoctor.mending import Proposal


def is_possible() -> bool:
    """Tell whether somebody sits there who sees a question and can answer it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def agrees(question: str) -> bool:
    """Ask a question that takes yes or no."""
    return _ask(f"{question} (y/n)? ") in ("y", "yes")


def which_repairs(proposals: "list[Proposal]") -> "list[Proposal]":
    """Ask whether to do all, some or nothing; give what is to be done."""
    answer = _ask("Do all of this (a), ask for each (e), or nothing (n)? ")
    if answer in ("a", "all", "y", "yes"):
        return proposals
    if answer in ("e", "each"):
        return [each for each in proposals if agrees(f"Repair {each.code}")]
    return []


def which_option(names: list[str]) -> str | None:
    """Ask for one of several ways, by its number or name; None for none of them."""
    answer = _ask(f"Which one (1-{len(names)}, or n for none)? ")
    if answer.isdecimal() and 1 <= int(answer) <= len(names):
        return names[int(answer) - 1]
    return answer if answer in names else None


def password(account: str) -> str:
    """Ask for a password without echo, or take the next line of stdin; never from the command line.

    Raises RepairFailed where there is none.
    """
    if sys.stdin.isatty():
        import getpass

        given = getpass.getpass(f"Password for {account}: ")
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise RepairFailed(f"{account}: no password was given")
    return given


def _ask(question: str) -> str:
    try:
        return input(question).strip().lower()
    except EOFError:
        return ""

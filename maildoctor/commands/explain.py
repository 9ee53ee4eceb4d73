"""``maildoctor explain CODE`` and ``maildoctor checks``: the pages of checks, and causes that logs name."""

from typing import TYPE_CHECKING

from maildoctor.check import Check, all_checks
from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.page import Page, parse
from maildoctor.report.ink import Colour, Line, write

if TYPE_CHECKING:
    from maildoctor.maillog.catalogue import Catalogue

SHOWN = 8
"""How many messages are shown of a cause."""
HEADINGS = {
    "What": "What is wrong",
    "Why": "Why it matters",
    "Break": "A broken example",
    "Mend": "Mended",
    "Safety": "How safe the repair is",
    "See": "References",
}


def explain(code: str, colour: Colour) -> ExitStatus:
    """Print the page of a check, or of a cause that ``explain-log`` names. Raises WrongUsage for others."""
    import difflib

    from maildoctor.maillog.catalogue import catalogue

    checks, known = {check.code: check for check in all_checks()}, catalogue()
    if code in checks:
        write(_page(checks[code], parse(checks[code].documentation)), colour)
    elif code in known.causes:
        write(_cause(code, known), colour)
    else:
        near = difflib.get_close_matches(code, {**checks, **known.causes}, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; `maildoctor checks` lists them"
        raise WrongUsage(f"no check is named {code!r}{hint}")
    return ExitStatus.FINE


def list_checks(colour: Colour) -> ExitStatus:
    """Print all checks, a line each, by stage."""
    lines: list[Line] = []
    stage = None
    for check in all_checks():
        if check.stage is not stage:
            stage = check.stage
            lines += [[], [(str(stage), "bold")]]
        lines.append([(f"  {check.code:<42} ", ""), (parse(check.documentation).title, "dim")])
    write(lines[1:], colour)
    return ExitStatus.FINE


def _cause(code: str, known: "Catalogue") -> list[Line]:
    """Tell of a cause that no check looks for: somebody's password, another server, a stranger."""
    cause = known.causes[code]
    naming = [
        each for each in known.messages.values() if any(code in codes for codes in each.causes.values())
    ]
    said = [f"{each.programs[0]}: {each.texts[0]}" for each in naming if each.texts][:SHOWN]
    parts = (
        ("What is wrong", [cause.summary]),
        ("What tells it from others", [cause.told_apart_by]),
        ("What to do", [cause.remedy]),
        ("Messages behind which it may stand ({...} varies)", said),
    )
    lines: list[Line] = [[(code, "bold"), ("  a cause that explain-log names", "dim")]]
    for heading, texts in parts:
        if texts:
            lines += [[], [(heading, "bold")], *([(f"  {text}", "")] for text in texts)]
    return lines


def _page(check: Check, page: Page) -> list[Line]:
    lines: list[Line] = [[(check.code, "bold"), (f"  stage {check.stage}", "dim")], [], [(page.title, "")]]
    for name, text in page.sections.items():
        heading, _, release = name.partition(" on ")
        if heading in HEADINGS:
            title = HEADINGS[heading] + (f" (Debian {release})" if release else "")
            lines += [[], [(title, "bold")]]
            lines += [[(f"  {line}", "")] for line in text.splitlines()]
    return lines

"""``maildoctor explain CODE`` and ``maildoctor checks``: the pages of the checks."""

from maildoctor.check import Check, all_checks
from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.page import Page, parse
from maildoctor.report.ink import Colour, Line, write

HEADINGS = {
    "What": "What is wrong",
    "Why": "Why it matters",
    "Break": "A broken example",
    "Mend": "Mended",
    "Safety": "How safe the repair is",
    "See": "References",
}


def explain(code: str, colour: Colour) -> ExitStatus:
    """Print one check's page. Raises WrongUsage for an unknown ``code``."""
    import difflib

    checks = {check.code: check for check in all_checks()}
    if code not in checks:
        near = difflib.get_close_matches(code, checks, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; `maildoctor checks` lists them"
        raise WrongUsage(f"no check is named {code!r}{hint}")
    write(_page(checks[code], parse(checks[code].documentation)), colour)
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


def _page(check: Check, page: Page) -> list[Line]:
    lines: list[Line] = [[(check.code, "bold"), (f"  stage {check.stage}", "dim")], [], [(page.title, "")]]
    for name, text in page.sections.items():
        heading, _, release = name.partition(" on ")
        if heading in HEADINGS:
            title = HEADINGS[heading] + (f" (Debian {release})" if release else "")
            lines += [[], [(title, "bold")]]
            lines += [[(f"  {line}", "")] for line in text.splitlines()]
    return lines

"""Differences for people: what a file would become, or what somebody made of it; secrets are masked."""

import difflib
import re

from maildoctor.remedy.path_state import PathState

LINES_LIMIT = 200
SECRET = re.compile(
    r"(?P<name>\b\w*(?:passw(?:or)?d|passwd|secret|_pw|token|apikey)\w*\s*[:=]\s*)(?P<value>\S.*)",
    re.IGNORECASE,
)
NOT_SECRET = re.compile(r"\b\w*(?:_maps|_file|_method|_path)\s*[:=]|pwcheck_method", re.IGNORECASE)
IN_ADDRESS = re.compile(r"(://[^\s:/@]+:)[^\s@/]+@")
MASK = "********"


def masked(line: str) -> str:
    """Give a line of configuration with passwords hidden."""
    line = IN_ADDRESS.sub(rf"\g<1>{MASK}@", line)
    if NOT_SECRET.search(line):
        return line
    return SECRET.sub(rf"\g<name>{MASK}", line)


def unified(path: str, before: bytes | None, after: bytes | None) -> list[str]:
    """Give a unified diff, at most LINES_LIMIT lines; of a file that is no text only that it differs."""
    if any(b"\0" in (content or b"") for content in (before, after)):
        return [f"{path}: differs; it is not text"]
    old, new = (
        (content or b"").decode("utf-8", "surrogateescape").splitlines() for content in (before, after)
    )
    names = ("/dev/null" if before is None else path, "/dev/null" if after is None else path)
    lines = [masked(line.rstrip()) for line in difflib.unified_diff(old, new, *names, n=2, lineterm="")]
    if len(lines) > LINES_LIMIT:
        return [*lines[:LINES_LIMIT], f"... {len(lines) - LINES_LIMIT} more lines"]
    return lines


def between(path: str, left: PathState, now: PathState) -> list[str]:
    """Say how what is at ``path`` now differs from what was ``left`` there."""
    if left.kind != now.kind:
        return [f"{path}: was left as {_kind(left)}, is now {_kind(now)}"]
    lines = []
    if left.access != now.access:
        lines.append(f"{path}: was left as {_access(left)}, is now {_access(now)}")
    if left.target != now.target:
        lines.append(f"{path}: pointed to {left.target}, points to {now.target}")
    if left.content != now.content:
        lines += unified(path, left.content, now.content)
    return lines


def _kind(state: PathState) -> str:
    return {"absent": "nothing", "link": "a symbolic link", "other": "another kind of file"}.get(
        state.kind, f"a {state.kind}"
    )


def _access(state: PathState) -> str:
    more = " with other attributes" if state.attributes else ""
    return f"{state.mode:04o}, user {state.uid}, group {state.gid}{more}"

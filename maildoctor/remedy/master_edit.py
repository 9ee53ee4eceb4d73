"""Changing one option or column of a master.cf entry, and no other byte of the file: master(5).

postconf(1) writes the whole entry anew and moves it behind the comments that stand in it. An expert changes
a word. What looks unusual is left to postconf: each function gives None then.
"""

import re

COLUMNS = ("service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command")
"""postconf(1) -F; ``unpriv`` and ``maxproc`` in master.cf's own heading."""


def with_option(content: bytes, service: str, name: str, value: str) -> bytes | None:
    """Set ``-o name=value`` of a ``service`` such as ``submission/inet``: where it stands, or at the end."""
    lines = content.splitlines(keepends=True)
    own = _entry(lines, service)
    if not own or re.search(r"\s", value) or not value:
        return None
    places = _option(lines, own, name)
    if places is None:
        return None
    text = f"{name}={value}".encode()
    if places:
        line = lines[places[0]]
        lines[places[0]] = line[: line.index(name.encode())] + text + _end(line)
    else:
        last = lines[own[-1]]
        lines[own[-1]] = last if last.endswith(b"\n") else last + b"\n"
        lines.insert(own[-1] + 1, _indentation(lines, own) + b"-o " + text + b"\n")
    return b"".join(lines)


def without_option(content: bytes, service: str, name: str) -> bytes | None:
    """Take the line with ``-o name=`` out of ``service``."""
    lines = content.splitlines(keepends=True)
    own = _entry(lines, service)
    places = _option(lines, own, name)
    if not places:
        return None
    del lines[places[0]]
    return b"".join(lines)


def with_column(content: bytes, service: str, column: str, value: str) -> bytes | None:
    """Set a column of ``service``."""
    lines = content.splitlines(keepends=True)
    own = _entry(lines, service)
    if not own or column not in COLUMNS[1:7] or not re.fullmatch(r"\S+", value):
        return None
    words = re.findall(rb"\S+\s*", lines[own[0]])
    number = COLUMNS.index(column)
    if len(words) <= number:
        return None
    old = words[number]
    words[number] = value.encode() + (old[len(old.split()[0]) :] or b" ")
    lines[own[0]] = b"".join(words)
    return b"".join(lines)


def _entry(lines: list[bytes], service: str) -> list[int]:
    """Give the numbers of the lines of the one entry, comments within it left out; none if there are two."""
    found: list[list[int]] = []
    ours = False
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        if not line[:1].isspace():
            words = line.split()
            ours = [word.decode("utf-8", "replace") for word in words[:2]] == service.split("/")
            found += [[]] if ours else []
        if ours:
            found[-1].append(number)
    return found[0] if len(found) == 1 else []


def _option(lines: list[bytes], own: list[int], name: str) -> list[int] | None:
    """Give the one line on which the option stands alone, or none; None where it stands in another way."""
    mentions = [number for number in own if name.encode() in lines[number]]
    alone = re.compile(rb"\s+-o\s*" + re.escape(name.encode()) + rb"=[^\s{}]*\s*")
    places = [number for number in mentions if alone.fullmatch(lines[number])]
    others = [number for number in mentions if number not in places]
    if len(places) > 1 or any(re.search(rb"\b" + name.encode() + rb"\s*=", lines[each]) for each in others):
        return None
    return places


def _indentation(lines: list[bytes], own: list[int]) -> bytes:
    last = lines[own[-1]]
    return last[: len(last) - len(last.lstrip())] if len(own) > 1 else b"    "


def _end(line: bytes) -> bytes:
    return line[len(line.rstrip(b"\r\n")) :]

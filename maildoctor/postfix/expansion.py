"""Expansion of ``$name`` in parameter values, as postconf(5) describes it and mac_expand(3) does it."""

from collections.abc import Callable

from maildoctor.pattern import pattern

Lookup = Callable[[str], str | None]
"""Give a parameter's unexpanded value; None where there is no such parameter."""

DEPTH_LIMIT = 40
LENGTH_LIMIT = 256 * 1024
"""Characters: values that double at each step must not fill the memory."""
STEP_LIMIT = 20_000

_NAME = pattern(r"[A-Za-z0-9_]+")
_COMPARISON = pattern(r"\s*(==|!=|<=|>=|<|>)(level)?\s*")
_CLOSING = {"{": "}", "(": ")"}


class Unexpandable(ValueError):
    """A value refers to itself, or has braces that do not match."""


def expand(text: str, lookup: Lookup) -> str:
    """Expand ``text``; what is not defined becomes nothing. Raises Unexpandable."""
    return _Expansion(lookup).of(text) if "$" in text else text


class _Expansion:
    """One value's expansion; it counts its steps, since values may double at each."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._steps = 0

    def of(self, text: str, depth: int = 0) -> str:
        if depth > DEPTH_LIMIT:
            raise Unexpandable("it refers to itself")
        parts, position, length = [], 0, 0
        while (dollar := text.find("$", position)) >= 0:
            value, after = self._reference(text, dollar + 1, depth + 1)
            parts += [text[position:dollar], value]
            length += dollar - position + len(value)
            if length > LENGTH_LIMIT:
                raise Unexpandable("it becomes too long")
            position = after
        return "".join(parts) + text[position:]

    def _reference(self, text: str, start: int, depth: int) -> tuple[str, int]:
        """Expand what follows a ``$`` at ``start``; give its value and the position after it."""
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise Unexpandable("it has too many references")
        opening = text[start : start + 1]
        if opening == "$":
            return "$", start + 1
        if opening in _CLOSING:
            end = _matching(text, start)
            return self._braced(text[start + 1 : end], depth), end + 1
        if name := _NAME.match(text, start):
            return self._value(name.group(), depth), name.end()
        raise Unexpandable(f"no parameter name after $ in {text[:60]!r}")

    def _value(self, name: str, depth: int) -> str:
        return self.of(self._lookup(name) or "", depth)

    def _braced(self, inner: str, depth: int) -> str:
        """Expand what stood in ``${...}``: a name, a name with ``?`` or ``:``, or a comparison."""
        inner = inner.strip()
        if inner.startswith("{"):
            condition, rest = self._comparison(inner, depth)
        else:
            name = _NAME.match(inner)
            if name is None:
                raise Unexpandable(f"no parameter name in ${{{inner[:60]}}}")
            rest = inner[name.end() :].lstrip()
            if not rest:
                return self._value(name.group(), depth)
            condition = bool(self._lookup(name.group()))  # of the value as written: mac_expand.c
        return self.of(_branch(rest, condition), depth)

    def _comparison(self, text: str, depth: int) -> tuple[bool, str]:
        left, rest = _unbraced(text)
        operator = _COMPARISON.match(rest)
        if operator is None:
            raise Unexpandable(f"no comparison in {text[:60]!r}")
        right, rest = _unbraced(rest[operator.end() :])
        sides = [self.of(side, depth) for side in (left, right)]
        return _compare(sides[0], operator[1], sides[1], level=bool(operator[2])), rest.lstrip()


def _matching(text: str, start: int) -> int:
    opening, closing, level = text[start], _CLOSING[text[start]], 0
    for position in range(start, len(text)):
        level += (text[position] == opening) - (text[position] == closing)
        if level == 0:
            return position
    raise Unexpandable(f"{opening} without {closing} in {text[:60]!r}")


def _branch(rest: str, condition: bool) -> str:
    """Choose from ``?text``, ``:text`` or ``?{text}:{text}``."""
    if rest.startswith(":"):
        return "" if condition else _unbraced(rest[1:])[0]
    if not rest.startswith("?"):
        raise Unexpandable(f"neither ? nor : in {rest[:60]!r}")
    if not rest[1:].lstrip().startswith("{"):
        return rest[1:] if condition else ""
    yes, after = _unbraced(rest[1:])
    no = _unbraced(after.lstrip()[1:])[0] if after.lstrip().startswith(":") else ""
    return yes if condition else no


def _unbraced(text: str) -> tuple[str, str]:
    """Take ``{text}`` off the beginning; give it and what follows. Without braces, all is text."""
    stripped = text.lstrip()
    if not stripped.startswith("{"):
        return text, ""
    end = _matching(stripped, 0)
    return stripped[1:end].strip(), stripped[end + 1 :]


def _compare(left: str, operator: str, right: str, *, level: bool) -> bool:
    order = _order(left, right, level)
    return {
        "==": order == 0,
        "!=": order != 0,
        "<": order < 0,
        ">": order > 0,
        "<=": order <= 0,
        ">=": order >= 0,
    }[operator]


def _order(left: str, right: str, level: bool) -> int:
    """Compare as numbers where both are, as levels (``3.6``) where that was asked, else as text."""
    a: object
    b: object
    if level:
        a, b = compatibility_level(left), compatibility_level(right)
    elif left.isdecimal() and right.isdecimal():
        a, b = int(left[:18]), int(right[:18])
    else:
        a, b = left, right
    return (a > b) - (a < b)  # type: ignore[operator]


def compatibility_level(text: str) -> tuple[int, ...]:
    """Take ``3.6`` apart into (3, 6, 0); what is no level counts as 0."""
    numbers = [int(part[:9]) if part.isdecimal() else 0 for part in text.strip().split(".")[:3]]
    return tuple(numbers + [0] * (3 - len(numbers)))

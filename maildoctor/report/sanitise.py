"""Text from logs, configurations and the network is hostile: make what a terminal would act on visible.

Strangers choose HELO names, user names and reverse DNS; all of them end up in logs.
"""

import re

from maildoctor.pattern import pattern

_HIDDEN = pattern(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: terminal escapes of seven and of eight bits
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # nothing to see, but there
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidirectional tricks
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"  # lone surrogates: bytes that were no UTF-8
    "\U000e0000-\U000e0fff"  # tags and variation selectors
    "]"
)
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u06d6-\u06dc\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u302a-\u302d\u3099\u309a\ua66f-\ua672\ufe20-\ufe2f"
)
_STACKED = pattern(f"(?<=[{_MARKS}]{{3}})[{_MARKS}]")
"""A fourth mark on one letter: languages get by with three, and a heap of them covers the lines around."""


def visible(text: str) -> str:
    r"""Give ``text`` as one printable line: what a terminal would act on is shown as ``\x1b`` or ``\u202e``.

    Bytes that were no UTF-8 (decoded with ``surrogateescape``) are shown as ``\x9b``.
    """
    if text.isascii() and text.isprintable():
        return text
    return _STACKED.sub(_escaped, _HIDDEN.sub(_escaped, text))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

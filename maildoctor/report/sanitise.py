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


def visible(text: str) -> str:
    r"""Give ``text`` as one printable line: what a terminal would act on is shown as ``\x1b`` or ``\u202e``.

    Bytes that were no UTF-8 (decoded with ``surrogateescape``) are shown as ``\x9b``.
    """
    return _HIDDEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""Finding rare texts in a block of log, much faster than looking at each line.

PCRE2's machine code is ten times as fast as Python's ``re`` where a text is rare. Debian's grep needs the
library, so that it is there wherever Postfix is; without it, or where it may not compile, ``re`` works.

Source: pcre2api(3), pcre2jit(3).
"""

import ctypes
import functools
import re
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p, sizeof
from typing import Any

_JIT_COMPLETE = 1
_NO_MATCH = -1


@functools.cache
def _library() -> Any:
    try:
        library = ctypes.PyDLL("libpcre2-8.so.0")
        for name in ("pcre2_compile_8", "pcre2_match_data_create_8", "pcre2_get_ovector_pointer_8"):
            getattr(library, name).restype = c_void_p
        library.pcre2_compile_8.argtypes = [
            c_char_p, c_size_t, c_uint32, POINTER(c_int), POINTER(c_size_t), c_void_p
        ]  # fmt: skip
        library.pcre2_jit_compile_8.argtypes = [c_void_p, c_uint32]
        library.pcre2_match_data_create_8.argtypes = [c_uint32, c_void_p]
        library.pcre2_get_ovector_pointer_8.argtypes = [c_void_p]
    except (OSError, AttributeError):
        return None
    return library


class _Compiled:
    """A pattern in PCRE2's machine code."""

    def __init__(self, library: Any, pattern: bytes, kinds: int) -> None:
        """Compile. Raises ValueError where this is not possible."""
        error, place = c_int(), c_size_t()
        code = library.pcre2_compile_8(pattern, len(pattern), 0, byref(error), byref(place), None)
        if not code or library.pcre2_jit_compile_8(code, _JIT_COMPLETE):
            raise ValueError(f"{pattern!r}: PCRE2 error {error.value} at {place.value}")
        found = library.pcre2_match_data_create_8(kinds + 1, None)
        span = library.pcre2_get_ovector_pointer_8(found)
        self._begin = c_size_t.from_address(span)
        # Where a match ends, which is where the next one is sought from: one place in memory for both.
        self._end = c_size_t.from_address(span + sizeof(c_size_t))
        self._found, self._code = c_void_p(found), c_void_p(code)
        # Without argument types, objects of ctypes are handed over as they are: half the time of a call.
        self._match = library.pcre2_jit_match_8

    def places(self, text: bytes, end: int, found: list[list[int]]) -> None:
        """Do as ``Sought.places``. Raises ValueError where PCRE2 gives up."""
        match, code, data, begin, start = self._match, self._code, self._found, self._begin, self._end
        base, size, options = c_char_p(text), c_size_t(end), c_uint32(0)
        start.value = 0
        while (status := match(code, base, size, start, options, data, None)) >= 0:
            # One more than the number of the last group that took part.
            found[status - 2].append(begin.value)
        if status != _NO_MATCH:
            raise ValueError(f"PCRE2 error {status}")


class Sought:
    """Texts that are sought in many blocks, of several kinds, each as a regular expression without groups."""

    def __init__(self, *kinds: bytes, after: bytes = b"") -> None:
        """Seek each of ``kinds`` behind ``after``, which is literal; the first that is there counts."""
        self._pattern = (
            re.escape(after) + b"(?:" + b"|".join(b"(?:" + kind + b")()" for kind in kinds) + rb")[^\n]*+"
        )
        self._kinds = len(kinds)

    def places(self, text: bytes, end: int) -> list[list[int]]:
        """Give for each kind where it begins, ``after`` included, in the first ``end`` bytes, in order.

        Of each line, only the first place counts.
        """
        if self._compiled is not None:
            try:
                found: list[list[int]] = [[] for _ in range(self._kinds)]
                self._compiled.places(text, end, found)
                return found
            except ValueError:
                self._compiled = None
        found = [[] for _ in range(self._kinds)]
        for match in self._slow.finditer(text, 0, end):
            found[(match.lastindex or 1) - 1].append(match.start())
        return found

    @functools.cached_property
    def _compiled(self) -> _Compiled | None:
        library = _library()
        try:
            return library and _Compiled(library, self._pattern, self._kinds)
        except ValueError:
            return None

    @functools.cached_property
    def _slow(self) -> re.Pattern[bytes]:
        return re.compile(self._pattern)

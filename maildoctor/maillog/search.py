"""Finding the lines that matter in a block of log, much faster than looking at each.

glibc's memmem(3) is four times as fast as ``bytes.find`` where a text is rare; without it (another C library)
``bytes.find`` does the work. A line counts if it holds one of the ``ANCHORS``.
"""

import ctypes
from collections.abc import Callable

ANCHORS = (
    b": warning: ",
    b": fatal: ",
    b": error: ",
    b": panic: ",
    b"sasl_method=",
    b" auth=0/",
    b" after AUTH from ",
    b"Relay access denied",
    b"rejected: Access denied",
    b"Sender address rejected: not ",
    b"saslauthd[",
    b"dovecot: auth",
    b"dovecot: master",
    b"]: auth: ",
    b"]: auth-worker",
    b" auth: pam_",
    b": Fatal: ",
    b": Error: ",
    b'apparmor="DENIED"',
    b"SASL authentication failed",
    b"]: SASL authentication ",
    b"uthentication required",
    b"TLS is required, but ",
    b"Cannot start TLS: ",
    b":25: Connection ",
    b"message repeated ",
    b"sql plugin",
    b"sql_select",
    b"sql auxprop",
    b"auxpropfunc",
    b"plugin_load failed",
    b"unable to dlopen",
    b"AlwaysTrue Password",
    b"client_add_plugin",
    b"unix_chkpwd",
)

Finder = Callable[[int, int, bytes], int]


class Block:
    """A buffer of log, searched again and again without being copied."""

    def __init__(self, size: int) -> None:
        """Make room for ``size`` bytes."""
        self.data = bytearray(size)
        self.view = memoryview(self.data)
        self._find = _memmem(self.data) or self._slow_find

    def starts(self, start: int, end: int) -> list[int]:
        """Give where the lines that matter begin, in order; whole lines lie between ``start`` and ``end``."""
        data, find, starts = self.data, self._find, set()
        for anchor in ANCHORS:
            place = find(start, end, anchor)
            while place >= 0:
                starts.add(data.rfind(b"\n", start, place) + 1 or start)
                place = data.find(b"\n", place, end)
                if place < 0:
                    break
                place = find(place, end, anchor)
        return sorted(starts)

    def _slow_find(self, start: int, end: int, text: bytes) -> int:
        return self.data.find(text, start, end)


def _memmem(data: bytearray) -> Finder | None:
    """Give a search through ``data`` by the C library, None if it has none."""
    try:
        memmem = ctypes.CDLL(None).memmem
    except (OSError, AttributeError):
        return None
    memmem.restype = ctypes.c_void_p
    memmem.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    base = ctypes.addressof((ctypes.c_char * len(data)).from_buffer(data))

    def find(start: int, end: int, text: bytes) -> int:
        found = memmem(base + start, end - start, text, len(text))
        return found - base if found else -1

    return find

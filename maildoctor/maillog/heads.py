"""What stands before a message, for many lines at a time: when, which service, which process."""

from collections.abc import Sequence

from maildoctor.maillog.line import service_of
from maildoctor.maillog.stamps import STAMP, Calendar
from maildoctor.pattern import pattern

Process = tuple[str, bytes]
"""Service and process id; the latter is empty for a line that is unusual."""
UNUSUAL: Process = ("", b"")
_REMEMBERED = 4096
_DIGITS = bytes.maketrans(b"123456789-", b"000000000+")
_PLAIN = b"0000+00+00T00:00:00+00:00"
"""The form of RFC 3339 with all digits and signs made equal, which needs no further look."""
_REST = pattern(rb" [^\s\[\]]{1,255} ([^\s\[\]]{1,100}smtpd)\[(\d{1,10})")
"""A host name, smtpd's tag, and the process id's beginning."""


class Heads:
    """Takes heads apart: the same process ids and seconds come again and again."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._processes: dict[bytes, Process] = {}

    def of(self, heads: Sequence[bytes], calendar: Calendar) -> tuple[list[Process], list[str]]:
        """Give processes and times of ``heads``, each of which ends with a process id.

        All must have the form of the first one; a line that has another is ``UNUSUAL``.
        """
        stamp = STAMP.match(heads[0]) if heads else None
        if stamp is None:
            return [UNUSUAL] * len(heads), [""] * len(heads)
        size = stamp.end()
        zone = stamp.start(3) if stamp[3] else stamp.start(5) if stamp[5] else size
        seconds = min(size, 19) if stamp[1] else size
        moments = [head[:seconds] + head[zone:size] for head in heads]
        rests = [head[size:] for head in heads]
        known = self._known({*rests})
        processes = [known[rest] for rest in rests]
        if b"".join(moments).translate(_DIGITS) == _PLAIN * len(moments):
            return processes, [moment.decode("ascii") for moment in moments]
        times = {moment: _iso(moment, calendar) for moment in dict.fromkeys(moments)}
        if "" in times.values():
            pairs = zip(processes, moments, strict=True)
            processes = [process if times[moment] else UNUSUAL for process, moment in pairs]
        return processes, [times[moment] for moment in moments]

    def _known(self, rests: set[bytes]) -> dict[bytes, Process]:
        if len(self._processes) > _REMEMBERED:
            self._processes.clear()
        for rest in rests - self._processes.keys():
            match = _REST.fullmatch(rest)
            self._processes[rest] = (service_of(match[1]), match[2]) if match else UNUSUAL
        return self._processes


def _iso(moment: bytes, calendar: Calendar) -> str:
    return calendar.iso(moment) if STAMP.fullmatch(moment) else ""

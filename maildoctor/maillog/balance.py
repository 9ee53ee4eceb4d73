"""AUTH commands against the lines that were written of them: a disconnect line tells how many there were.

Nearly always both agree. Where they do not, an AUTH command failed without a line of its own.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from maildoctor.maillog.rows import Columns

REMEMBERED = 8192
"""Processes that are remembered at a time; a log without disconnect lines has millions."""
End = tuple[int, tuple[bytes, int]]
"""Of a disconnect line: where, whose (empty: unknown), and how many AUTH commands failed."""


def settle(
    failures: dict[bytes, int], refusals: Columns, ends: Sequence[End], talking: set[bytes]
) -> set[bytes]:
    """Give the processes for which both do not agree, besides those that are ``talking``.

    ``failures`` holds what was written before; for all others it holds afterwards what was written since
    their last disconnect line.
    """
    whose = [pid for _, (pid, _) in ends]
    due = Counter(whose)
    for _, (pid, failed) in ends:
        if failed != 1:
            due[pid] += failed - 1
    if len(failures) > REMEMBERED:
        failures.clear()
    last = {pid: place for place, (pid, _) in ends}
    written = Counter(refusals.pids)
    since = _since(refusals, last)
    unbalanced = set()
    for pid in (written.keys() | due.keys()) - talking:
        count = failures.get(pid, 0) + written[pid]
        if pid in due and count - since[pid] != due[pid]:
            unbalanced.add(pid)
            continue
        failures[pid] = since[pid] if pid in due else count
        if not failures[pid]:
            del failures[pid]
    return unbalanced


def _since(refusals: Columns, last: dict[bytes, int]) -> Counter[bytes]:
    """Count what each process wrote after its last disconnect line."""
    latest = dict(zip(refusals.pids, refusals.places, strict=True))
    late = {pid for pid in last if latest.get(pid, -1) > last[pid]}
    if not late:
        return Counter()
    begin = bisect_right(refusals.places, min(last[pid] for pid in late))
    pairs = zip(refusals.pids[begin:], refusals.places[begin:], strict=True)
    return Counter(pid for pid, place in pairs if pid in late and place > last[pid])

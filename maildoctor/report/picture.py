"""A small picture of when something happened."""

from datetime import timedelta

from maildoctor.maillog.stamps import moment
from maildoctor.maillog.tally import Slots

COLUMNS = 48
BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = ".:-=+*%#"
TAILS = {15: "0:00", 13: ":00:00", 10: "T00:00:00", 7: "-01T00:00:00", 4: "-01-01T00:00:00"}


def picture(slots: Slots, *, ascii_only: bool = False) -> str:
    """Draw the counts from the first to the last slot; empty where there is only one."""
    times = sorted(slot for slot in slots.counts if len(slot) == slots.width)
    if len(times) < 2:
        return ""
    tail = TAILS[slots.width]
    try:
        begin, end = moment(times[0] + tail), moment(times[-1] + tail)
        width = max((end - begin) / (COLUMNS - 1), timedelta(minutes=10))
        columns = [0] * (int((end - begin) / width) + 1)
        for slot in times:
            columns[int((moment(slot + tail) - begin) / width)] += slots.counts[slot]
    except ValueError:
        return ""
    bars = ASCII_BARS if ascii_only else BARS
    most = max(columns)
    drawn = "".join(bars[(count * (len(bars) - 1) + most - 1) // most] if count else " " for count in columns)
    return f"{_clock(times[0])} {drawn} {_clock(times[-1])}"


def _clock(slot: str) -> str:
    """Name a slot: its day, its hour, or its ten minutes."""
    return {15: f"{slot}0", 13: f"{slot}h"}.get(len(slot), slot).replace("T", " ")

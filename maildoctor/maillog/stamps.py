"""Time stamps of log lines: RFC 3339 as rsyslog and the journal write it, and syslog's traditional form.

All become ISO 8601 text (``2026-11-07T10:16:36+09:00``) whose zone is kept as it was written. The traditional
form has none, and no year either: that is inferred from the time when the log ends.
"""

from datetime import UTC, datetime

from maildoctor.pattern import pattern

MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
STAMP_TEXT = (
    rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(?: ?([+-]\d\d):?(\d\d)|(Z))?"
    rb"|([A-Z][a-z]{2}) ([ \d]?\d) (?:(\d{4}) )?(\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?: (\d{4})(?= ))?"
)
STAMP = pattern(STAMP_TEXT)
UNKNOWN = ""
"""The time of a line that has none."""


class Calendar:
    """Turns stamps into ISO 8601 text, in the order in which a log was written.

    ``end`` is when the log was last written to. A traditional stamp gets the latest year in which it does not
    lie after that; a step back from December to January starts the next year.
    """

    def __init__(self, end: datetime) -> None:
        """Begin before the first line."""
        self._end = end
        self._year = 0
        self._month = 0
        self._days: dict[bytes, str] = {}

    def iso(self, stamp: bytes) -> str:
        """Give ``stamp`` (what ``STAMP`` matched) as ISO 8601 text to the second, or ``UNKNOWN``."""
        if stamp[:3] in MONTHS and stamp[6:7] == b" " and stamp[9:10] == b":":
            day = self._days.get(stamp[:6])
            if day is None or self._turns(stamp):
                day = self._traditional_day(stamp[:3], stamp[4:6])
                self._days = {stamp[:6]: day}
            return day + stamp[7:15].decode("ascii")
        if stamp[10:11] == b"T" and stamp[-6:-5] in (b"+", b"-") and stamp[-3:-2] == b":":
            return (stamp[:19] + stamp[-6:]).decode("ascii", "replace")
        return self._any(stamp)

    def _any(self, stamp: bytes) -> str:
        match = STAMP.match(stamp)
        if not match:
            return UNKNOWN
        date, time, hours, minutes, zulu, month, day, year, old_time, late_year = match.groups()
        if date:
            zone = b"+00:00" if zulu else hours + b":" + minutes if hours else b""
            return (date + b"T" + time + zone).decode("ascii")
        if month not in MONTHS:
            return UNKNOWN
        if year or late_year:
            return (
                f"{int(year or late_year):04d}-{MONTHS[month]:02d}-{int(day):02d}T{old_time.decode('ascii')}"
            )
        return self._traditional_day(month, day) + old_time.decode("ascii")

    def _turns(self, stamp: bytes) -> bool:
        return MONTHS[stamp[:3]] != self._month

    def _traditional_day(self, name: bytes, day: bytes) -> str:
        month, number = MONTHS[name], int(day)
        if not self._year:
            late = (month, number) > (self._end.month, self._end.day)
            self._year = self._end.year - late
            if (month, number) == (2, 29):
                self._year -= self._year % 4
        elif month < self._month - 6:
            self._year += 1
        elif month > self._month + 6 and self._month:
            self._year -= 1
        self._month = month
        return f"{self._year:04d}-{month:02d}-{number:02d}T"


def earlier(one: str, other: str) -> bool:
    """Tell whether ``one`` lies before ``other``; zones are heeded where both have one."""
    if one[19:] == other[19:] or len(one) == 19 or len(other) == 19:
        return one[:19] < other[:19]
    try:
        return moment(one) < moment(other)
    except ValueError:  # a date that no calendar has
        return one[:19] < other[:19]


def moment(iso: str) -> datetime:
    """Give ISO 8601 text as a time, without a zone as UTC. Raises ValueError for impossible dates."""
    parsed = datetime.fromisoformat(iso)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)

"""Which attempts were asked for: ``--since``, ``--until``, ``--service``, ``--client``, ``--user``."""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from maildoctor.maillog.stamps import earlier
from maildoctor.maillog.tally import Attempt
from maildoctor.pattern import pattern

_AGO = pattern(r"-?(\d{1,6}) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)( ago)?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Wanted(NamedTuple):
    """What to keep; empty fields keep everything. Times are ISO 8601 text."""

    since: str = ""
    until: str = ""
    service: str = ""
    client: str = ""
    user: str = ""

    @property
    def everything(self) -> bool:
        """Tell whether nothing was asked for in particular."""
        return not (self.since or self.until or self.service or self.client or self.user)

    def keeps(self, attempt: Attempt) -> bool:
        """Tell whether ``attempt`` was asked for."""
        when = attempt.when
        if (self.since and when and earlier(when, self.since)) or (
            self.until and when and earlier(self.until, when)
        ):
            return False
        if self.service and attempt.service != self.service:
            return False
        if self.client and not self._is_client(attempt):
            return False
        return not self.user or self._is_user(attempt.user)

    def _is_client(self, attempt: Attempt) -> bool:
        """Tell whether an attempt came from the address or the host name asked for."""
        name = attempt.client.rpartition(b"[")[0]
        return self.client.encode("utf-8", "surrogateescape") in (attempt.address, attempt.client, name)

    def _is_user(self, name: bytes) -> bool:
        """Tell whether ``name`` is the one asked for, which may leave the domain out."""
        wanted = self.user.encode("utf-8", "surrogateescape").lower()
        return name.lower() == wanted or (b"@" not in wanted and name.lower().startswith(wanted + b"@"))


def moment_of(text: str, now: datetime) -> str:
    """Give the time that ``--since`` or ``--until`` names as ISO 8601 text.

    Known are ISO 8601 (a date alone is its beginning), ``HH:MM`` of today, ``today``, ``yesterday``, ``now``,
    and ``2 hours ago`` or ``2h``. What counts back from ``now`` keeps its zone; what is read off a clock has
    none, and means the clock that wrote the log. Raises ValueError.
    """
    text = text.strip()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if text in ("today", "yesterday"):
        return _iso(midnight - timedelta(days=text == "yesterday"))
    if text == "now":
        return _iso(now)
    if match := _AGO.fullmatch(text):
        return _iso(now - timedelta(seconds=int(match[1]) * _UNITS[match[2][0]]))
    if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text):
        hour, minute, *second = (int(part) for part in text.split(":"))
        return _iso(midnight.replace(hour=hour, minute=minute, second=second[0] if second else 0))
    return _iso(datetime.fromisoformat(text))


def _iso(when: datetime) -> str:
    return when.isoformat(timespec="seconds")

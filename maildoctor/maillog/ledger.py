"""All that was gathered from a log, or from a part of it; parts that were read side by side are merged."""

from maildoctor.maillog.rows import Columns, Key, Row
from maildoctor.maillog.tally import SAMPLES, Attempt, Span, Tally
from maildoctor.maillog.visitors import Visitors

BATCH = 2048
TALLIES = 64
"""How many different messages (with their details) are kept apart."""
DETAILED = 6
"""How many of them have long lists of names."""
UNKNOWN_SHAPES = 50
PROBE_USER = b"maildoctor-probe-"


class Ledger:
    """Counts, tallies and who is who."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines = 0
        self.failed = 0
        self.logins = 0
        self.probes = 0
        self.span = Span()
        self.tallies: dict[Key, Tally] = {}
        self.login_tally = Tally(people=False)
        self.visitors = Visitors()
        self.unknown: dict[str, tuple[int, bytes]] = {}
        self.verifier_failed = 0
        self._batches: dict[Key, list[Row]] = {}
        self._waiting = 0

    def attempt(self, attempt: Attempt, refused: bool) -> None:
        """Count one AUTH command that failed; ``refused`` by a verifier, rather than for a fault."""
        self.failed += 1
        if attempt.user.startswith(PROBE_USER):
            self.probes += 1
            if refused:
                return
        if refused:
            self.visitors.refuse(attempt)
        self.said(attempt)

    def crowd(self, refusals: Columns, logins: Columns, faults: set[Key]) -> None:
        """Count attempts and logins between which no other line stands, without a call for each.

        Attempts whose key is one of ``faults`` failed for a fault, all others were refused by a verifier.
        """
        if not refusals.rows and not logins.rows:
            return
        self.failed += len(refusals.rows)
        self.logins += len(logins.rows)
        kinds = {row[0] for row in refusals.rows}
        if len(kinds) == 1:
            self._batches.setdefault(next(iter(kinds)), []).extend(refusals.rows)
        else:
            for row in refusals.rows:
                self._batches.setdefault(row[0], []).append(row)
        if logins.rows:
            self._batches.setdefault(LOGIN_KEY, []).extend(logins.rows)
        self.visitors.come(refusals.without_keys(kinds & faults), logins)
        self._settle_many(len(refusals.rows) + len(logins.rows))

    def wants_samples(self, key: Key) -> bool:
        """Tell whether there are few sample lines of a kind yet."""
        tally = self.login_tally if key == LOGIN_KEY else self.tallies.get(key)
        return tally is None or len(tally.samples) < SAMPLES

    def said(self, attempt: Attempt) -> None:
        """Count something that was said, which need not be an attempt."""
        self._batches.setdefault(attempt.key, []).append(attempt)
        self._settle_many(1)

    def login(self, login: Attempt) -> None:
        """Count a login that succeeded and sent mail."""
        self.logins += 1
        self.visitors.log_in(login)
        self.said(login)

    def odd(self, shape: str, sample: bytes) -> None:
        """Count a line about authentication that the catalogue does not know."""
        if shape not in self.unknown and len(self.unknown) >= UNKNOWN_SHAPES:
            shape = "others"
        count, first = self.unknown.get(shape, (0, sample))
        self.unknown[shape] = (count + 1, first)

    def most_unknown(self) -> list[tuple[str, tuple[int, bytes]]]:
        """Give the shapes of unknown lines with count and sample, the most frequent first."""
        return sorted(self.unknown.items(), key=lambda item: (-item[1][0], item[0]))

    def settle(self) -> None:
        """Put what waits into the tallies."""
        for key, attempts in self._batches.items():
            self._tally(key).add(attempts)
        self._batches = {}
        self._waiting = 0

    def merge(self, later: "Ledger") -> None:
        """Take in what was gathered from a later part of the log."""
        self.settle()
        later.settle()
        self.lines += later.lines
        self.failed += later.failed
        self.logins += later.logins
        self.probes += later.probes
        self.verifier_failed += later.verifier_failed
        self.span.merge(later.span)
        self.login_tally.merge(later.login_tally)
        for key, tally in later.tallies.items():
            self._tally(key).merge(tally)
        self.visitors.merge(later.visitors)
        for shape, (count, sample) in later.unknown.items():
            before, first = self.unknown.get(shape, (0, sample))
            self.unknown[shape] = (before + count, first)

    def _settle_many(self, more: int) -> None:
        self._waiting += more
        if self._waiting >= BATCH:
            self.settle()

    def _tally(self, key: Key) -> Tally:
        if key == LOGIN_KEY:
            return self.login_tally
        if key not in self.tallies and len(self.tallies) >= TALLIES:
            key = (key[0], "")
        if key not in self.tallies:
            self.tallies[key] = Tally(64 if len(self.tallies) < DETAILED else 12)
        return self.tallies[key]


LOGIN_KEY = ("login", "")

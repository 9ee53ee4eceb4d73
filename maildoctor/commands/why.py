"""``maildoctor why USER``: one user's last attempts, laid along the path of a login."""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from maildoctor.commands import ExitStatus
from maildoctor.commands.explain_log import seen_by, what_check_says
from maildoctor.finding import Stage
from maildoctor.maillog.catalogue import Message, catalogue
from maildoctor.maillog.incident import sample, shown
from maildoctor.maillog.ledger import LOGIN_KEY
from maildoctor.maillog.order import Findings
from maildoctor.maillog.overlap import without_repeats
from maildoctor.maillog.places import at_hand, chosen, usual
from maildoctor.maillog.scan import Reading, read
from maildoctor.maillog.sources import in_order
from maildoctor.maillog.tally import Attempt
from maildoctor.maillog.wanted import Wanted
from maildoctor.report import ink
from maildoctor.report.folded import folded, width_of
from maildoctor.report.ink import Colour, Line
from maildoctor.report.log_text import told
from maildoctor.report.sanitise import visible

SHOWN = 8
"""How many of the last attempts are listed."""
TOLD = 4
"""How many causes are told."""
STRANGERS = ("every-login-fails", "password-guessing")
"""Readings that a login of the same user rules out."""
PATH = [stage for stage in Stage if stage is not Stage.HYGIENE]


@dataclass
class Story:
    """What a log tells of one user."""

    user: str
    failures: int = 0
    logins: int = 0
    first: str = ""
    last: str = ""
    last_login: str = ""
    services: Counter[str] = field(default_factory=Counter)
    stages: Counter[Stage] = field(default_factory=Counter)
    recent: deque[tuple[Attempt, Message | None]] = field(default_factory=lambda: deque(maxlen=SHOWN))

    def hear(self, attempt: Attempt, message: Message | None) -> None:
        """Take in one attempt or login."""
        self.recent.append((attempt, message))
        if attempt.key == LOGIN_KEY:
            self.logins += 1
            self.last_login = attempt.when
            return
        self.failures += 1
        self.first = self.first or attempt.when
        self.last = attempt.when or self.last
        self.services[attempt.service] += 1
        self.stages[message.stage if message and message.stage else Stage.VERIFYING] += 1

    @property
    def headline(self) -> str:
        """Say it in one sentence."""
        if not self.failures and not self.logins:
            return "no attempt of this user in these logs"
        if not self.failures:
            return f"{self.logins:,} logins and no failure, the last at {_clock(self.last_login)}"
        tries = f"{self.failures:,} tr{'ies' if self.failures > 1 else 'y'} failed"
        since = f" since {_clock(self.first)}" if self.first else ""
        where = " and ".join(name for name, _ in self.services.most_common(3) if name)
        stopped = ", ".join(f"{count:,} at {stage}" for stage, count in self.stages.most_common())
        if len(self.stages) == 1:
            stopped = f"{'all ' if self.failures > 1 else ''}stopped at {next(iter(self.stages))}"
        return f"{tries}{since}{f' on {where}' if where else ''}, {stopped}{self._after}"

    @property
    def _after(self) -> str:
        if not self.logins:
            return "; never logged in"
        after = self.last_login[:19] > self.last[:19]
        return f"; {'logged in since' if after else 'logged in before'}, last {_clock(self.last_login)}"


def run(
    user: str,
    files: tuple[str, ...] = (),
    rotated: bool = True,
    journal: bool = False,
    colour: Colour = Colour.AUTO,
) -> ExitStatus:
    """Tell the user's story: 1 where the last attempt failed, 0 where it did not, 3 without any."""
    problems: dict[str, str] = {}
    sources = in_order(chosen(files or (() if journal else at_hand()), rotated, journal, None, problems))
    sources, _ = without_repeats(sources)
    story = Story(user)
    reading = read(sources, wanted=Wanted(user=user), listener=story.hear)
    reading.problems.update(problems)
    diagnosis = what_check_says() if story.failures and usual(sources) else None
    findings = seen_by(diagnosis) if diagnosis else {}
    lines = _render(story, reading, [source.name for source in sources], findings)
    ink.write(list(folded(lines, width_of(sys.stdout))), colour)
    if reading.interrupted:
        return ExitStatus.INTERRUPTED
    if not story.failures and not story.logins:
        return ExitStatus.UNJUDGED
    return ExitStatus.FOUND if story.last[:19] > story.last_login[:19] else ExitStatus.FINE


def _render(story: Story, reading: Reading, sources: list[str], findings: Findings) -> Iterator[Line]:
    yield [(visible(story.user), "bold"), (f", {story.headline}", "")]
    yield [("Read ", "dim"), (", ".join(sources) or "nothing", "")]
    for name, why in sorted(reading.problems.items()):
        yield [("Not read: ", "yellow"), (why if name in why else f"{name}: {why}", "")]
    if not story.failures and not story.logins:
        yield [("Older Postfix releases name no user in the log; `maildoctor explain-log` counts all.", "")]
        return
    yield []
    yield from _path(story)
    yield []
    for attempt, message in story.recent:
        yield _attempt(attempt, message)
    yield from _causes(story, findings)


def _path(story: Story) -> Iterator[Line]:
    stops = max((stage.order for stage in story.stages), default=len(PATH))
    line: Line = [("  ", "")]
    for stage in PATH:
        count = story.stages.get(stage, 0)
        if count:
            line += [(f"{stage} ✗ {count:,}  ", "bold red")]
        elif story.logins or stage.order < stops:
            line += [(f"{stage} ✓  ", "green")]
        else:
            line += [(f"{stage} ·  ", "dim")]
    yield line


def _attempt(attempt: Attempt, message: Message | None) -> Line:
    where = f"{attempt.service or '?':<12} {shown(attempt.client)} {attempt.mechanism}"
    if attempt.key == LOGIN_KEY:
        return [(f"  {_clock(attempt.when)}  ", "dim"), ("logged in  ", "green"), (where, "")]
    said = message.meaning if message else sample(attempt.sample)
    if message and message.role != "refused" and attempt.key[1]:
        said = f"{said.rstrip('.')} ({shown(attempt.key[1].encode('utf-8', 'surrogateescape'))})."
    return [(f"  {_clock(attempt.when)}  ", "dim"), ("failed  ", "red"), (f"{where}  {said}", "")]


def _causes(story: Story, findings: Findings) -> Iterator[Line]:
    last = next(((attempt, message) for attempt, message in reversed(story.recent) if message), None)
    if last is None or last[1] is None:
        return
    attempt, message = last
    codes = [code for code in message.codes(attempt.key[1]) if not (story.logins and code in STRANGERS)]
    seen = [code for code in findings if code in codes] or list(findings)
    yield []
    for code in seen[:TOLD]:
        found = findings[code]
        yield [("`maildoctor check` sees ", ""), (code, "bold"), (f": {found.summary}", "")]
        if found.repair:
            yield [("  repair   ", "dim"), (found.repair, "")]
    known = catalogue().causes
    likely = [known[code] for code in codes if code not in seen][: 2 if seen else TOLD]
    if likely:
        yield [("Likely causes, the likeliest first:" if not seen else "Less likely:", "")]
    for each in likely:
        yield from told(each)


def _clock(iso: str) -> str:
    return iso[:19].replace("T", " ") or "an unknown time"

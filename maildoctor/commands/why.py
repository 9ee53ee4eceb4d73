"""``maildoctor why USER``: one user's last attempts, laid along the path of a login."""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from maildoctor.commands import ExitStatus
from maildoctor.commands.explain_log import seen_by, what_check_says
from maildoctor.finding import Stage
from maildoctor.maillog.catalogue import Message, catalogue
from maildoctor.maillog.incident import Incident, sample, shown
from maildoctor.maillog.judge import judge
from maildoctor.maillog.ledger import LOGIN_KEY
from maildoctor.maillog.order import Findings
from maildoctor.maillog.overlap import without_repeats
from maildoctor.maillog.places import at_hand, chosen, usual
from maildoctor.maillog.scan import Reading, read
from maildoctor.maillog.sources import Source, in_order
from maildoctor.maillog.tally import Attempt
from maildoctor.maillog.testimony import account
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
EVERYBODY = 1000
"""How many names of an incident are looked through."""
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
    incident = _told_of(story, sources, findings)
    lines = _render(story, reading, [source.name for source in sources], findings, incident)
    ink.write(list(folded(lines, width_of(sys.stdout))), colour)
    if reading.interrupted:
        return ExitStatus.INTERRUPTED
    if not story.failures and not story.logins:
        return ExitStatus.UNJUDGED
    return ExitStatus.FOUND if story.last[:19] > story.last_login[:19] else ExitStatus.FINE


def _told_of(story: Story, sources: list[Source], findings: Findings) -> Incident | None:
    """Give the incident that the user's last failure belongs to, judged by all that the logs say."""
    if not story.failures or not all(source.again for source in sources):
        return None
    user = account(story.user)
    for incident in judge(read(sources).ledger, findings, EVERYBODY).incidents:
        during = incident.first[:19] <= story.last[:19] <= incident.last[:19]
        if during and any(account(name) == user for name, _ in incident.users):
            return incident
    return None


def _render(
    story: Story, reading: Reading, sources: list[str], findings: Findings, incident: Incident | None
) -> Iterator[Line]:
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
    yield from _causes(story, findings, incident)


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


def _codes(story: Story, incident: Incident | None) -> list[str]:
    """Give the candidate causes of the last failure, the likeliest first."""
    last = next(((attempt, message) for attempt, message in reversed(story.recent) if message), None)
    if last is None or last[1] is None:
        return []
    codes = last[1].codes(last[0].key[1])
    if incident and last[1].role == "refused":
        codes = tuple(dict.fromkeys((*(each.code for each in incident.causes), *codes)))
    return [code for code in codes if not (story.logins and code in STRANGERS)]


def _causes(story: Story, findings: Findings, incident: Incident | None) -> Iterator[Line]:
    codes = _codes(story, incident)
    if not codes:
        return
    seen = [code for code in findings if code in codes] or list(findings)
    yield []
    if incident and incident.code not in (*STRANGERS, "wrong-password") and not incident.confirmed:
        yield [("In all that these logs say: ", ""), (incident.summary, "")]
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

"""Reading a few lines, as the tests need it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from maildoctor.maillog.incident import Judgement
from maildoctor.maillog.judge import judge
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.order import Findings
from maildoctor.maillog.reader import Reader
from maildoctor.maillog.stamps import Calendar

FIXTURES = Path(__file__).parents[2] / "fixtures" / "logs"
END = datetime(2026, 11, 24, tzinfo=UTC)


def gathered(lines: Iterable[str]) -> Ledger:
    """Give the ledger of ``lines``."""
    ledger = Ledger()
    reader = Reader(Calendar(END), ledger)
    for line in lines:
        reader.line(line.encode("utf-8", "surrogateescape"))
        ledger.lines += 1
    reader.finish()
    return ledger


def judged(lines: Iterable[str], findings: Findings | None = None) -> Judgement:
    """Give the judgement of ``lines``."""
    return judge(gathered(lines), findings)


def verdict(line: str) -> str:
    """Give what one line is: a message of the catalogue, login, unknown, or nothing."""
    ledger = gathered([line])
    names = [name for name, _ in ledger.tallies]
    names += ["unknown"] * len(ledger.unknown) + ["login"] * bool(ledger.logins)
    return "+".join(names) or "nothing"


def samples(path: Path) -> Iterator[tuple[str, str]]:
    """Yield verdict and line of each sample in a file under ``fixtures/logs``."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            want, _, said = line.partition("\t")
            yield want, said

"""What ``check`` sees on the host that wrote the log, laid beside what the log says."""

from maildoctor.commands.explain_log import with_findings
from maildoctor.diagnosis import Diagnosis
from maildoctor.diagnosis import Verdict as Health
from maildoctor.finding import Finding, Stage
from maildoctor.maillog.incident import Judgement, Kind, Verdict
from maildoctor.maillog.order import Seen
from tests.maillog.lines import judged
from tests.maillog.test_judge import healthy, line

MILTER = "warning: connect to Milter service inet:127.0.0.1:8891: Connection refused"


def beside(lines: list[str], *codes: str) -> Judgement:
    """Judge ``lines`` on a host where ``check`` sees ``codes``."""
    faults = tuple(
        Finding(summary=f"{code}.", subject="smtpd", code=code, stage=Stage.PERMITTED) for code in codes
    )
    findings = {code: Seen(f"{code}.") for code in codes}
    return with_findings(judged(lines, findings), Diagnosis(Health.BROKEN, (), faults, (), (), ()), findings)


def test_what_left_no_line_stands_first() -> None:
    found = beside(list(healthy()), "service-not-listening")
    assert (found.verdict, found.incidents[0].code, found.incidents[0].attempts) == (
        Verdict.BROKEN,
        "service-not-listening",
        0,
    )
    assert "Nothing in this log shows it" in found.headline


def test_what_the_log_takes_for_harmless_is_told_once_with_its_lines() -> None:
    lines = [line(5, MILTER), *healthy()]
    assert judged(lines).incidents[0].kind is Kind.POLICY
    found = beside(lines, "milter-unanswered")
    assert [(each.code, each.kind, each.attempts) for each in found.incidents] == [
        ("milter-unanswered", Kind.BROKEN, 1)
    ]
    assert "Nothing in this log" not in found.headline

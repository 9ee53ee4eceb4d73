"""Whatever the bytes and wherever a log is cut: no crash, no escape out, the same result."""

import gzip
import json
import os
import random
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.explain_log_traffic import write
from maildoctor.maillog import scan
from maildoctor.maillog.incident import Judgement
from maildoctor.maillog.judge import judge
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.reader import Reader
from maildoctor.maillog.scan import Reading, Scanner, read
from maildoctor.maillog.sources import in_order, open_source
from maildoctor.maillog.stamps import Calendar
from maildoctor.report import log_json, log_text
from tests.maillog.lines import FIXTURES, samples
from tests.maillog.test_judge import broken, campaign, healthy

HOSTILE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
FILES = {path.stem: path for path in FIXTURES.glob("*.log")}
KNOWN = [line.encode() for path in FILES.values() for _, line in samples(path)]
FAST = ("smtpd", "smtpd-reasons", "saslauthd", "reject", "master", "dovecot", "pam")
"""Files of which each line is found by its anchors; others hold pasted fragments."""


def summary(ledger: Ledger) -> dict[str, Any]:
    """What must not depend on how a log was cut."""
    ledger.settle()
    return {
        "totals": (ledger.lines, ledger.failed, ledger.logins, ledger.probes, ledger.verifier_failed),
        "tallies": {
            key: (
                each.count,
                each.span.first,
                each.span.last,
                each.services,
                each.mechanisms,
                sorted(each.clients.counts.items()),
                sorted(each.users.counts.items()),
                each.addresses.about(),
                each.samples,
            )
            for key, each in ledger.tallies.items()
        },
        "unknown": {shape: count for shape, (count, _) in ledger.unknown.items()},
        "people": sorted(
            (address, each.refused, each.logins) for address, each in ledger.visitors.everybody()
        ),
    }


def scanned(parts: list[bytes], *, every_line: bool = False) -> Ledger:
    """Read ``parts`` one after the other, as a stream each."""
    ledger = Ledger()
    reader = Reader(Calendar(datetime(2026, 11, 24, tzinfo=UTC)), ledger)
    scanner = Scanner(reader, every_line=every_line)
    for part in parts:
        scanner.chunks([part])
    reader.finish()
    return ledger


def outputs(ledger: Ledger) -> str:
    """All that would be printed."""
    reading = Reading()
    reading.ledger = ledger
    judgement: Judgement = judge(ledger)
    text = log_json.render(judgement, reading, ["x"])
    json.loads(text)
    from maildoctor.report.sanitise import visible

    for line in log_text.render(judgement, reading, ["x"], ascii_only=False):
        # What ink does with every span before it writes it.
        text += "".join(visible(part) for part, _ in line) + "\n"
    return text


@pytest.fixture(scope="module")
def busy() -> bytes:
    """A log of everything at once, its lines shuffled a little."""
    rows = [*healthy(), *campaign(400), *broken(), *campaign(50)]
    chance = random.Random(3)
    mixed = [row.encode() for row in rows]
    for _ in range(200):
        name = chance.choice(FAST)
        mixed.insert(chance.randrange(len(mixed)), chance.choice(list(samples(FILES[name])))[1].encode())
    return b"\n".join(mixed) + b"\n"


@given(st.lists(st.one_of(st.binary(max_size=300), st.sampled_from(KNOWN)), max_size=30), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_an_answer_and_no_escape(parts: list[bytes], every_line: bool) -> None:
    ledger = scanned([b"\n".join(parts)], every_line=every_line)
    assert not HOSTILE.search(outputs(ledger))


@given(st.sampled_from(KNOWN), st.integers(0, 400), st.binary(min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_bytes_inside_known_lines_do_not_escape_either(line: bytes, place: int, noise: bytes) -> None:
    ledger = scanned([line[:place] + noise + line[place:] + b"\n"], every_line=True)
    assert not HOSTILE.search(outputs(ledger))


def test_the_fast_lane_and_line_by_line_agree(busy: bytes) -> None:
    rows = [row for row in busy.split(b"\n") if re.match(rb"\S+ \S+ \S+\[\d+\]: ", row)]
    # PAM's helper is sought in small logs alone: the verifier's own line says the same.
    rows = [row for row in rows if b" unix_chkpwd[" not in row]
    text = b"\n".join(rows) + b"\n"
    fast, slow = summary(scanned([text])), summary(scanned([text], every_line=True))
    noise = {"saslauthd-debug", "auxprop-noise", "pam-user-unknown", "pam-failure", "tls-library"}
    for each in (fast, slow):
        each["tallies"] = {key: value for key, value in each["tallies"].items() if key[0] not in noise}
    assert fast["totals"] == slow["totals"]
    assert fast["people"] == slow["people"]
    assert fast["tallies"].keys() == slow["tallies"].keys()
    assert {key: each[:7] for key, each in fast["tallies"].items()} == {
        key: each[:7] for key, each in slow["tallies"].items()
    }


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cut_gives_the_same_result(busy: bytes, data: st.DataObject) -> None:
    whole = summary(scanned([busy]))
    ends = [match.end() for match in re.finditer(rb"\n", busy)]
    cuts = sorted(data.draw(st.sets(st.sampled_from(ends), max_size=5)))
    parts = [busy[start:end] for start, end in zip([0, *cuts], [*cuts, len(busy)], strict=True)]
    assert summary(scanned(parts)) == whole


@pytest.mark.parametrize("block", [3000, 4097, 20000])
def test_block_edges_do_not_matter(busy: bytes, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = summary(scanned([busy]))
    monkeypatch.setattr(scan, "BLOCK", block)
    assert summary(scanned([busy])) == whole


def test_two_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "mail.log"
    truth = write(log, 3_000_000, attack=True)
    alone = read([open_source(str(log))]).ledger
    assert (alone.lines, alone.failed, alone.logins) == (truth.lines, truth.failed, truth.logins)
    monkeypatch.setattr(scan, "WORTH_TWO", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    both = read([open_source(str(log))]).ledger
    assert summary(both)["totals"] == summary(alone)["totals"]
    assert both.tallies[("reason-refused", "")].count == alone.tallies[("reason-refused", "")].count
    assert judge(both).verdict == judge(alone).verdict


def test_pieces_in_any_order_give_the_same(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    write(log, 1_500_000, attack=True, traditional=True)
    text = log.read_bytes()
    ends = [text.find(b"\n", place) + 1 for place in (300_000, 900_000)]
    pieces = [text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :]]
    paths = []
    for number, piece in enumerate(pieces):
        paths.append(tmp_path / f"{number}.log")
        paths[-1].write_bytes(piece)
    whole = summary(read([open_source(str(log))]).ledger)
    shuffled = in_order([open_source(str(paths[number])) for number in (2, 0, 1)])
    assert summary(read(shuffled).ledger) == whole


def test_a_line_of_megabytes_costs_no_memory_and_hides_nothing() -> None:
    giant = b"Nov  7 10:16:36 mail postfix/smtpd[1]: warning: " + b"x" * (3 * scan.BLOCK)
    ledger = scanned([giant + b"\n" + "\n".join(broken()).encode() + b"\n"])
    assert ledger.failed == 1
    assert ledger.lines == 4


def test_crlf_nul_and_bad_utf8_do_not_disturb() -> None:
    rows = [row.encode() + b"\r" for row in broken()]
    ledger = scanned([b"\x00\xff\xfe\n" + b"\n".join(rows)], every_line=True)
    assert ledger.failed == 1
    assert judge(ledger).incidents[0].users == (("hoge", 1),)


def test_a_pasted_fragment_beside_a_packed_log_is_read(tmp_path: Path) -> None:
    fragment, packed = tmp_path / "fragment", tmp_path / "mail.log.2.gz"
    said = "SASL authentication failure: cannot connect to saslauthd server: Permission denied"
    fragment.write_text(f"{said}\n")
    packed.write_bytes(gzip.compress(b"Nov  7 10:16:36 mail postfix/smtpd[7]: connect from x[192.0.2.1]\n"))
    ledger = read([open_source(str(path)) for path in (packed, fragment)]).ledger
    assert [tally.samples for tally in ledger.tallies.values()] == [[said.encode()]]


def test_a_client_that_leaves_in_auth_is_told_from_one_that_is_turned_away_in_large_logs_too() -> None:
    head = "2026-11-07T10:00:01+01:00 mail postfix/smtpd[305]: "
    lines = [
        "warning: non-SMTP command from unknown[203.0.113.7]: GET / HTTP/1.0",
        "disconnect from unknown[203.0.113.7] unknown=0/1 commands=0/1",
        "lost connection after AUTH from unknown[203.0.113.7]",
        "disconnect from unknown[203.0.113.7] auth=0/1 commands=0/1",
    ]
    found = []
    for every_line in (True, False):
        ledger = Ledger()
        scanner = Scanner(Reader(Calendar(datetime(2026, 11, 24, tzinfo=UTC)), ledger), every_line=every_line)
        scanner.chunks(["".join(f"{head}{each}\n" for each in lines).encode()])
        scanner.reader.finish()
        found.append(set(ledger.tallies))
    assert found[0] == found[1] >= {("auth-unanswered", "")}

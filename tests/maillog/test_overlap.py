"""Lines that stand in several files are counted once; equal lines of one file are different attempts."""

import gzip
import os
import random
from pathlib import Path

import pytest

from maildoctor.maillog.overlap import Repeats, without_repeats
from maildoctor.maillog.places import chosen
from maildoctor.maillog.scan import Reading, read
from maildoctor.maillog.sources import in_order
from tests.maillog.test_judge import broken, campaign, healthy, line, refused


def log_of(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(rows) + "\n")
    os.utime(path, (1794100000, 1794100000))
    return str(path)


def together(*paths: str) -> tuple[Reading, Repeats]:
    problems: dict[str, str] = {}
    sources, repeats = without_repeats(in_order(chosen(paths, False, False, None, problems)))
    assert not problems
    return read(sources), repeats


def totals(*paths: str) -> tuple[int, int, int]:
    ledger = together(*paths)[0].ledger
    return ledger.lines, ledger.failed, ledger.logins


def ordered(rows: list[str]) -> list[str]:
    return sorted(rows, key=lambda row: row[:19])


@pytest.fixture
def rows() -> list[str]:
    twice = line(77, refused("unknown[203.0.113.9]", "twice"))
    return ordered([*healthy(), *campaign(200), *broken(), twice, twice])


def test_one_file_under_several_names_is_read_once(tmp_path: Path, rows: list[str]) -> None:
    one = log_of(tmp_path / "mail.log", rows)
    link, hard = tmp_path / "link", tmp_path / "hard"
    link.symlink_to(one)
    hard.hardlink_to(one)
    assert totals(one, str(link), str(hard), one) == totals(one)


def test_a_copy_counts_once(tmp_path: Path, rows: list[str]) -> None:
    one, copy = log_of(tmp_path / "mail.log", rows), log_of(tmp_path / "copy", rows)
    packed = tmp_path / "mail.log.gz"
    packed.write_bytes(gzip.compress((tmp_path / "copy").read_bytes()))
    os.utime(packed, (1794100000, 1794100000))
    assert totals(one, copy) == totals(one)
    assert totals(one, str(packed)) == totals(one)
    assert together(one, copy)[1].count == len(rows)


def test_syslog_with_the_lines_of_mail_log_adds_its_own_alone(tmp_path: Path, rows: list[str]) -> None:
    chance = random.Random(5)
    others = [f"{row[:25]} mail cron[7]: job {number}" for number, row in enumerate(rows[::2])]
    own = [line(601, refused("unknown[203.0.113.8]", "late"))]
    mixed = ordered([*rows, *others, *own])
    place = chance.randrange(len(mixed) - 1)
    mixed[place : place + 2] = reversed(mixed[place : place + 2])
    mail, syslog = log_of(tmp_path / "mail.log", rows), log_of(tmp_path / "syslog", mixed)
    alone, both = totals(mail), totals(mail, syslog)
    assert both == (len(mixed), alone[1] + 1, alone[2])
    assert both == totals(syslog, mail)


def test_logs_by_severity_and_all_of_them_together(tmp_path: Path, rows: list[str]) -> None:
    everything = log_of(tmp_path / "mail.info", rows)
    log = log_of(tmp_path / "mail.log", rows)
    warnings = log_of(tmp_path / "mail.warn", [row for row in rows if "warning" in row])
    reading, repeats = together(everything, log, warnings)
    assert (reading.ledger.lines, reading.ledger.failed) == totals(log)[:2]
    assert repeats.count == len(rows) + sum("warning" in row for row in rows)


def test_a_log_of_warnings_that_reaches_further_back(tmp_path: Path, rows: list[str]) -> None:
    middle = len(rows) // 2
    log = log_of(tmp_path / "mail.log", rows[middle:])
    warnings = log_of(tmp_path / "mail.warn", [row for row in rows if "warning" in row])
    assert totals(log, warnings)[1] == totals(log_of(tmp_path / "whole", rows))[1]


def test_a_file_that_was_copied_before_it_was_cut_overlaps_a_little(tmp_path: Path, rows: list[str]) -> None:
    middle = len(rows) // 2
    old, new = (
        log_of(tmp_path / "mail.log.1", rows[:middle]),
        log_of(tmp_path / "mail.log", rows[middle - 40 :]),
    )
    assert totals(old, new) == (len(rows), *totals(log_of(tmp_path / "whole", rows))[1:])


@pytest.mark.parametrize("seed", range(6))
def test_equal_lines_on_both_sides_of_a_cut_are_two_attempts(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    same = [line(second, refused("unknown[203.0.113.9]", "x")) for second in range(40) for _ in range(3)]
    cut = chance.randrange(1, len(same) - 1)
    first, second = log_of(tmp_path / "a", same[:cut]), log_of(tmp_path / "b", same[cut:])
    assert totals(second, first) == (len(same), len(same), 0)


def test_lines_dealt_out_to_several_files_all_count(tmp_path: Path, rows: list[str]) -> None:
    hands = [log_of(tmp_path / str(number), rows[number::3]) for number in range(3)]
    assert totals(*hands)[0] == len(rows)

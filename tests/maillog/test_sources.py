"""Files of all kinds, the journal's saved forms, time stamps, and following."""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from maildoctor.host import CannotLook, LiveHost
from maildoctor.host.live import Output
from maildoctor.maillog import places
from maildoctor.maillog.follow import Tail, new_lines
from maildoctor.maillog.journal import lines_of_export
from maildoctor.maillog.line import parse, service_of
from maildoctor.maillog.overlap import without_repeats
from maildoctor.maillog.scan import read
from maildoctor.maillog.sources import in_order, open_source, rotation_set
from maildoctor.maillog.stamps import Calendar, earlier
from maildoctor.maillog.wanted import Wanted, moment_of
from tests.maillog.test_judge import broken, refused

TEXT = ("\n".join(broken()) + "\n").encode()
PACKED: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("kind", PACKED)
def test_compressed_files_are_read_by_what_they_are_not_by_their_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mail.log.2"
    path.write_bytes(PACKED[kind](TEXT))
    source = open_source(str(path))
    assert source.first == "2026-11-07T10:00:30+01:00"
    assert read([source]).ledger.failed == 1


def test_a_cut_off_compressed_file_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "mail.log.1.gz"
    path.write_bytes(gzip.compress(TEXT * 5000)[:-2000])
    reading = read([open_source(str(path))])
    assert reading.ledger.failed > 100
    assert "is cut off" in reading.problems[str(path)]


@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_that_ends_too_early_is_told_from_one_that_is_whole(tmp_path: Path, kind: str) -> None:
    packed, path = PACKED[kind](TEXT * 5000), tmp_path / "x"
    for whole in (packed, packed * 2, packed + b"\0" * 2048, packed + b"\0" * 2048 + packed):
        path.write_bytes(whole)
        assert not read([open_source(str(path))]).problems
    for size in (12, len(packed) // 2, len(packed) - 1):
        path.write_bytes(packed[:size])
        with contextlib.suppress(CannotLook):
            assert "is cut off" in read([open_source(str(path))]).problems[str(path)]
            continue
        assert size == 12  # so little gives not a single line


def test_damage_in_one_of_two_files_that_overlap_leaves_the_other_whole(tmp_path: Path) -> None:
    whole, damaged = tmp_path / "mail.log", tmp_path / "mail.log.1.gz"
    whole.write_bytes(TEXT * 3000)
    damaged.write_bytes(gzip.compress(TEXT * 5000)[:-2000])
    sources, _ = without_repeats(in_order([open_source(str(damaged)), open_source(str(whole))]))
    reading = read(sources)
    assert [*reading.problems] == [str(damaged)]
    assert reading.ledger.failed >= 3000


def test_standard_input_that_is_no_log_or_closed_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = io.TextIOWrapper(io.BytesIO(bytes(range(256)) * 40))
    monkeypatch.setattr(sys, "stdin", binary)
    assert "not a log" in read([open_source("-")]).problems["standard input"]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CannotLook, match="is closed"):
        open_source("-")


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not installed")
def test_zstd(tmp_path: Path) -> None:
    plain, packed = tmp_path / "mail.log", tmp_path / "mail.log.zst"
    plain.write_bytes(TEXT)
    subprocess.run(["zstd", "-q", str(plain), "-o", str(packed)], check=True)
    reading = read([open_source(str(packed))])
    assert (reading.ledger.failed, reading.problems) == (1, {})
    packed.write_bytes(packed.read_bytes()[:-3])
    assert "damaged or cut off" in read([open_source(str(packed))]).problems[str(packed)]
    packed.write_bytes(gzip.compress(TEXT * 5000)[:-2000])
    subprocess.run(["zstd", "-q", str(packed), "-o", str(tmp_path / "twice.zst")], check=True)
    reading = read([open_source(str(tmp_path / "twice.zst"))])
    assert reading.ledger.failed > 100
    assert reading.problems


def test_what_is_no_file_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(CannotLook, match="no such file"):
        open_source(str(tmp_path / "none"))
    with pytest.raises(CannotLook, match="not a regular file"):
        open_source(str(tmp_path))
    with pytest.raises(CannotLook, match="not a regular file"):
        open_source("/dev/zero")


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(TEXT))
    writer.start()
    assert read([open_source(str(path))]).ledger.failed == 1
    writer.join()


def test_a_rotation_set_is_the_log_and_its_kin(tmp_path: Path) -> None:
    for name in (
        "mail.log",
        "mail.log.1",
        "mail.log.2.gz",
        "mail.log-20261107.xz",
        "mail.log-2026-11-08",
        "mail.log-20261109-1762650000.gz",
        "mail.log.bak",
        "mail.login",
    ):
        (tmp_path / name).write_bytes(b"")
    found = [Path(path).name for path in rotation_set(str(tmp_path / "mail.log"))]
    assert found == [
        "mail.log",
        "mail.log-2026-11-08",
        "mail.log-20261107.xz",
        "mail.log-20261109-1762650000.gz",
        "mail.log.1",
        "mail.log.2.gz",
    ]


def test_sources_are_put_in_the_order_of_their_times(tmp_path: Path) -> None:
    for name, month in (("b", "Nov"), ("a", "Dec"), ("c", "Oct")):
        path = tmp_path / name
        path.write_text(f"{month}  7 10:16:36 mail postfix/smtpd[1]: connect from x[192.0.2.1]\n")
        os.utime(path, (1797000000, 1797000000))
    ordered = in_order([open_source(str(tmp_path / name)) for name in "abc"])
    assert [Path(source.name).name for source in ordered] == ["c", "b", "a"]


def test_years_are_inferred_over_new_year() -> None:
    calendar = Calendar(datetime(2027, 1, 3, tzinfo=UTC))
    assert calendar.iso(b"Dec 31 23:59:59") == "2026-12-31T23:59:59"
    assert calendar.iso(b"Jan  1 00:00:01") == "2027-01-01T00:00:01"


def test_zones_are_kept_and_heeded() -> None:
    calendar = Calendar(datetime(2026, 11, 24, tzinfo=UTC))
    assert calendar.iso(b"2026-11-07T10:16:36.123456+09:00") == "2026-11-07T10:16:36+09:00"
    assert calendar.iso(b"2026-11-07T10:16:36+0900") == "2026-11-07T10:16:36+09:00"
    assert calendar.iso(b"2026-11-07T10:16:36Z") == "2026-11-07T10:16:36+00:00"
    assert earlier("2026-11-07T10:00:00+09:00", "2026-11-07T02:00:00+00:00")


@pytest.mark.parametrize(
    ("line", "tag", "pid", "service"),
    [
        ("mail_1  | Nov  7 10:16:36 mail postfix/smtpd[7]: x", "postfix/smtpd", "7", "smtp"),
        (
            "Nov  7 10:16:36 mail postfix/submission/smtpd[7]: x",
            "postfix/submission/smtpd",
            "7",
            "submission",
        ),
        ("Nov  7 10:16:36 mail postfix-in/smtpd[7]: x", "postfix-in/smtpd", "7", "postfix-in"),
        ("2026-11-07T10:16:36+01:00 INFO    postfix/smtps/smtpd[7]: x", "postfix/smtps/smtpd", "7", "smtps"),
        ("<22>Nov  7 10:16:36 mail postfix/smtpd[7]: x", "postfix/smtpd", "7", "smtp"),
        ("Nov  7 10:16:36 mail dovecot: auth: x", "dovecot", "", "smtp"),
        ("warning: SASL authentication failure: x", "", "", "smtp"),
    ],
)
def test_heads_of_lines(line: str, tag: str, pid: str, service: str) -> None:
    parsed = parse(line.encode())
    assert (parsed.tag.decode(), parsed.pid.decode()) == (tag, pid)
    assert service_of(parsed.tag) == service


def test_the_journals_export_and_json_become_lines() -> None:
    message = refused("unknown[203.0.113.9]", "x").encode()
    fields = (
        b"__REALTIME_TIMESTAMP=1794042996000000\n_HOSTNAME=mail\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=7\n"
    )
    binary = b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n"
    export = (
        b"__CURSOR=s=1\n" + fields + binary + b"\n__CURSOR=s=2\n" + fields + b"MESSAGE=" + message + b"\n\n"
    )
    lines = list(lines_of_export([export[:50], export[50:90], export[90:]]))
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert lines[0].startswith(b"2026-11-07T")
    assert lines[0].endswith(b"mail postfix/smtpd[7]: " + message + b"\n")
    entry = {
        "__REALTIME_TIMESTAMP": "1794042996000000",
        "_HOSTNAME": "mail",
        "SYSLOG_IDENTIFIER": "postfix/smtpd",
        "_PID": "7",
        "MESSAGE": list(message),
    }
    assert list(lines_of_export([json.dumps(entry).encode() + b"\n"])) == [lines[0]]


def test_attempts_are_picked_out(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(TEXT)

    def failed(**wanted: str) -> int:
        return read([open_source(str(path))], wanted=Wanted(**wanted)).ledger.failed

    assert failed(user="hoge") == 1
    assert failed(user="other") == 0
    assert failed(service="submission") == 1
    assert failed(service="smtp") == 0
    assert failed(client="192.0.2.7") == 1
    assert failed(client="client.example.com") == 1
    assert failed(client="192.0.2.8") == 0
    assert failed(service="submission", client="192.0.2.7", user="HOGE") == 1
    assert failed(since="2026-11-07T10:00:00") == 1
    assert failed(since="2026-11-07T11:00:00") == 0
    assert failed(until="2026-11-07T09:00:00") == 0


def test_times_that_people_write() -> None:
    now = datetime(2026, 11, 24, 12, 0, 0)
    assert moment_of("today", now) == "2026-11-24T00:00:00"
    assert moment_of("2 hours ago", now) == "2026-11-24T10:00:00"
    assert moment_of("90m", now) == "2026-11-24T10:30:00"
    assert moment_of("09:12", now) == "2026-11-24T09:12:00"
    assert moment_of("2026-11-07", now) == "2026-11-07T00:00:00"
    assert moment_of("now", now) == "2026-11-24T12:00:00"
    assert moment_of("yesterday", now) == "2026-11-23T00:00:00"
    assert moment_of("-1h", now) == "2026-11-24T11:00:00"
    zoned = now.replace(tzinfo=timezone(timedelta(hours=9)))
    assert moment_of("1 hour ago", zoned) == "2026-11-24T11:00:00+09:00"
    assert moment_of("09:12", zoned) == "2026-11-24T09:12:00"
    with pytest.raises(ValueError):
        moment_of("soon", now)


def test_a_day_that_only_leap_years_have_and_days_that_none_has() -> None:
    calendar = Calendar(datetime(2026, 11, 24, tzinfo=UTC))
    assert calendar.iso(b"Feb 29 10:00:00") == "2024-02-29T10:00:00"
    assert earlier("2026-13-45T10:00:00+01:00", "2026-13-45T11:00:00+02:00")


def test_following_loses_nothing_that_is_written_after_the_file_was_renamed(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_text("old\n")
    tail = Tail(str(path))
    with path.open("a") as log:
        assert list(tail.lines()) == []
        path.rename(tmp_path / "mail.log.1")
        log.write("late\n")
        log.flush()
        path.write_text("new\n")
        assert list(tail.lines()) == [b"late", b"new"]
        log.write("later\n")
        log.flush()
        assert list(tail.lines()) == [b"later"]
    tail.close()


def test_following_survives_rotation_and_truncation(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    seen: list[bytes] = []
    path.write_text("old\n")

    def follow() -> None:
        for line in new_lines([str(path)]):
            seen.append(line)
            if line == b"end":
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    time.sleep(0.4)
    with path.open("a") as log:
        log.write("one\ntw")
        log.flush()
        time.sleep(0.4)
        log.write("o\n")
    time.sleep(0.4)
    path.rename(tmp_path / "mail.log.1")
    path.write_text("three\n")
    time.sleep(0.6)
    path.write_text("")
    time.sleep(0.4)
    with path.open("a") as log:
        log.write("end\n")
    follower.join(10)
    assert seen == [b"one", b"two", b"three", b"end"]


def test_the_logs_of_this_host_are_those_that_postfix_and_its_verifiers_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = {name: str(tmp_path / name) for name in ("mail.log", "syslog", "auth.log", "postfix.log")}
    for path in logs.values():
        Path(path).touch()
    asked: dict[str, str] = {}
    monkeypatch.setattr(places, "MAIL_LOGS", (logs["mail.log"], logs["syslog"]))
    monkeypatch.setattr(places, "OTHER_LOGS", (logs["syslog"],))
    monkeypatch.setattr(places, "AUTH_LOG", logs["auth.log"])
    monkeypatch.setattr(places, "_asked_postfix", lambda: asked)
    assert places.at_hand() == (logs["mail.log"], logs["auth.log"])
    asked["syslog_facility"] = "local0"
    assert places.at_hand() == (logs["syslog"], logs["auth.log"])
    asked["maillog_file"] = logs["postfix.log"]
    assert places.at_hand() == (logs["postfix.log"], logs["auth.log"])
    problems: dict[str, str] = {}
    assert [each.name for each in places.chosen((), False, False, None, problems)] == list(places.at_hand())


def test_a_log_that_nobody_writes_any_more_is_left_for_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, auth = tmp_path / "mail.log", tmp_path / "auth.log"
    log.touch()
    auth.touch()
    said = [f"{time.time() - 60:.6f} mail postfix/qmgr[7]: removed\n", ""]
    monkeypatch.setattr(LiveHost, "run", lambda *_: Output(0, said.pop(0), ""))
    monkeypatch.setattr(places, "MAIL_LOGS", (str(log),))
    monkeypatch.setattr(places, "AUTH_LOG", str(auth))
    monkeypatch.setattr(places, "_asked_postfix", dict)
    assert places.at_hand() == (str(log), str(auth))
    before = time.time() - 2 * places.QUIET
    os.utime(log, (before, before))
    assert places.at_hand() == ()
    assert places.at_hand() == (str(log), str(auth))

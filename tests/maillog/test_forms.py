"""The same log in every form in which tools give it: one result."""

import bz2
import gzip
import json
import lzma
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from maildoctor.host import CannotLook
from maildoctor.maillog.foreign import canonical
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.line import parse
from maildoctor.maillog.scan import read
from maildoctor.maillog.sources import open_source
from maildoctor.maillog.unwrap import unwrapped
from tests.maillog.test_judge import broken, campaign, healthy, line, refused
from tests.maillog.test_scan import summary

HEAD = re.compile(r"(\S+) (\S+) ([^\[]+)\[(\d+)\]: (.*)")
ROWS = [
    *(row for seconds in zip(healthy(), campaign(), strict=False) for row in seconds),
    *broken(700),
    line(701, "message repeated 2 times: [ " + refused("unknown[203.0.113.77]", "again") + "]"),
]


def parts(row: str) -> tuple[datetime, str, str, str, str]:
    match = HEAD.fullmatch(row)
    assert match is not None
    return datetime.fromisoformat(match[1]), *match.groups()[1:]  # type: ignore[return-value]


def rfc_5424(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    return f'<22>1 {when.isoformat()} {host} {tag} {pid} - [origin@32473 ip="192.0.2.1" x="\\]"] {text}'


def rfc_3164(row: str) -> str:
    return f"<22>{traditional(row)}"


def traditional(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    return f"{when:%b} {when.day:2d} {when:%H:%M:%S} {host} {tag}[{pid}]: {text}"


def precise(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    return f"{when:%b} {when.day:02d} {when:%H:%M:%S}.123456 {host} {tag}[{pid}]: {text}"


def iso(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    return f"{when:%Y-%m-%dT%H:%M:%S%z} {host} {tag}[{pid}]: {text}"


def full(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    return f"{when:%a %Y-%m-%d %H:%M:%S} CET {host} {tag}[{pid}]: {text}"


def unix(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    return f"{when.timestamp():.6f} {host} {tag}[{pid}]: {text}"


def compose(row: str) -> str:
    return f"\x1b[36mpostfix-mailcow-1  |\x1b[0m {row}"


def containerd(row: str) -> str:
    return f"2026-11-07T09:16:36.123456789Z stdout F {row}"


def docker_journald(row: str) -> str:
    when, host, *_ = parts(row)
    return f"{when:%b %d %H:%M:%S} {host} c50a483a8a8e[1077]: {row}"


def docker_json(row: str) -> str:
    return json.dumps({"log": row + "\n", "stream": "stdout", "time": "2026-11-07T09:16:36.1Z"})


def grep(row: str) -> str:
    return f"/var/log/mail.log.1:17:{row}"


def export(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    stamp = int(when.timestamp() * 1e6)
    return (
        f"__CURSOR=s=1\n__REALTIME_TIMESTAMP={stamp}\n_HOSTNAME={host}\nSYSLOG_IDENTIFIER={tag}\n"
        f"_PID={pid}\nMESSAGE={text}\n"
    )


def journal_json(row: str, indent: int | None = None) -> str:
    when, host, tag, pid, text = parts(row)
    fields = {"__REALTIME_TIMESTAMP": str(int(when.timestamp() * 1e6)), "_HOSTNAME": host}
    return json.dumps({**fields, "SYSLOG_IDENTIFIER": tag, "_PID": pid, "MESSAGE": text}, indent=indent)


def pretty(row: str) -> str:
    return journal_json(row, indent=8)


def sse(row: str) -> str:
    return f"data: {journal_json(row)}\n"


def verbose(row: str) -> str:
    when, host, tag, pid, text = parts(row)
    return (
        f"{when:%a %Y-%m-%d %H:%M:%S}.123456 CET [s=0a;i=1;b=2;m=3;t=4;x=5]\n"
        f"    _HOSTNAME={host}\n    SYSLOG_IDENTIFIER={tag}\n    _PID={pid}\n    MESSAGE={text}"
    )


FORMS: dict[str, Callable[[str], str]] = {
    each.__name__: each
    for each in (
        rfc_5424, rfc_3164, traditional, precise, iso, full, unix, compose, containerd, docker_json, grep,
        docker_journald,         export, journal_json, pretty, sse, verbose,
    )
}  # fmt: skip


def ledger_of(path: Path, text: bytes) -> Ledger:
    path.write_bytes(text)
    reading = read([open_source(str(path))])
    assert not reading.problems
    return reading.ledger


def told(ledger: Ledger) -> dict[str, object]:
    """What a form keeps: everything but zones, and how a line looked."""
    found = summary(ledger)
    found["tallies"] = {key: (each[0], *each[3:8]) for key, each in found["tallies"].items()}
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 12])
def test_every_form_gives_the_same_result(tmp_path: Path, form: str, size: int) -> None:
    rows = ROWS * size
    plain = told(ledger_of(tmp_path / "plain", "\n".join(rows).encode()))
    assert told(ledger_of(tmp_path / form, "\n".join(FORMS[form](row) for row in rows).encode())) == plain


@pytest.mark.parametrize("form", ["unix", "export", "journal_json", "rfc_5424", "iso"])
def test_forms_with_a_zone_keep_the_moment(tmp_path: Path, form: str) -> None:
    span = ledger_of(tmp_path / form, FORMS[form](ROWS[0]).encode() + b"\n").span
    assert datetime.fromisoformat(span.first) == parts(ROWS[0])[0]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "two members": lambda text: gzip.compress(text[:5000]) + gzip.compress(text[5000:]),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda text: lzma.compress(text, lzma.FORMAT_ALONE),
    "utf-16": lambda text: text.decode().encode("utf-16"),
    "utf-8 with a mark": lambda text: b"\xef\xbb\xbf" + text,
    "packed twice": lambda text: gzip.compress(bz2.compress(text)),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_is_what_it_was_before_in_any_chunks(packer: str) -> None:
    text = "\n".join(ROWS).encode()
    packed = PACKERS[packer](text)
    chance = random.Random(packer)
    for most in (1, 700, 100_000):
        chunks, place = [], 0
        while place < len(packed):
            size = chance.randint(1, most)
            chunks.append(packed[place : place + size])
            place += size
        assert b"".join(unwrapped("x", iter(chunks))).strip() == text


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not installed")
def test_zstandard_on_standard_input() -> None:
    text = "\n".join(ROWS * 50).encode()
    packed = subprocess.run(["zstd", "-qc"], input=text, capture_output=True, check=True).stdout
    assert b"".join(unwrapped("x", iter([packed[:100], packed[100:]]))) == text


def test_a_bomb_is_unpacked_in_small_pieces() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(CannotLook):
        list(unwrapped("x", iter([bomb])))
    bomb = gzip.compress(ROWS[0].encode() + b"\n" + b"x" * 50_000_000)
    assert max(map(len, unwrapped("x", iter([bomb])))) < 1_000_000


@pytest.mark.parametrize("text", [b"PK\x03\x04rest", b"\x7fELF\x02", bytes(range(256)) * 40])
def test_what_is_no_log_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(text)
    with pytest.raises(CannotLook, match="not a log"):
        open_source(str(path))


def test_nul_bytes_of_a_crash_hide_nothing(tmp_path: Path) -> None:
    text = "\n".join(ROWS).encode()
    for broken_text in (b"\0" * 100_000 + b"\n" + text, text[:4000] + b"\0" * 9000 + b"\n" + text[4000:]):
        assert ledger_of(tmp_path / "x", broken_text).failed > 0.9 * ledger_of(tmp_path / "y", text).failed


def test_syslog_ng_says_how_often_in_its_own_way() -> None:
    said = refused("unknown[203.0.113.9]", "x")
    row = f"Nov  7 10:16:36 mail Last message 'postfix/smtpd[7]: {said}' repeated 3 times, "
    row += "suppressed by syslog-ng on mail"
    parsed = parse(row.encode())
    assert (parsed.tag, parsed.times, parsed.text.decode()) == (b"postfix/smtpd", 3, said)


@pytest.mark.parametrize(
    "head",
    [
        "Nov  7 10:16:36 mail mail.warn postfix/smtpd[7]: ",
        "Nov  7 10:16:36 mail.warn mail postfix/smtpd[7]: ",
        "Nov  7 10:16:36 mail/mail local2.info postfix/smtpd[7]: ",
        "Nov  7 10:16:36 [2001:db8::1] postfix/smtpd[7]: ",
        "2026/11/07 10:16:36 mail postfix/smtpd[7]: ",
        "2026-11-07T10:16:36.123456789Z postfix/smtpd[7]: ",
        "postfix/smtpd[7]: ",
        "Nov  7 10:16:36 mail systemd-cat[70]: postfix/smtpd[7]: ",
        "Nov  7 10:16:36 mail wrapper: Nov  7 10:16:36 mx postfix/smtpd[7]: ",
        "Nov  7 10:16:36 mail cat[70]: Nov  7 10:16:36 mx postfix/smtpd[7]: ",
    ],
)
def test_further_words_before_the_program_are_no_part_of_the_client(tmp_path: Path, head: str) -> None:
    ledger = ledger_of(tmp_path / "x", (head + refused("unknown[203.0.113.9]", "hoge") + "\n").encode())
    (tally,) = ledger.tallies.values()
    assert tally.clients.most(2) == [(b"unknown[203.0.113.9]", 1)]


@pytest.mark.parametrize(
    "row",
    [
        "Nov  7 10:16:36 mail postfix/smtpd[7]: x",
        "Nov  7 10:16:36 mail last message repeated 2 times",
        "Nov  7 10:16:36 mail -- MARK --",
        "Nov  7 10:16:36 mail dovecot: auth: x",
        "    continued",
        "",
    ],
)
def test_ordinary_lines_are_left_alone(row: str) -> None:
    assert canonical(row.encode()) == row.encode()

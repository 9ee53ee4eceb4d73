"""Whatever a file holds: an answer or a reason, and no escape out; whatever the order: one result."""

import gzip
import itertools
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildoctor.maillog.foreign import canonical
from maildoctor.maillog.overlap import without_repeats
from maildoctor.maillog.places import chosen
from maildoctor.maillog.scan import Reading, read
from maildoctor.maillog.sources import in_order
from maildoctor.maillog.unwrap import _MAGIC
from tests.maillog.test_forms import FORMS, ROWS
from tests.maillog.test_scan import HOSTILE, KNOWN, outputs, summary
from tests.maillog.test_sources import PACKED

FORM = st.sampled_from(list(FORMS))
HEADS = st.sampled_from([b"", b"", b"", b"{", b"__CURSOR=", *_MAGIC])
PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(KNOWN),
    st.sampled_from([row.encode() for row in ROWS[:20]]),
    st.builds(
        lambda form, row: FORMS[form](row).encode(), st.sampled_from(list(FORMS)), st.sampled_from(ROWS[:9])
    ),
)
ON_FILES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def reading_of(*paths: Path) -> Reading:
    problems: dict[str, str] = {}
    sources, _ = without_repeats(
        in_order(chosen([str(path) for path in paths], False, False, None, problems))
    )
    reading = read(sources)
    reading.problems.update(problems)
    return reading


@given(
    st.sampled_from([b"", b"", b"", b"{", b"__CURSOR=", *_MAGIC]),
    st.lists(PIECES, max_size=12),
    st.booleans(),
)
@ON_FILES
def test_any_file_gives_an_answer_or_a_reason(
    tmp_path: Path, head: bytes, pieces: list[bytes], packed: bool
) -> None:
    path = tmp_path / "log"
    text = head + b"\n".join(pieces)
    path.write_bytes(gzip.compress(text) if packed else text)
    reading = reading_of(path)
    assert not HOSTILE.search(outputs(reading.ledger))


@pytest.mark.parametrize("kind", PACKED)
def test_a_short_packed_log_that_is_damaged_tells_what_is_left_of_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mail.log.1.gz"
    packed = PACKED[kind]("\n".join(ROWS).encode())
    path.write_bytes(packed[:-4])
    reading = reading_of(path)
    assert "is cut off" in reading.problems[str(path)]
    assert reading.ledger.failed > len(ROWS) // 4
    path.write_bytes(PACKED[kind](ROWS[0].encode())[:-4])
    assert reading_of(path).ledger.lines == 1


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_line_has_a_form(line: bytes) -> None:
    assert isinstance(canonical(line.replace(b"\n", b"")), bytes)


@given(FORM, st.integers(0, 200), st.binary(max_size=8), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_any_damage_to_a_form_is_borne(form: str, place: int, noise: bytes, row: int) -> None:
    line = FORMS[form](ROWS[row]).encode()
    assert canonical(line[:place] + noise.replace(b"\n", b"") + line[place:]) is not None


@pytest.mark.parametrize("seed", range(4))
def test_files_in_any_order_packed_or_not_give_what_one_gives(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = sorted(ROWS, key=lambda row: row[:19])
    whole = tmp_path / "whole"
    whole.write_text("\n".join(rows) + "\n")
    cuts = sorted(chance.sample(range(1, len(rows)), 2))
    paths = []
    for number, (start, end) in enumerate(itertools.pairwise([0, *cuts, len(rows)])):
        paths.append(tmp_path / f"{number}.log")
        text = ("\n".join(rows[start:end]) + "\n").encode()
        paths[-1].write_bytes(gzip.compress(text) if chance.random() < 0.5 else text)
        os.utime(paths[-1], (1794100000, 1794100000))
    expected = summary(reading_of(whole).ledger)
    for order in itertools.permutations(paths):
        assert summary(reading_of(*order).ledger) == expected
    assert summary(reading_of(*paths, whole).ledger)["totals"] == expected["totals"]

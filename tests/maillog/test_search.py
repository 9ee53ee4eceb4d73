"""PCRE2 and ``re`` find the same places; where the one cannot, the other does."""

import time
from collections.abc import Callable
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maildoctor.maillog import anchors, search
from maildoctor.maillog.search import Sought
from tests.maillog.lines import FIXTURES, samples

ALL = (anchors.SAID, anchors.COUNTED, anchors.DENIED, anchors.AFTER_AUTH, *anchors.ELSEWHERE)
KNOWN = [line.encode() for path in FIXTURES.glob("*.log") for _, line in samples(path)]
CUT = (
    b"]: : warning: fatal: client=x[192.0.2.1], sasl_method= auth=0/1 reject: saslauthd[ disconnect from "
    b"\n\x00\xff"
)

without_pcre2 = pytest.mark.skipif(search._library() is None, reason="no libpcre2-8 of 10 or later")


def by_re(sought: Sought, text: bytes) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(sought._kinds)]
    for match in sought._slow.finditer(text):
        found[(match.lastindex or 1) - 1].append(match.start())
    return found


@without_pcre2
def test_both_find_all_known_messages_at_the_same_places() -> None:
    text = b"\n".join(KNOWN) + b"\n"
    for sought in ALL:
        assert sought._compiled is not None
        assert sought.places(text, len(text)) == by_re(sought, text)
    kinds = (*anchors.SAID.places(text, len(text)), *anchors.COUNTED.places(text, len(text)))
    assert len([*chain(*kinds)]) > len(KNOWN) / 4


@without_pcre2
@given(st.lists(st.one_of(st.sampled_from(KNOWN), st.binary(max_size=40), st.sampled_from(CUT.split(b" ")))))
@settings(max_examples=200, deadline=None)
def test_both_agree_about_any_bytes(parts: list[bytes]) -> None:
    text = b"".join(parts) + b"\n"
    for sought in ALL:
        assert sought.places(text, len(text)) == by_re(sought, text)


def test_only_whole_lines_are_searched_and_one_place_a_line_counts() -> None:
    text = b"a]: fatal: b]: fatal: c\nd]: panic: e\nf]: fatal: g\n"
    assert anchors.SAID.places(text, text.index(b"f]")) == [
        [text.index(b"]: fatal"), text.index(b"]: panic")]
    ]


def _no_library() -> None:
    return None


class _Refuses:
    """A library whose machine code gives up."""

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *_: 1


@pytest.mark.parametrize("library", [_no_library, _Refuses])
def test_re_does_the_work_where_pcre2_cannot(
    library: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_library", library)
    sought = Sought(rb"one|two", rb"three", after=b": ")
    text = b"x: two\ny: three\nz: four\nw: one\n"
    assert sought.places(text, len(text)) == [[1, text.index(b": one")], [text.index(b": three")]]


@without_pcre2
def test_re_goes_on_where_pcre2_gives_up_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    sought = Sought(rb"one", after=b": ")
    assert sought._compiled is not None
    monkeypatch.setattr(sought._compiled, "_match", lambda *_: -47)
    assert sought.places(b"x: one\n", 7) == [[1]]
    assert sought._compiled is None


def test_lines_made_to_be_searched_again_and_again_take_no_longer() -> None:
    text = b"".join(
        b"%s" % word * (200_000 // len(word)) for word in (b"dovecot: ", b"reject: ", b"deferred (")
    )
    begun = time.process_time()
    for sought in ALL:
        sought.places(text + b"\n", len(text) + 1)
    assert time.process_time() - begun < 10

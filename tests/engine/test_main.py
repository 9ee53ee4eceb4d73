"""The entry point: the ways that go round the reading of options answer just as those that do not."""

import sys

import pytest

from maildoctor.__main__ import main

SAME = {("check",): ("check", "--format", "text"), ("check", "--format", "json"): ("check", "--format=json")}


def answer(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    monkeypatch.setattr(sys, "argv", ["maildoctor", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().out


@pytest.mark.parametrize("words", SAME)
def test_a_plain_check_is_a_check(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = answer(words, monkeypatch, capsys)
    assert plain == answer(SAME[words], monkeypatch, capsys)
    assert plain[1]

"""$name as Postfix expands it; each expectation was put to a real postconf -x."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maildoctor.postfix.expansion import Unexpandable, compatibility_level, expand

VALUES = {
    "a": "1",
    "b": "$a$a",
    "empty": "",
    "hollow": "$empty",
    "list": "x, $b",
    "level": "3.6",
    "loop": "$pool",
    "pool": "$loop",
    "broken": "${a",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$a", "1"),
        ("${a}", "1"),
        ("$(a)", "1"),
        ("$list.", "x, 11."),
        ("$$a", "$a"),
        ("$nothing|${nothing}", "|"),
        ("${a?yes}", "yes"),
        ("${empty?yes}", ""),
        ("${a:no}", ""),
        ("${empty:no $a}", "no 1"),
        ("${a?{yes}:{no}}", "yes"),
        ("${empty?{yes}:{no}}", "no"),
        ("${empty?{yes}:{${a?{deep $b}:{never}}}}", "deep 11"),
        ("${{$a} == {1} ? {one} : {other}}", "one"),
        ("${{$a} != {1} ? {one} : {other}}", "other"),
        ("${{9} < {10} ? {number} : {text}}", "number"),
        ("${{9x} < {10x} ? {number} : {text}}", "text"),
        ("${{$level} <level {3.10} ? {old} : {new}}", "old"),
        ("${{$level} >=level {3.6} ? {new} : {old}}", "new"),
        ("${stress?{1}:{20}}", "20"),
        ("${hollow?{written}:{empty}}", "written"),
        ("${loop?{a}:{b}}", "a"),
    ],
)
def test_expansion(text: str, value: str) -> None:
    assert expand(text, VALUES.get) == value


@pytest.mark.parametrize("text", ["$loop", "${a", "$(a", "$", "$-", "${}", "${a!b}", "$broken"])
def test_what_postfix_cannot_expand(text: str) -> None:
    with pytest.raises(Unexpandable):
        expand(text, VALUES.get)


@pytest.mark.parametrize("end", ["", "x" * 1000])
def test_a_value_that_doubles_at_each_step_is_stopped(end: str) -> None:
    values = {f"n{number}": f"$n{number + 1}$n{number + 1}" for number in range(35)} | {"n35": end}
    with pytest.raises(Unexpandable):
        expand("$n0", values.get)


@given(st.text(alphabet="ab${}()?:=<> \\{loop", max_size=60))
def test_any_text_ends_in_a_value_or_in_unexpandable(text: str) -> None:
    with suppress(Unexpandable):
        assert isinstance(expand(text, VALUES.get), str)


@pytest.mark.parametrize(
    ("text", "level"), [("", (0, 0, 0)), ("2", (2, 0, 0)), ("3.6", (3, 6, 0)), ("x.9.1.4", (0, 9, 1))]
)
def test_compatibility_level(text: str, level: tuple[int, ...]) -> None:
    assert compatibility_level(text) == level

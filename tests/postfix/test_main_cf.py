"""main.cf as Postfix reads it: continuation, comments, the last setting counts, broken lines by number."""

import pytest

from maildoctor.postfix.main_cf import MainCf, Problem, parse
from maildoctor.source import Source, Sourced


def at(line: int) -> Source:
    return Source("/etc/postfix/main.cf", line)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("# nothing\n\n   \n", {}),
        ("a = b\n", {"a": Sourced("b", at(1))}),
        ("a=b", {"a": Sourced("b", at(1))}),
        ("a =\n", {"a": Sourced("", at(1))}),
        ("a = b = c\n", {"a": Sourced("b = c", at(1))}),
        ("a = b # no comment\n", {"a": Sourced("b # no comment", at(1))}),
        ("a = b\r\nc = d\r\n", {"a": Sourced("b", at(1)), "c": Sourced("d", at(2))}),
        ("\n# x\na = b,\n\n  # y\n\tc\n", {"a": Sourced("b,\tc", at(3))}),
        ("a = b\n#c = d\n  e\n", {"a": Sourced("b  e", at(1))}),
        ("a = b\0c\nd = e\n", {"a": Sourced("b", at(1)), "d": Sourced("e", at(2))}),
        ("A = b\na = c\n", {"A": Sourced("b", at(1)), "a": Sourced("c", at(2))}),
    ],
)
def test_parameters(text: str, parameters: dict[str, Sourced[str]]) -> None:
    assert parse(text) == MainCf(parameters)


def test_the_last_setting_counts() -> None:
    read = parse("a = 1\nb = 2\na = 3\n")
    assert read.parameters == {"b": Sourced("2", at(2)), "a": Sourced("3", at(3))}
    assert read.overridden == (("a", Sourced("1", at(1))),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = b\nbare\n", Problem(at(2), "\"bare\" has no '=' right after the parameter's name")),
        ("a b = c\n", Problem(at(1), "\"a b = c\" has no '=' right after the parameter's name")),
        ("= c\n", Problem(at(1), "\"= c\" has no parameter name before '='")),
        (
            "  a = b\nc = d\n",
            Problem(at(1), '"a = b" begins with white space and so sets nothing', fatal=False),
        ),
        (
            "\ufeffa = b\n",
            Problem(at(1), 'a byte order mark stands before "a = b"', fatal=False),
        ),
    ],
)
def test_broken_lines_are_named(text: str, problem: Problem) -> None:
    assert parse(text).problems == (problem,)


def test_utf16_is_one_problem_not_a_thousand() -> None:
    text = ("a = b\n" * 1000).encode("utf-16").decode("utf-8", "surrogateescape")
    assert parse(text) == MainCf(
        {}, (Problem(at(1), "the file is UTF-16 text; Postfix reads ASCII and UTF-8"),)
    )


def test_a_value_of_a_megabyte_is_read_in_no_time() -> None:
    read = parse("a =" + " b\n" * 300_000)
    assert len(read.parameters["a"].value) == 600_000 - 1

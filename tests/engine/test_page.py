"""Pages: what a docstring holds."""

from maildoctor.page import parse

TEXT = """It is broken.

What: one
two

Break:
    postconf -e a=b
    systemctl reload postfix
Break on 13:
    true
Safety: safe."""


def test_sections_are_taken_apart() -> None:
    page = parse(TEXT)
    assert page.title == "It is broken."
    assert page.section("What") == "one\ntwo"
    assert page.section("Break", 12) == "postconf -e a=b\nsystemctl reload postfix"
    assert page.section("Break", 13) == "true"
    assert page.section("Mend") == ""

"""Values: constructed, compared and refused as frozen dataclasses are."""

from typing import ClassVar

import pytest

from maildoctor.value import replace, value


@value
class Parent:
    name: str
    kind: ClassVar[str] = "a kind"


@value
class Child(Parent):
    size: int = 3


@value
class Sibling(Parent):
    size: int = 3


def test_fields_come_in_order_with_defaults_and_by_name() -> None:
    child = Child("a", size=4)
    assert (child.name, child.size, Child("a").size) == ("a", 4, 3)
    assert repr(child) == "Child(name='a', size=4)"


def test_equality_is_by_class_and_values() -> None:
    assert Child("a") == Child(name="a", size=3)
    assert len({Child("a"), Child("a"), Child("b")}) == 2
    parents: list[Parent] = [Child("a"), Sibling("a")]
    assert parents[0] != parents[1]


def test_a_value_like_another_differs_in_what_was_named() -> None:
    child = Child("a", size=4)
    assert replace(child, name="b") == Child("b", size=4)
    assert child == Child("a", size=4)
    with pytest.raises(TypeError):
        replace(child, weight=1)


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), (("a", 1, 2), {}), (("a",), {"name": "b"}), (("a",), {"x": 1})]
)
def test_wrong_values_are_refused(values: tuple[object, ...], named: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Child(*values, **named)  # type: ignore[arg-type]


def test_a_value_cannot_be_changed() -> None:
    child = Child("a")
    with pytest.raises(AttributeError):
        child.size = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del child.size

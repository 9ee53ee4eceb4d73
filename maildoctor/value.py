"""Immutable values that cost next to nothing to declare.

``dataclass`` writes and compiles the source of half a dozen methods for each class. Every run of
``maildoctor check`` declares all the actions of remedies and mostly makes none: with dataclasses that alone
took a tenth of the time in which it has to answer. Equality, hash and repr are those of a frozen dataclass.
"""

from typing import Any, Never, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(declared: type[T]) -> type[T]:
    """Make a class of its annotated names, those of its bases first; values are given in that order or named.

    The class gets a constructor (TypeError for a name that is missing, unknown or given twice), and its
    objects can neither be changed nor differ from others with the same class and values.
    """
    fields: dict[str, None] = {}
    for base in reversed(declared.__mro__):
        annotations = getattr(base, "__annotations__", {})
        fields |= dict.fromkeys(name for name, kind in annotations.items() if "ClassVar" not in str(kind))
    members = {"_fields": tuple(fields), "__init__": _fill, "__setattr__": _refuse, "__delattr__": _refuse}
    members |= {"__eq__": _equal, "__hash__": _hash, "__repr__": _show}
    for name, member in members.items():
        setattr(declared, name, member)
    return declared


def replace(old: T, **changed: Any) -> T:
    """Give a value like ``old`` but for what is ``changed``. Raises TypeError for a name that it lacks."""
    fields: tuple[str, ...] = getattr(old, "_fields", ())
    return type(old)(**{**{name: getattr(old, name) for name in fields}, **changed})


def _fill(self: Any, *values: Any, **named: Any) -> None:
    fields = self._fields
    if len(values) > len(fields):
        raise TypeError(f"{type(self).__name__} takes {len(fields)} values, {len(values)} were given")
    given = dict(zip(fields, values, strict=False))
    for name in named:
        if name in given or name not in fields:
            raise TypeError(f"{type(self).__name__} cannot take {name}")
    given |= named
    for name in fields:
        if name in given:
            object.__setattr__(self, name, given[name])
        elif not hasattr(type(self), name):
            raise TypeError(f"{type(self).__name__} needs {name}")


def _refuse(self: Any, name: str, value: Any = None) -> Never:
    raise AttributeError(f"{type(self).__name__} cannot be changed: {name}")


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self._fields)


def _equal(self: Any, other: object) -> bool:
    return type(self) is type(other) and _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def _show(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
    return f"{type(self).__name__}({shown})"

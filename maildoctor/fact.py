"""``@fact``: a function of a host, asked once, remembered on that host.

A failure is remembered as well, so that a hanging ``postconf`` costs its time limit once, not once a check.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from maildoctor.host import CannotLook, Host

P = ParamSpec("P")
T = TypeVar("T")


def fact(function: Callable[Concatenate[Host, P], T]) -> Callable[Concatenate[Host, P], T]:
    """Remember what ``function(host, *arguments)`` returns or, for ``CannotLook``, raises.

    The arguments after the host must be hashable and positional.
    """

    @wraps(function)
    def remembered(host: Host, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (function, args)
        if key not in host.memory:
            host.memory[key] = _ask(function, host, *args, **kwargs)
        value, failure = host.memory[key]
        if failure is not None:
            raise failure
        return cast(T, value)

    return remembered


def _ask(
    function: Callable[Concatenate[Host, P], T], host: Host, *args: P.args, **kwargs: P.kwargs
) -> tuple[T | None, CannotLook | None]:
    try:
        return function(host, *args, **kwargs), None
    except CannotLook as failure:
        return None, failure

"""``@fact``: a function of a host, asked once, remembered on that host.

A failure is remembered as well, so that a hanging ``postconf`` costs its time limit once, not once a check.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from maildoctor.host import CannotLook, Host

P = ParamSpec("P")
T = TypeVar("T")


def fact(function: Callable[Concatenate[Host, P], T]) -> Callable[Concatenate[Host, P], T]:
    """Remember what ``function(host, *arguments)`` returns or, for ``CannotLook``, raises.

    The arguments after the host must be hashable and positional.
    """

    @wraps(function)
    def remembered(host: Host, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (function, args)
        if key not in host.memory:
            try:
                host.memory[key] = (function(host, *args, **kwargs), None)
            except CannotLook as error:
                host.memory[key] = (None, error)
        value, error = host.memory[key]
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    return remembered

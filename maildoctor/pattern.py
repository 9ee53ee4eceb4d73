"""Regular expressions that are compiled when they are first used.

Dozens of them stand beside the facts that need them, and most are for faults that this host does not have;
compiling them all would take a tenth of the time in which ``maildoctor check`` has to answer.
"""

import re
from typing import Any, AnyStr, cast


class _Later:
    def __init__(self, text: Any, flags: int) -> None:
        self._arguments = (text, flags)

    def __getattr__(self, name: str) -> Any:
        # Asked for once a method: the answer is kept where the next look-up finds it first.
        value = getattr(re.compile(*self._arguments), name)
        self.__dict__[name] = value
        return value


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Give what ``re.compile`` gives, compiled at its first use."""
    return cast("re.Pattern[AnyStr]", _Later(text, flags))

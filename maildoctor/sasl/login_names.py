"""Which names people log in with, as the end of the mail log tells.

smtpd logs the name of a login that it takes (``sasl_method=PLAIN, sasl_username=hoge``) and, since 3.5.22,
3.6.12 and 3.7.8, that of one which it refuses (``authentication failure, sasl_username=hoge``).
"""

import re
from dataclasses import dataclass

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host
from maildoctor.pattern import pattern
from maildoctor.postfix.configuration import parameter

TAKEN = pattern(rb"sasl_method=[^\s,]+, sasl_username=([^\s,]+)")
REFUSED = pattern(rb"authentication failed: [^\n]*?, sasl_username=([^\s,]+)")


@dataclass(frozen=True, slots=True)
class LoginNames:
    """Names as clients sent them; strangers' guesses are among the refused ones."""

    taken: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


@fact
def login_names(host: Host) -> LoginNames:
    """Read them from the end of the log; none where there is no log that may be read."""
    from maildoctor.maillog.evidence import recent_text

    try:
        texts = recent_text(host, parameter(host, "maillog_file").value.strip() or None)
    except CannotLook:
        return LoginNames()
    return LoginNames(_found(TAKEN, texts), _found(REFUSED, texts))


def _found(pattern: re.Pattern[bytes], texts: list[bytes]) -> frozenset[str]:
    return frozenset(
        match[1].decode("utf-8", "surrogateescape") for text in texts for match in pattern.finditer(text)
    )

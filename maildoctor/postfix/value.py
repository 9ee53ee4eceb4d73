"""Which values a parameter may have: yes or no, a number, a time. Source: postconf(5), mail_conf_*.c.

What a parameter is follows from its default: ``no`` makes it yes or no, ``100`` a number, ``300s`` a time.
"""

import re
from collections.abc import Mapping

from maildoctor.pattern import pattern
from maildoctor.postfix.expansion import expand

CHOICES = frozenset({"smtpd_forbid_bare_newline", "smtpd_forbid_unauth_pipelining", "smtputf8_enable"})
"""Their default looks like yes or no, or will in a later version, but they take other words as well."""
_FORMS = {
    "yes or no": pattern(r"yes|no", re.IGNORECASE),
    "a number": pattern(r"-?\d+"),
    # What follows the unit's letter does not count: 5minutes is 5m; capitals and spaces do: tried on 3.7.
    "a time such as 30s": pattern(r"\d+(?:[smhdw].*)?"),
}
_DEFAULTS = {
    "yes or no": pattern(r"yes|no"),
    "a number": pattern(r"\d+"),
    "a time such as 30s": pattern(r"\d+[smhdw]"),
}


def expected(name: str, defaults: Mapping[str, str]) -> str | None:
    """Say which kind of value a parameter takes, ``yes or no``; None where anything may stand."""
    if name not in defaults or name in CHOICES:
        return None
    default = expand(defaults[name], defaults.get)
    return next((kind for kind, form in _DEFAULTS.items() if form.fullmatch(default)), None)


POSITIVE = frozenset(
    {
        "smtpd_timeout",
        "smtpd_starttls_timeout",
        "smtpd_soft_error_limit",
        "smtpd_hard_error_limit",
        "smtpd_recipient_limit",
        "smtpd_junk_command_limit",
        "smtpd_proxy_timeout",
        "smtpd_policy_service_timeout",
        "max_idle",
        "max_use",
    }
)
"""Parameters at which smtpd ends where they are 0: "invalid ... parameter value 0 < 1"."""
ZERO = pattern(r"0+\s*[smhdw]?|-.*", re.IGNORECASE)


def too_small(name: str, value: str) -> bool:
    """Tell whether an expanded value is below what smtpd takes for that parameter."""
    return name in POSITIVE and ZERO.fullmatch(value.strip()) is not None


def fits(value: str, kind: str) -> bool:
    """Tell whether an expanded value is of that kind; smtpd ends with a fatal error where it is not."""
    return _FORMS[kind].fullmatch(value.strip(" \t\r\n")) is not None

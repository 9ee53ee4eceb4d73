"""Takes passwords out of lines of configuration before anybody shows them.

Where they stand: ``password=...`` and its relatives in tables and smtpd.conf, words of a command line, what
stands before the ``@`` of an address. Names of files and methods that only sound like it are kept.
"""

import re

from maildoctor.pattern import pattern

MASK = "********"
HINTS = ("pass", "pw", "secret", "token", "key", "@", "hash")
"""No line without one of these can hold a secret; most lines end here."""
NAMED = pattern(
    r"""(?<![\w.])
    (?P<name>[\w.-]*(?:passwd|password|passwort|passphrase|passdata|secret|token|api_?key|_pw|bindpw|dnpass
        |pwhash|passhash)\s*(?P<sign>[:=])\s*)
    (?P<value>"(?:\\.|[^"\\])*"?|'[^']*'?|(?<=\s)\S.*|\S+)""",
    re.IGNORECASE | re.VERBOSE,
)
"""A value behind white space goes on to the line's end; right behind the sign it is one word."""
PUBLIC = pattern(r"(?i)(?:_maps|_file|_method|_path|_table|tokens?_expire)$")
IN_ADDRESS = pattern(r"(?P<name>\w+://[^\s:/@]+:|(?<![\w:/.])[\w.+-]+:)(?P<value>[^\s:/@\[\]{}]+)(?=@[\w.-])")


def masked(text: str) -> str:
    """Give ``text``, of any number of lines, with what may be a password replaced by asterisks."""
    lowered = text.lower()
    if not any(hint in lowered for hint in HINTS):
        return text
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    line = IN_ADDRESS.sub(lambda match: f"{match['name']}{MASK}", line)
    return NAMED.sub(_named, line)


def _named(match: re.Match[str]) -> str:
    value = match["value"]
    if PUBLIC.search(re.split(r"\s*[:=]", match["name"])[0]) or not value.strip("\"'"):
        return match[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match['name']}{quote}{MASK}{quote}"

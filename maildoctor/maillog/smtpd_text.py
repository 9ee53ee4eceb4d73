"""What smtpd's lines look like: the forms that are taken apart, and what is kept of them."""

import re

from maildoctor.maillog.stamps import STAMP_TEXT
from maildoctor.pattern import pattern

_HEAD = (
    rb"(?P<stamp>" + STAMP_TEXT + rb") [^\s\[\]]{1,255} (?P<tag>[^\s\[\]]{1,100}smtpd)\[(?P<pid>\d{1,10})\]: "
)
FAILURE = pattern(
    _HEAD + rb"warning: (?P<client>[^\s\[\]]{0,255}\[(?P<address>[^\s\[\]]{1,64})\])(?::\d{1,5})?: "
    rb"SASL (?P<mechanism>[A-Za-z0-9_-]{1,32}) authentication failed: (?P<reason>[^\n]*)"
)
LOGIN = pattern(
    _HEAD + rb"[0-9A-Za-z]{1,32}: client=(?P<client>[^\s\[\],]{0,255}\[(?P<address>[^\s\[\],]{1,64})\])"
    rb"(?::\d{1,5})?, sasl_method=(?P<mechanism>[^\s,]{1,32}), sasl_username=(?P<user>[^\n]*)"
)
TERMINAL = pattern(
    rb"(?:warning: )?(?:(?P<client>.{0,300}?): )?SASL (?P<mechanism>[A-Za-z0-9_-]{1,32}) "
    rb"authentication (?P<how>failed|aborted)(?::[ ]?(?P<reason>.*))?$",
    re.S,
)
LONGEST_CLIENT = 120
NAMELESS = pattern(rb"^smtpd:? (?=warning: |fatal: |error: |panic: )")
"""How people who describe a log name the program."""
SEVERITY = pattern(rb"(?:warning|fatal|error|panic): ")
CYRUS_SAID = pattern(rb"(?:warning: )?SASL authentication (?:failure|problem|error): ")
CYRUS = pattern(r"SASL authentication (?:failure|problem|error): ")
COUNTED = pattern(
    rb"disconnect from (\S{0,300}\[([^\[\]]{0,64})\](?::\d+)?|.{0,300}?) .*?\bauth=(\d{1,6})(?:/(\d{1,6}))?"
)
REJECT = pattern(
    rb"(?:NOQUEUE|[0-9A-Za-z]{1,32}): reject(?:_warning)?: (\w+) from (.{0,300}?)(?::\d+)?: (.*)", re.S
)
CLIENT = pattern(rb".*\[([^\[\]]{0,64})\]")
BASE64 = pattern(r"[A-Za-z0-9+/]{8,}={0,2}")
SECRET_MECHANISMS = ("CRAM-MD5", "DIGEST-MD5", "NTLM", "SCRAM", "OTP")
ABOUT_LOGINS = pattern(rb"sasl|\bauth(?!\S*-results)|saslauthd|auxprop|mechanism", re.I)
DIGITS = pattern(r"\d+|[0-9A-Fa-f]{8,}")


def shortened_client(client: bytes) -> bytes:
    """Give a client as it is kept: a long host name loses its middle, never the address."""
    if len(client) <= LONGEST_CLIENT:
        return client
    return client[:40] + b"..." + client[-75:]


def plain(text: bytes) -> str:
    """Give a message without severity and without what Cyrus SASL puts before its own."""
    severity = SEVERITY.match(text)
    plain = (text[severity.end() :] if severity else text)[:2000].decode("utf-8", "surrogateescape").strip()
    return CYRUS.sub("", plain, count=1) if plain.startswith("SASL authentication ") else plain


def shortened_refusal(text: str) -> str:
    """Give the part of a reject line that the catalogue looks at: status and reason."""
    return text.partition("; from=<")[0][:1000]

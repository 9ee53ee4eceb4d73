"""Takes out of log lines what may be a secret: verbose logging and clients put passwords there."""

import base64
import re

from maildoctor.pattern import pattern

PROMPTS = {"UGFzc3dvcmQ6": "Password:", "VXNlcm5hbWU6": "Username:"}
"""What servers ask in LOGIN, in base64: the only such texts that cannot hold a secret."""

_HIDDEN = "(not shown)"
_KEY = r"(?<![a-z])(?:\w{1,20}_)?(?:pass(?:w(?:or)?d|phrase)?|pwd?|bindpw|dnpass)"
_RULES = (
    pattern(r"(given password: ?)([^)]*)"),
    pattern(rf"({_KEY}(?:[\"'`]?\s{{0,3}}(?:=>|[:=])\s{{0,3}}|\s{{1,3}})[\"'`])((?:[^\"'`\\]|\\.)*)", re.I),
    pattern(rf"({_KEY}\s{{0,3}}=\s{{0,3}})(?!(?:yes|no)\b)([^\s\"'`,;&)(]+)", re.I),
    pattern(r"((?<![\w-])pass(?:word|phrase)?: ?)([^\s\"'`,;&)(]+)", re.I),
    pattern(r"(\b(?:bindpw|dnpass|rootpw)\s{1,3})([^\s=]+)", re.I),
    pattern(r"(\w://[^\s/:@]{1,100}:)([^\s@/]+)(?=@)"),
    pattern(r"(\bBearer )([^ ,;\"]+)"),
    pattern(r"(\b(?:refresh|access)(?:_token)?[\"' ]{0,3}[=:][\"' ]{0,3})([^\s,;\"']+)"),
    # Queries may hold what the client sent.
    pattern(r"(\bquery: )(SELECT .*)", re.I),
    # auth_debug_passwords
    pattern(r"(\b[A-Z][A-Z0-9.-]{2,30}\()(.*\) != .*)"),
    pattern(r"(\bresp=|\bCONT\s{1,3}\d{1,10}\s{1,3})(\S+)"),
    pattern(r"(DEBUG: auth_(?:shadow|getpwent): )(.*)"),
    pattern(r"(sasl_passw[^=]{1,300} = )(.*)"),
    pattern(r"(pipelining after AUTH from [^:]*: )(.*)"),
    pattern(r"(request longer than \d+: )(.*)"),
    pattern(r"(\binit_response )(\S+)"),
    pattern(r"((?:un|de)coded [a-z ]{0,20}(?:response|reply|challenge):? )(.*)"),
    pattern(r"((?:response|challenge|decoded)[^:]{0,40}: )(.*)", re.I),
    pattern(r"(\bsasl\w*_(?:server|client)_\w+: (?:uncoded|decoded)[^:]*: )(.*)"),
    pattern(r"(authentication (?:failed|aborted): )([A-Za-z0-9+/]{8,}={0,2}(?:\.\.\.)?)(?=$|,)"),
    pattern(
        r"(\bAUTH (?:PLAIN|LOGIN|XOAUTH2|OAUTHBEARER) )"
        r"(?!(?:PLAIN|LOGIN|CRAM|DIGEST|NTLM|SCRAM|XOAUTH2|OAUTHBEARER|GSS|EXTERNAL|ANONYMOUS)\b)"
        r"([A-Za-z0-9+/]+={0,2})"
    ),
    pattern(r"([<>] [^ ]{1,300}: (?:334 )?|non-SMTP command from \S{1,300}: )([A-Za-z0-9+/]{8,}={0,2})$"),
)
_BASE64 = pattern(r"[A-Za-z0-9+/]{12,}={0,2}")
_CREDENTIALS = pattern(
    rb"[ -\xff]{0,255}\0[ -\xff]{1,255}\0[ -\xff]*|(?:n,.{0,300},\x01|user=).{0,300}auth=Bearer.*", re.S
)
"""What PLAIN and the mechanisms for tokens send (RFC 4616, RFC 7628)."""


def without_secrets(line: str) -> str:
    """Give ``line`` with what may be a secret replaced; known prompts are shown decoded."""
    for rule in _RULES:
        line = rule.sub(_replaced, line)
    return _BASE64.sub(_decoded, line)


def _replaced(match: re.Match[str]) -> str:
    kept, text = match[1], match[2]
    if text in PROMPTS:
        return f'{kept}{text} ("{PROMPTS[text]}")'
    return f"{kept}{_HIDDEN}"


def _decoded(match: re.Match[str]) -> str:
    """Leave a word as it is unless it is a name and a password in base64."""
    word = match[0].rstrip("=")
    sent = base64.b64decode(word[: len(word) - (len(word) % 4 == 1)] + "==")
    return _HIDDEN if _CREDENTIALS.fullmatch(sent) else match[0]

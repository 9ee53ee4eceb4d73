"""Takes out of log lines what may be a secret: verbose logging and clients put passwords there."""

import re

from maildoctor.pattern import pattern

PROMPTS = {"UGFzc3dvcmQ6": "Password:", "VXNlcm5hbWU6": "Username:"}
"""What servers ask in LOGIN, in base64: the only such texts that cannot hold a secret."""

_HIDDEN = "(not shown)"
_RULES = (
    pattern(r"(authentication failed: )([A-Za-z0-9+/]{8,}={0,2})(?=$|,)"),
    pattern(r"(given password: ?)([^)]*)"),
    pattern(r"(\bpass(?:word|wd)? ?[`'\"=]+)([^`'\"]+)"),
    pattern(r"(password[= ]+')((?:[^'\\]|\\.)*)"),
    pattern(r"(DEBUG: auth_(?:shadow|getpwent): )(.*)"),
    pattern(r"(\bBearer )([^ ,;\"]+)"),
    pattern(r"(\b(?:refresh|access)(?:_token)?[\"' ]{0,3}[=:][\"' ]{0,3})([^\s,;\"']+)"),
    pattern(r"(pipelining after AUTH from [^:]*: )(.*)"),
    pattern(r"(request longer than \d+: )(.*)"),
    pattern(r"(\bAUTH (?:PLAIN|LOGIN|XOAUTH2|OAUTHBEARER) )([A-Za-z0-9+/]+={0,2})"),
    pattern(r"([<>] [^ ]{1,300}: (?:334 )?)([A-Za-z0-9+/]{8,}={0,2})$"),
    pattern(r"((?:response|challenge|decoded)[^:]{0,40}: )(.*)", re.I),
    pattern(r"(\bsasl\w*_(?:server|client)_\w+: (?:uncoded|decoded)[^:]*: )(.*)"),
)


def without_secrets(line: str) -> str:
    """Give ``line`` with what may be a secret replaced; known prompts are shown decoded."""
    for rule in _RULES:
        line = rule.sub(_replaced, line)
    return line


def _replaced(match: re.Match[str]) -> str:
    kept, text = match[1], match[2]
    if text in PROMPTS:
        return f'{kept}{text} ("{PROMPTS[text]}")'
    return f"{kept}{_HIDDEN}"

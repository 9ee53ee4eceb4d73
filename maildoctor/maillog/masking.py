"""Takes out of log lines what may be a secret: verbose logging and clients put passwords there."""

import re

PROMPTS = {"UGFzc3dvcmQ6": "Password:", "VXNlcm5hbWU6": "Username:"}
"""What servers ask in LOGIN, in base64: the only such texts that cannot hold a secret."""

_HIDDEN = "(not shown)"
_RULES = (
    re.compile(r"(authentication failed: )([A-Za-z0-9+/]{8,}={0,2})(?=$|,)"),
    re.compile(r"(given password: ?)([^)]*)"),
    re.compile(r"(\bpass(?:word|wd)? ?[`'\"=]+)([^`'\"]+)"),
    re.compile(r"(password[= ]+')((?:[^'\\]|\\.)*)"),
    re.compile(r"(DEBUG: auth_(?:shadow|getpwent): )(.*)"),
    re.compile(r"(pipelining after AUTH from [^:]*: )(.*)"),
    re.compile(r"(request longer than \d+: )(.*)"),
    re.compile(r"(\bAUTH (?:PLAIN|LOGIN|XOAUTH2|OAUTHBEARER) )([A-Za-z0-9+/]+={0,2})"),
    re.compile(r"([<>] [^ ]{1,300}: (?:334 )?)([A-Za-z0-9+/]{8,}={0,2})$"),
    re.compile(r"((?:response|challenge|decoded)[^:]{0,40}: )(.*)", re.I),
    re.compile(r"(\bsasl\w*_(?:server|client)_\w+: (?:uncoded|decoded)[^:]*: )(.*)"),
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

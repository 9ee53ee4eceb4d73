"""An smtpd.conf whose lines libsasl2 refuses, written as they were plainly meant."""

from maildoctor.pattern import pattern
from maildoctor.sasl.smtpd_conf import parse

MEANT = pattern(r"^[^\w#]*([A-Za-z0-9_-]+)[ \t]*[:=]?[ \t]*(\S.*?)?[ \t\r]*$")
VALUES = {"mech_list": "PLAIN LOGIN"}
"""What a key without a value may safely be given: every verifier serves these two."""
SECRET = pattern(r"(?i)^\s*\W?\w*(?:passwd|password|_pw)\b")


def repaired(data: bytes) -> str | None:
    """Give the file's text with its bad lines put right; None where that cannot be done or shown.

    Whom to ask for passwords is not guessed, and a file with a password is not shown.
    """
    try:
        text = _decoded(data)
    except UnicodeDecodeError:
        return None
    if any(SECRET.match(line) for line in text.splitlines()):
        return None
    lines = [_line(line) for line in text.splitlines()]
    if None in lines:
        return None
    result = "".join(f"{line}\n" for line in lines)
    settings, fault = parse(result.encode())
    return result if fault is None and settings else None


def _decoded(data: bytes) -> str:
    """Decode it as its byte order mark says."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    return data.decode("utf-8")


def _line(line: str) -> str | None:
    if parse(line.encode())[1] is None:
        return line
    if line.lstrip()[:1] in (";", "/", "!") or line.lstrip().startswith("--"):
        return f"# {line.strip()}"
    meant = MEANT.match(line)
    value = meant and (meant[2] or VALUES.get(meant[1].lower()))
    return f"{meant[1]}: {value}" if meant and value else None

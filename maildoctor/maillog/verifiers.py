"""What saslauthd, PAM, Dovecot and the kernel wrote themselves, wherever syslog put it."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from maildoctor.maillog.catalogue import Catalogue, Recognised
from maildoctor.maillog.line import Line
from maildoctor.pattern import pattern

VERIFIERS = (b"saslauthd", b"dovecot", b"auth", b"kernel", b"audit", b"unix_chkpwd", b"auth-worker")

_AUTH_FAILURE = pattern(
    r"(?:\w*\s*: )?auth failure: \[user=(?P<user>.*?)\] \[service=(?P<service>.*?)\] "
    r"\[realm=(?P<realm>.*?)\] \[mech=(?P<mech>.*?)\] \[reason=(?P<reason>.*)\]\s*$"
)
_FUNCTION = pattern(r"(?<![a-z_0-9])[a-z_0-9]{0,40}\s{0,20}: ")
_ON_STDERR = pattern(r"saslauthd\[\d{1,10}\] :")
"""saslauthd names itself where it writes to a terminal, or through systemd into the journal."""
_PAM = pattern(
    r"(?P<module>pam_\w+)\([^()]*\): (?P<text>.*)|\((?P<old>pam_\w+)\) (?P<more>.*)"
    r"|(?P<dash>pam_\w+) - (?P<said>.*)",
    re.S,
)
_PROCESS = pattern(
    r"(?P<process>auth|auth-worker|master|config|log|doveconf|[a-z0-9]{1,16}-login)"
    r"(?:\((?P<user>[^(),]{0,200}),(?P<client>[^(),]{0,64})[^()]{0,64}\)|\([^()]{0,64}\))?"
    r"(?:<[^<>]{0,64}>)?: "
)
_SEVERITY = pattern(r"(?:Error|Fatal|Panic|Warning|Info|Debug): ")
_DEBUG = pattern(r"(?:auth(?:-worker)?(?:\([^()]{0,64}\))?(?:<[^<>]{0,64}>)?: )?Debug: ")
_CONNECTION = pattern(r"conn [^ ]{1,100} \([^()]{0,100}\): ")
_REQUEST = pattern(r"request \[\d{1,10}\]: ")
_DRIVER = pattern(
    r"[\w-]{1,32}\((?P<user>[^(),]{0,200}),(?P<client>[^(),]{0,64})[^()]{0,200}\): "
    r"|(?:sql|pam|ldap|passwd-file|passwd|static|lua|oauth2|policy|checkpassword|login|shadow|bsdauth|dict)"
    r"(?:\([^()]{0,200}\))?: "
)
_NAMED = pattern(r"[\w-]{1,64}: ")
"""Since Dovecot 2.4 a password database has a name of the admin's own."""
_BEGINNINGS = (_PROCESS, _SEVERITY, _CONNECTION, _REQUEST, _DRIVER)
_OURS = ("auth", "auth-worker", "master", "config", "log", "doveconf")
_LOGIN_SERVICE = pattern(r"[a-z0-9]{1,16}-login: (?:Error|Fatal): ")
_DENIED = pattern(r'apparmor="DENIED" .*?profile="(?P<profile>[^"]*)"(?: name="(?P<path>[^"]*)")?')
_AVC = pattern(r'avc: +denied .*?(?:(?:path|name)="(?P<path>[^"]*)")?[^"]*scontext=(?P<profile>\S+)')


class Heard(NamedTuple):
    """A verifier's line: what it says (None: nothing that matters), and about whom."""

    found: Recognised | None
    user: bytes = b""
    address: bytes = b""
    service: str = ""
    mechanism: str = ""
    ends: bool = False
    """Whether the verifier said no to one question with it."""


class Verifiers:
    """Understands the lines of all verifiers with one catalogue."""

    def __init__(self, known: Catalogue) -> None:
        """Use the catalogue ``known``."""
        self._known = known

    def hear(self, line: Line) -> Heard | None:
        """Give what ``line`` says, None where the catalogue does not know it."""
        text = line.text[:2000].decode("utf-8", "surrogateescape").strip()
        program = line.tag.rpartition(b"/")[2]
        if program in (b"kernel", b"audit"):
            return self._kernel(text)
        if match := _PAM.search(text):
            module = match["module"] or match["old"] or match["dash"]
            return self._plain("pam", f"{module}: {match['text'] or match['more'] or match['said'] or ''}")
        if text.startswith("PAM "):
            return self._plain("pam", text)
        if program == b"unix_chkpwd":
            return self._plain("pam", f"unix_chkpwd: {text}")
        if program == b"saslauthd":
            return self._saslauthd(text)
        return self._dovecot(text, program in (b"auth", b"auth-worker"))

    def _saslauthd(self, text: str) -> Heard | None:
        text = _ON_STDERR.sub("", text, count=1)
        match = _AUTH_FAILURE.match(text)
        if match is None:
            named = _FUNCTION.sub(lambda match: match[0].rstrip(" :") + ": ", text, count=1)
            forms = (text, named, _FUNCTION.sub("", text, count=1))
            return self._weightiest("saslauthd", forms)
        found = self._known.recognise("saslauthd reason", match["reason"][:500])
        user = match["user"].encode("utf-8", "surrogateescape")[:200]
        if found and match["realm"] and found.message.role == "refused":
            found = Recognised(
                found.message, {**found.fields, "what": _realm_hint(match["user"], match["realm"])}
            )
        # "smtp" is what every smtpd calls itself there, whatever its service in master.cf is called.
        service = "" if match["service"] == "smtp" else match["service"][:40]
        return Heard(found, user, b"", service, match["mech"][:40], ends=True)

    def _dovecot(self, text: str, line_of_auth: bool) -> Heard | None:
        if not (text.startswith(_OURS) or _SEVERITY.match(text) or _LOGIN_SERVICE.match(text)):
            return Heard(None)
        if "Debug: " in text[:200] and _DEBUG.match(text):
            return Heard(None)
        said, about = _without_beginnings(text)
        found = self._known.recognise("dovecot", said[:1000])
        if found is None and about["user"]:
            found = self._known.recognise("dovecot", _NAMED.sub("", said[:1000], count=1))
        if found is None:
            return None if text.startswith("auth") or line_of_auth else Heard(None)
        user, client = (about[name].encode("utf-8", "surrogateescape") for name in ("user", "client"))
        return Heard(found, user, client, "", "", ends=found.message.role == "refused")

    def _kernel(self, text: str) -> Heard | None:
        kind, match = "apparmor", _DENIED.search(text)
        if match is None:
            kind, match = "selinux", _AVC.search(text)
        if match is None:
            return Heard(None)
        if text.endswith("permissive=1"):
            # SELinux only would have denied it.
            return Heard(None)
        for program in ("saslauthd", "dovecot", "postfix"):
            if program in match["profile"] or program in (match["path"] or ""):
                found = self._known.recognise("kernel", f"{kind} {program}")
                return Heard(found and Recognised(found.message, {"path": match["path"] or match["profile"]}))
        return Heard(None)

    def _weightiest(self, program: str, forms: Iterable[str]) -> Heard | None:
        """Give what one of the forms of a message says, rather than what may be passed over."""
        heard = [said for form in forms if (said := self._plain(program, form))]
        return next(
            (said for said in heard if said.found and not said.found.message.silent),
            heard[0] if heard else None,
        )

    def _plain(self, program: str, text: str) -> Heard | None:
        found = self._known.recognise(program, text[:1000])
        if found is None:
            return None
        return Heard(found, found.fields.get("user", "").encode("utf-8", "surrogateescape")[:200])


def of_dovecots_log(text: bytes) -> bool:
    """Tell whether a line that names no program is of a log that Dovecot writes itself (log_path)."""
    return _PROCESS.match(text[:500].decode("utf-8", "surrogateescape")) is not None


def _without_beginnings(text: str) -> tuple[str, dict[str, str]]:
    """Take off what Dovecot puts before a message, and keep the user and the client that it names there."""
    about = {"user": "", "client": ""}
    for _ in range(8):
        match = next(filter(None, (beginning.match(text) for beginning in _BEGINNINGS)), None)
        if match is None:
            break
        about.update({name: value for name, value in match.groupdict().items() if name in about and value})
        text = text[match.end() :]
    return text, about


def _realm_hint(user: str, realm: str) -> str:
    """Say how name and realm stand to each other, where that matters."""
    return "realm given twice" if user.endswith(f"@{realm}") else "realm split off"

"""Puts the likely causes of one incident in order: what else the log says, and what ``check`` sees."""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from maildoctor.maillog.catalogue import Catalogue, Cause, Message
from maildoctor.maillog.ledger import Ledger
from maildoctor.maillog.stamps import earlier, moment
from maildoctor.maillog.tally import Span, Tally
from maildoctor.value import value

BRIEF = timedelta(minutes=2)
"""What lasted no longer, between logins, may have been a restart."""
RESTARTS = (
    "saslauthd-unreachable",
    "saslauthd-hung-up",
    "dovecot-unreachable",
    "dovecot-handshake",
    "reason-connection-lost",
)


Said = tuple[Message, str, Tally]
"""A message, what varied in it, and how often it was said."""


@value
class Seen:
    """A fault that ``check`` sees on the host that wrote the log."""

    summary: str
    proof: str = ""
    repair: str = ""
    explains: tuple[str, ...] = ()
    """Codes that are its consequences."""


Findings = Mapping[str, Seen]
"""What ``check`` sees, by code; root causes stand before their consequences."""


@value
class Case:
    """What is judged, and with what."""

    ledger: Ledger
    known: Catalogue
    findings: Findings
    top: int
    """How many names of each sort are shown."""


def whole_of(many: Iterable[Said]) -> Tally:
    """Count several messages as one."""
    whole = Tally()
    for _, _, tally in many:
        whole.merge(tally)
    return whole


def causes_of(message: Message, detail: str, tally: Tally, case: Case) -> tuple[Cause, ...]:
    """Give the candidate causes of ``message``, the likeliest first."""
    codes = list(message.codes(detail))
    for code in reversed(_hinted(message, detail, tally, case.ledger)):
        _to_front(codes, code)
    for code in reversed(_seen(codes, case.findings)):
        _to_front(codes, code)
    return tuple(cause(code, case) for code in codes)


def cause(code: str, case: Case) -> Cause:
    """Give a cause as the catalogue tells it, or, for a code that only ``check`` knows, as that tells it."""
    if code in case.known.causes:
        return case.known.causes[code]
    seen = case.findings[code]
    return Cause(code, seen.summary, seen.proof, seen.repair or f"maildoctor explain {code}")


def _seen(codes: Collection[str], findings: Findings) -> list[str]:
    """Give those of ``codes`` that ``check`` sees, each behind what it is a consequence of."""
    found: list[str] = []
    for code in findings:
        if code in codes:
            found += [root for root, each in findings.items() if code in each.explains and root not in found]
            found += [code] if code not in found else []
    return found


def confirmed(codes: Collection[str], findings: Findings) -> bool:
    """Tell whether ``check`` sees one of these causes."""
    return any(code in findings for code in codes)


def _hinted(message: Message, detail: str, tally: Tally, ledger: Ledger) -> list[str]:
    said = {name for name, _ in ledger.tallies}
    if message.id in RESTARTS and "Permission denied" not in detail and _was_brief(tally, ledger):
        return ["verifier-restarted"]
    if message.id in ("no-secret-in-database", "user-not-canonified", "sasldb-cannot-open", "realm-changed"):
        return _store_hints(tally, said)
    if message.id in ("saslauthd-pam-acct", "dovecot-pam-account") and "pam-expired" not in said:
        # pam_unix names an account that has expired; the rules of other modules are silent.
        return ["user-not-permitted"]
    if message.id == "no-applicable-mechanisms" and "plugin-not-loadable" in said:
        return ["sasl-plugin-broken"]
    if message.id == "tls-first" and {"smtps", "submissions"} & set(tally.services):
        return ["tls-wrappermode-missing"]
    if message.id == "reason-connection-lost" and "dovecot-unreachable" in said:
        return ["dovecot-not-running"]
    if message.id == "saslauthd-unreachable":
        return _saslauthd_hints(detail, tally, ledger)
    if message.id == "dovecot-unreachable":
        return _socket_hints(detail, tally, ledger)
    if message.id == "reason-no-mechanism" and not _unknown_verifiers(ledger) - {"auxprop"}:
        # Cyrus names a verifier that it does not know; auxprop it knows, but perhaps no plugin for it.
        return ["auxprop-plugin-unknown"]
    if message.id.startswith("saslauthd-") and message.role == "refused":
        return _realm_hints(message, detail, tally, said)
    if message.id == "reason-refused" and "smtpd-killed" in said:
        return ["password-format-mismatch"]
    if message.id == "saslauthd-hung-up" and "pam-mysql-refused" in said:
        return ["password-format-mismatch"]
    return []


def _unknown_verifiers(ledger: Ledger) -> set[str]:
    return {word for name, detail in ledger.tallies if name == "unknown-verifier" for word in detail.split()}


def _store_hints(tally: Tally, said: set[str]) -> list[str]:
    unexpected = {"NTLM", "OTP", "DIGEST-MD5"} & set(tally.mechanisms)
    if unexpected or "realm-changed" in said:
        # Hardly anybody asks for these: they are on offer because mech_list is not in effect.
        return ["smtpd-conf-missing", "sasl-config-path-wrong"]
    return []


def _saslauthd_hints(detail: str, tally: Tally, ledger: Ledger) -> list[str]:
    """Weigh what saslauthd itself said: it was stopped, or it listens elsewhere, or it did work before."""
    if "No such file" not in detail:
        return []
    listens = {path: each for (name, path), each in ledger.tallies.items() if name == "saslauthd-listens"}
    begun = _latest(listens.values())
    ended = _latest(each for (name, _), each in ledger.tallies.items() if name == "saslauthd-ended")
    if ended and not earlier(ended, begun):
        return ["saslauthd-not-running"]
    if listens:
        last = max(listens, key=lambda path: listens[path].span.last)
        inside = "/spool/postfix" in last
        return ["saslauthd-socket-in-chroot-unchrooted" if inside else "saslauthd-socket-outside-chroot"]
    return ["saslauthd-not-running"] if _worked_before(tally, ledger) else []


def _latest(tallies: Iterable[Tally]) -> str:
    latest = ""
    for tally in tallies:
        latest = latest if tally.span.last and earlier(tally.span.last, latest) else tally.span.last
    return latest


def _worked_before(tally: Tally, ledger: Ledger) -> bool:
    """Tell whether somebody logged in before the first of it: then something stopped working."""
    first_login = ledger.login_tally.span.first
    return bool(first_login and tally.span.first and earlier(first_login, tally.span.first))


def _was_brief(tally: Tally, ledger: Ledger) -> bool:
    """Tell whether somebody logged in soon before and some time after, as around a restart."""
    since = earlier(tally.span.last, ledger.login_tally.span.last)
    return since and _worked_before(tally, ledger) and lasted(tally.span) <= BRIEF


def lasted(span: Span) -> timedelta:
    """Give the time from first to last; a day that no calendar has makes it long."""
    try:
        return moment(span.last) - moment(span.first)
    except ValueError:
        return timedelta.max


def _socket_hints(detail: str, tally: Tally, ledger: Ledger) -> list[str]:
    if "No such file" not in detail or _worked_before(tally, ledger):
        return []
    path = detail.rpartition(" ")[2]
    if path in ("private/auth", ""):
        return []
    if path.startswith("/var/spool/postfix/"):
        return ["dovecot-socket-path-wrong", "dovecot-socket-outside-chroot"]
    return ["dovecot-socket-path-wrong", "dovecot-not-running"]


def _realm_hints(message: Message, detail: str, tally: Tally, said: set[str]) -> list[str]:
    if "given twice" in detail:
        return _combined_realm(tally)
    if "pam-user-unknown" in said:
        addresses = any(b"@" in name for name in tally.users.counts)
        return ["pam-service-refuses", "saslauthd-realm-not-combined"] if addresses else ["password-guessing"]
    if "split off" in detail or "pam-mysql" in said:
        return ["saslauthd-realm-not-combined", "pam-service-refuses"]
    return []


def _combined_realm(tally: Tally) -> list[str]:
    """Weigh a realm that saslauthd's -r put behind a name: some mechanisms want it, some do not know it."""
    if "sasldb" in tally.mechanisms:
        return ["sasldb-realm-mismatch", "saslauthd-realm-combined"]
    return ["saslauthd-realm-combined"] if {"pam", "shadow", "getpwent"} & set(tally.mechanisms) else []


def _to_front(codes: list[str], code: str) -> None:
    if code in codes:
        codes.remove(code)
    codes.insert(0, code)

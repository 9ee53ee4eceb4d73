"""From lines to attempts: the lines of one process belong together, and one of them names the cause.

The three lines "cannot connect to saslauthd server", "Password verification failed" and "SASL PLAIN
authentication failed: generic failure" of one process are one attempt, counted under the first.
"""

import re
from collections.abc import Callable

from maildoctor.maillog.catalogue import Catalogue, Message, Recognised, catalogue
from maildoctor.maillog.dialogue import Dialogue
from maildoctor.maillog.ledger import LOGIN_KEY, Ledger
from maildoctor.maillog.line import AGAIN, Line, parse, service_of
from maildoctor.maillog.masking import without_secrets
from maildoctor.maillog.session import Session, stronger
from maildoctor.maillog.smtpd_text import (
    ABOUT_LOGINS,
    BASE64,
    CLIENT,
    COUNTED,
    CYRUS_SAID,
    DIGITS,
    FAILURE,
    LOGIN,
    NAMELESS,
    REJECT,
    SECRET_MECHANISMS,
    SEVERITY,
    TERMINAL,
    plain,
    shortened_client,
    shortened_refusal,
)
from maildoctor.maillog.stamps import Calendar
from maildoctor.maillog.tally import Attempt
from maildoctor.maillog.top import LONGEST_NAME
from maildoctor.maillog.verifiers import VERIFIERS, Verifiers, of_dovecots_log
from maildoctor.maillog.wanted import Wanted

SESSIONS = 512
"""How many processes are remembered at a time; the longest silent is dropped first."""
REPEATS = 10000
KEPT = 500
"""Bytes of a line that are kept as a sample."""
AFTER_A_FAILURE = "after a failed login"
"""What is noted beside a refusal to relay."""
UNLOGGED = ("auth-unlogged", "")
UNANSWERED = ("auth-unanswered", "")

Listener = Callable[[Attempt, Message | None], None]


class Reader:
    """Takes lines one by one, in the order of the log, and fills a ledger."""

    def __init__(
        self,
        calendar: Calendar,
        ledger: Ledger,
        wanted: Wanted | None = None,
        listener: Listener | None = None,
    ) -> None:
        """Begin with no session; ``listener`` hears of each attempt and login as it ends."""
        self.ledger = ledger
        self._wanted = None if wanted is None or wanted.everything else wanted
        self.listener = listener
        self.calendar = calendar
        self._known: Catalogue = catalogue()
        self.sessions: dict[bytes, Session] = {}
        self.failures: dict[bytes, int] = {}
        """AUTH commands that a process wrote of since its last client came."""
        self.awaited: dict[bytes, None] = {}
        """Processes of which the disconnect line will tell whether a client had logged in."""
        self._verifiers = Verifiers(self._known)
        self._dialogue = Dialogue()
        self.previous = b""

    def line(self, raw: bytes) -> None:
        """Take one line, without its line end."""
        ours = b"smtpd[" in raw
        if ours and (match := FAILURE.match(raw)):
            stamp, tag, pid = match["stamp"], match["tag"], match["pid"]
            self._ended(
                raw, self.calendar.iso(stamp), service_of(tag), pid, match["client"], match["address"],
                match["mechanism"].decode("ascii"), match["reason"].rstrip(b"\r\x00 "),
            )  # fmt: skip
        elif ours and (match := LOGIN.match(raw)):
            self._logged_in(raw, match)
        elif self._other(raw, parse(raw)):
            return
        self.previous = raw

    @property
    def filtered(self) -> bool:
        """Tell whether attempts are picked out or listened to one by one."""
        return self._wanted is not None or self.listener is not None

    def end_session(self, pid: bytes) -> None:
        """A client of this process is through with AUTH."""
        if self.sessions and (session := self.sessions.pop(pid, None)):
            self._flush(session)
            self._settle_denied(session, True)

    def reason_alone(self, mechanism: str, reason: bytes) -> tuple[tuple[str, str], bool, Message | None]:
        """Give the tally of an attempt whose process said nothing else, and whether a verifier refused it."""
        text = reason.decode("utf-8", "surrogateescape")[:500]
        if text == "bad protocol / cancel" and mechanism.startswith(SECRET_MECHANISMS):
            text = "cancelled secret"
        found = self._known.recognise("reason", text)
        if found is None and (BASE64.fullmatch(text) or text == "xxx=="):
            # The server's last challenge, which says nothing, unless it is a token's refusal.
            token = mechanism in ("XOAUTH2", "OAUTHBEARER")
            found = self._known.recognise("reason", "token" if token else "base64")
        if found is None:
            return ("reason-other", reason.decode("latin-1")[:60]), True, None
        return (found.message.id, found.detail), found.message.role == "refused", found.message

    def finish(self) -> None:
        """End of the log: what was said and led to nothing counts by itself."""
        if self._dialogue.ended:
            found = self._known.recognise("ehlo", self._dialogue.ended)
            assert found is not None
            self._said(self._attempt(self._dialogue.sample, Line(b"", b"", b"", b"", 1), found))
        for session in self.sessions.values():
            self._forget(session)
        self.ledger.settle()

    # -- one line

    def _other(self, raw: bytes, line: Line) -> bool:
        """Take a line of any kind, and tell whether it only repeats the one before."""
        if match := AGAIN.match(line.text):
            if self.previous and not AGAIN.match(parse(self.previous).text):
                for _ in range(min(int(match["times"] or match["more"]), REPEATS)):
                    self.line(self.previous)
            return True
        for _ in range(min(line.times, REPEATS)):
            self._one(raw, line)
        return False

    def _one(self, raw: bytes, line: Line) -> None:
        program = line.tag.rpartition(b"/")[2]
        if program == b"smtpd":
            self._smtpd(raw, line)
        elif program in (b"smtp", b"lmtp"):
            self._text(raw, line, "smtp")
        elif program in (b"master", b"anvil") and line.tag != program:
            self._text(raw, line, program.decode("ascii"))
        elif program in VERIFIERS:
            self._verifier(raw, line)
        elif line.tag.startswith(b"postfix"):
            self._text(raw, line, "postfix program" if b"/" not in line.tag else "postfix")
        elif not line.tag:
            self._fragment(raw, line)
        else:
            self._text(raw, line, "other")

    def _smtpd(self, raw: bytes, line: Line) -> None:
        text = line.text
        if match := TERMINAL.match(text):
            client = match["client"] or b""
            address = CLIENT.match(client)
            reason = match["reason"] if match["how"] == b"failed" else b"aborted"
            self._ended(
                raw, self.calendar.iso(line.stamp), service_of(line.tag), line.pid, client,
                address[1].strip() if address else b"", match["mechanism"].decode("ascii"),
                b"bare" if reason is None else reason.strip(),
            )  # fmt: skip
        elif SEVERITY.match(text):
            self._warned(raw, line)
        elif match := COUNTED.match(text):
            self._disconnected(raw, line, match)
        elif text.startswith(b"disconnect from "):
            self._settle_denied(self._gone(line), False)
            self.failures.pop(line.pid, None)
        elif b" after AUTH from " in text[:60]:
            self._session(line).cut_off = True
        elif match := REJECT.match(text):
            self._rejected(raw, line, match)
        elif b", sasl_method=" in text and b"client=" in text:
            self._odd_login(raw, line)
        else:
            self._warned(raw, line)

    def _warned(self, raw: bytes, line: Line) -> None:
        text = plain(line.text)
        found = self._known.recognise("smtpd", text)
        if found is None:
            self._unknown(raw, line)
            return
        message, said = found.message, self._attempt(raw, line, found)
        if message.role == "noise":
            if message.causes:
                self._said(said)
            return
        session = self._session(line)
        if message.role == "consequence" and line.text.startswith(b"fatal: "):
            if session.said is None or session.reason is None or session.reason.message.role == "consequence":
                session.said = said
            self._flush(session)
        elif message.weak:
            session.weak = found
            self._said(said)
        elif (message.minor and not CYRUS_SAID.match(line.text)) or line.text.startswith(b"fatal: "):
            self._flush(session)
            self._said(said)
        elif session.reason is None:
            session.reason, session.said = found, said
        elif session.reason.message is message or stronger(message, session.reason.message):
            if session.reason.message is message:
                self._flush(session)
            session.reason, session.said = found, said

    def _ended(
        self, raw: bytes, when: str, service: str, pid: bytes, client: bytes, address: bytes, mechanism: str,
        reason: bytes,
    ) -> None:  # fmt: skip
        """An AUTH command failed: settle on its cause, and count it."""
        reason, _, user = reason.partition(b", sasl_username=")
        if user == b"(unavailable)":
            user = b""
        session = self.sessions.get(pid)
        if session is None:
            session = self.new_session(pid)
        session.service = service
        if len(self.failures) > SESSIONS:
            self.failures.clear()
        self.failures[pid] = self.failures.get(pid, 0) + 1
        key, refused, message = self.reason_alone(mechanism, reason)
        found = session.reason or session.weak
        if found and self._names_cause(found, message):
            key, message = (found.message.id, found.detail), found.message
            refused = message.role == "refused"
        else:
            found = None
        sample = session.said.sample if session.said and found is not None else raw[:KEPT]
        session.reason = session.said = None
        client = shortened_client(client)
        attempt = Attempt(key, when, service, client, address, mechanism, user[:LONGEST_NAME], sample)
        if self._wanted and not self._wanted.keeps(attempt):
            return
        self.ledger.attempt(attempt, refused)
        if self.listener:
            self.listener(attempt, message)

    def _names_cause(self, said: Recognised, ended: Message | None) -> bool:
        """Tell whether what a process said before names the cause better than how its attempt ended."""
        if said.message.role == "consequence":
            return False
        if said.message.weak:
            return ended is not None and ended.id == "reason-no-mechanism"
        if ended is not None and ended.id in said.message.explains:
            return True
        weaker = said.message.role in ("refused", "client")
        return not (weaker and ended is not None and ended.role in ("cause", "client"))

    def _logged_in(self, raw: bytes, match: re.Match[bytes]) -> None:
        self.end_session(match["pid"])
        user, _, _ = match["user"].rstrip(b"\r\x00 ").partition(b", sasl_sender=")
        when, service = self.calendar.iso(match["stamp"]), service_of(match["tag"])
        mechanism = match["mechanism"].decode("ascii", "replace")
        client = shortened_client(match["client"])
        login = Attempt(
            LOGIN_KEY, when, service, client, match["address"], mechanism, user[:LONGEST_NAME], raw[:KEPT]
        )
        self._login(login)

    def _odd_login(self, raw: bytes, line: Line) -> None:
        fields = dict(re.findall(rb"(client|sasl_method|sasl_username)=([^,]*)", line.text))
        client = fields.get(b"client", b"")
        self._session(line).logged_in = True
        login = self._about(LOGIN_KEY, raw, line, client[:300], fields.get(b"sasl_username", b""))
        self._login(login._replace(mechanism=fields.get(b"sasl_method", b"").decode("ascii", "replace")[:32]))

    def _login(self, login: Attempt) -> None:
        if self._wanted and not self._wanted.keeps(login):
            return
        self.ledger.login(login)
        if self.listener:
            self.listener(login, None)

    def _disconnected(self, raw: bytes, line: Line, match: re.Match[bytes]) -> None:
        """Count AUTH commands that wrote no line: refused without asking a verifier, or cut from the log."""
        session = self._gone(line)
        good, total = int(match[3]), int(match[4] or match[3])
        self._settle_denied(session, good > 0)
        if not line.pid and self.ledger.failed:
            # Without a process id (journalctl -o cat) nobody knows which of the lines before it counts.
            return
        for _ in range(min(total - good - self.failures.pop(line.pid, 0), REPEATS)):
            attempt = self._about(UNANSWERED if session.cut_off else UNLOGGED, raw, line, match[1], b"")
            if self._wanted is None or self._wanted.keeps(attempt):
                self.ledger.attempt(attempt, refused=False)

    def _gone(self, line: Line) -> Session:
        """The client of a process went: give what was known of it, and forget it."""
        self.awaited.pop(line.pid, None)
        session = self.sessions.pop(line.pid, None) or Session()
        self._flush(session)
        return session

    def _rejected(self, raw: bytes, line: Line, match: re.Match[bytes]) -> None:
        session, shortened = (
            self._session(line),
            shortened_refusal(match[3].decode("utf-8", "surrogateescape")),
        )
        known = session.logged_in or b"sasl_username=" in match[3]
        found = self._known.recognise("reject", shortened)
        if found is None:
            return
        user = re.search(rb"sasl_username=([^ ,]*)|not owned by user ([^;]*)", match[3])
        key = (found.message.id, AFTER_A_FAILURE if line.pid in self.failures and not known else "")
        denied = self._about(key, raw, line, match[2], (user[1] or user[2] or b"") if user else b"")
        if found.message.role == "policy" and len(session.denied) < REPEATS and line.pid:
            session.denied.append((denied, shortened))
            self._await(line.pid)
            session.logged_in = known
        else:
            self._said(denied)

    def _await(self, pid: bytes) -> None:
        if pid not in self.awaited and len(self.awaited) >= SESSIONS:
            del self.awaited[next(iter(self.awaited))]
        self.awaited[pid] = None

    def _settle_denied(self, session: Session, logged_in: bool) -> None:
        """Say of the refusals of a session whether the client had logged in."""
        for denied, text in session.denied:
            found = self._known.recognise("reject logged in", text) if logged_in else None
            self._said(denied._replace(key=(found.message.id, "")) if found else denied)
        session.denied = []

    def _text(self, raw: bytes, line: Line, program: str) -> None:
        """Lines of programs that know no sessions."""
        found = self._known.recognise(program, plain(line.text))
        if found is None:
            if program not in ("postfix", "other"):
                self._unknown(raw, line)
        elif not found.message.silent:
            self._said(self._attempt(raw, line, found))

    def _verifier(self, raw: bytes, line: Line) -> None:
        heard = self._verifiers.hear(line)
        if heard is None:
            self._unknown(raw, line)
        elif heard.found and not heard.found.message.silent:
            found = heard.found
            said = self._about((found.message.id, found.detail), raw, line, heard.address, heard.user)
            attempt = said._replace(service=heard.service, mechanism=heard.mechanism)
            if self._wanted is None or self._wanted.keeps(attempt):
                self.ledger.said(attempt)
                self.ledger.verifier_failed += heard.ends

    def _fragment(self, raw: bytes, line: Line) -> None:
        """A pasted piece of a log or of an SMTP dialogue, which names no program."""
        line = line._replace(text=NAMELESS.sub(b"", line.text, count=1))
        if TERMINAL.match(line.text) or self._known.recognise("smtpd", plain(line.text)):
            self._smtpd(raw, line)
            return
        if of_dovecots_log(line.text):
            self._verifier(raw, line)
            return
        if line.text.startswith(b"type=") and b" msg=audit(" in line.text[:40]:
            # /var/log/audit/audit.log names no program.
            self._verifier(raw, line._replace(tag=b"audit"))
            return
        text = plain(line.text)
        if self._dialogue.hears(line.text):
            return
        harmless = False
        for program in ("reply", "saslauthd", "pam", "smtpd", "smtp", "other"):
            heard = text.replace(" - ", ": ", 1) if program == "pam" else text
            found = self._known.recognise(program, heard)
            if found and found.message.role != "noise" and found.message.id != "sql-unreachable":
                self._said(self._attempt(raw, line, found))
                return
            harmless |= found is not None and program in ("smtp", "other")
        if not harmless:
            self._unknown(raw, line)

    # -- what lines have in common

    def _attempt(self, raw: bytes, line: Line, found: Recognised) -> Attempt:
        service = (
            service_of(line.tag) if found.message.side == "server" and line.tag.endswith(b"smtpd") else ""
        )
        key = (found.message.id, found.detail)
        return Attempt(key, self.calendar.iso(line.stamp), service, b"", b"", "", b"", raw[:KEPT])

    def _about(self, key: tuple[str, str], raw: bytes, line: Line, client: bytes, user: bytes) -> Attempt:
        address = CLIENT.match(client)
        when, service = self.calendar.iso(line.stamp), service_of(line.tag)
        where = address[1] if address else client[:64]
        kept = shortened_client(client)
        return Attempt(key, when, service, kept, where, "", user[:LONGEST_NAME], raw[:KEPT])

    def _said(self, attempt: Attempt) -> None:
        if self._wanted is None or self._wanted.keeps(attempt):
            self.ledger.said(attempt)

    def _flush(self, session: Session) -> None:
        if session.said is not None:
            self._said(session.said)
        session.reason = session.said = None

    def _forget(self, session: Session) -> None:
        self._flush(session)
        self._settle_denied(session, session.logged_in)

    def _unknown(self, raw: bytes, line: Line) -> None:
        text = line.text
        if line.tag not in (b"auth", b"auth-worker") and not ABOUT_LOGINS.search(text[:500]):
            return
        if self._wanted and not self._wanted.keeps(self._about(("", ""), raw, line, b"", b"")):
            return
        shape = DIGITS.sub("0", without_secrets(plain(text)[:KEPT])[:80])
        self.ledger.odd(f"{line.tag.decode('latin-1')}: {shape}", raw[:KEPT])

    def _session(self, line: Line) -> Session:
        session = self.sessions.get(line.pid) or self.new_session(line.pid)
        session.service = service_of(line.tag)
        return session

    def new_session(self, pid: bytes) -> Session:
        """Begin to remember a process; its first line comes."""
        if len(self.sessions) >= SESSIONS:
            self._forget(self.sessions.pop(next(iter(self.sessions))))
        session = self.sessions[pid] = Session()
        return session

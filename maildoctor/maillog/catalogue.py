"""The catalogue of messages: what programs write about logins, kept as data in ``messages.json``.

A message is added there without touching code; ``fixtures/logs`` holds lines of each with their verdict.

A text is the message without what precedes it in the log: program, severity, and Cyrus SASL's own
``SASL authentication failure:``. ``{name}`` stands for something that varies (``{*}`` where it does not
matter); a text ending in ``{*}`` may go on in any way.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from maildoctor.pattern import pattern
from maildoctor.stage import Stage

Role = Literal[
    "cause",  # names what is wrong on the server
    "consequence",  # follows from something else, which it does not name
    "refused",  # a verifier was asked, and said no
    "client",  # the client did something that no server could accept
    "policy",  # the server does as it is told
    "success",
    "noise",
]
Side = Literal["server", "client"]

_PLACEHOLDER = pattern(r"\{(\*|[a-z]+)\}")
_REMEMBERED = 1024
LONGEST_REMEMBERED = 300


class Cause(NamedTuple):
    """A likely reason: what it means, what tells it from the others, and what mends it."""

    code: str
    summary: str
    told_apart_by: str
    remedy: str


class Message(NamedTuple):
    """One entry. ``causes`` are codes, the likeliest first, by the errno text (or "" for any)."""

    id: str
    programs: tuple[str, ...]
    texts: tuple[str, ...]
    stage: Stage | None
    role: Role
    meaning: str
    causes: dict[str, tuple[str, ...]]
    side: Side = "server"
    weak: bool = False
    """Said once when a process starts, not about one attempt."""
    minor: bool = False
    """It may be about something else than logins."""
    stranger: bool = False
    """Strangers' guesses write it on a healthy server as well."""
    noted: bool = False
    """Harmless, but it decides between the causes of others."""
    explains: tuple[str, ...] = ()
    """Messages that are consequences where this one stands beside them."""

    @property
    def silent(self) -> bool:
        """Tell whether nothing needs to be kept of it."""
        return self.role == "noise" and not self.causes and not self.noted

    def codes(self, errno: str | None) -> tuple[str, ...]:
        """Give the candidate causes for an ``errno`` text, the likeliest first."""
        if errno:
            for text, codes in self.causes.items():
                if text and text.lower() in errno.lower():
                    return codes
        return self.causes.get("", ())


class Recognised(NamedTuple):
    """A message that the catalogue knows, with what varied in it."""

    message: Message
    fields: dict[str, str]

    @property
    def detail(self) -> str:
        """Give what tells two occurrences of this message apart: an errno text, a path, a name."""
        wanted = ("errno", "path", "what")
        return " ".join(self.fields[name] for name in wanted if self.fields.get(name))[:200]


class _Template:
    """One text of a message: its longest literal part, and the pattern, compiled when it is first needed."""

    def __init__(self, text: str, message: Message) -> None:
        self.message = message
        self._text = text
        self._pattern: re.Pattern[str] | None = None
        literals = _PLACEHOLDER.split(text)[::2]
        self.literal, self.size = max(literals, key=len), sum(map(len, literals))

    def match(self, text: str) -> dict[str, str] | None:
        if self._pattern is None:
            self._pattern = _compiled(self._text)
        found = self._pattern.match(text)
        return {name: value for name, value in found.groupdict().items() if value} if found else None


def _compiled(text: str) -> re.Pattern[str]:
    """Make a pattern in which each literal part but the last stands at the first place where it can.

    Going back would find nothing else, but take long where a stranger repeats such parts.
    """
    first, *rest = _PLACEHOLDER.split(text)
    pairs = [*zip(rest[::2], rest[1::2], strict=True)]
    pattern = re.escape(first)
    for name, literal in pairs[:-1]:
        pattern += f"(?>{_anything(name)}{re.escape(literal)})" if literal else _anything(name)
    for name, literal in pairs[-1:]:
        pattern += _anything(name) + re.escape(literal)
    return re.compile(pattern + r"\.?\Z", re.S)


def _anything(name: str) -> str:
    return ".*?" if name == "*" else f"(?P<{name}>.*?)"


class Catalogue:
    """All messages by program, and the causes that they name."""

    def __init__(self, messages: dict[str, Any], causes: dict[str, Any]) -> None:
        """Read both documents. Raises KeyError or TypeError for an entry that lacks something."""
        self.messages = {each["id"]: _message(each) for each in messages["messages"]}
        self.causes = {
            code: Cause(code, each["summary"], each["told_apart_by"], each["remedy"])
            for code, each in causes["causes"].items()
        }
        self._templates: dict[str, list[_Template]] = {}
        for message in self.messages.values():
            for program in message.programs:
                self._templates.setdefault(program, []).extend(_Template(t, message) for t in message.texts)
        for templates in self._templates.values():
            templates.sort(key=lambda template: -template.size)
        self._remembered: dict[tuple[str, str], Recognised | None] = {}

    def recognise(self, program: str, text: str) -> Recognised | None:
        """Give the entry of ``program`` whose text says the most of what matches; None if none does."""
        text = text.rstrip()
        key = (program, text)
        try:
            return self._remembered[key]
        except KeyError:
            pass
        answer = self._search(program, text)
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        if len(text) <= LONGEST_REMEMBERED:
            self._remembered[key] = answer
        return answer

    def _search(self, program: str, text: str) -> Recognised | None:
        for template in self._templates.get(program, ()):
            if template.literal in text and (fields := template.match(text)) is not None:
                return Recognised(template.message, fields)
        return None


@functools.cache
def catalogue() -> Catalogue:
    """Give the catalogue of this package."""
    return Catalogue(_document("messages.json"), _document("causes.json"))


def _document(name: str) -> Any:
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def _message(entry: dict[str, Any]) -> Message:
    causes = entry.get("causes", {})
    if isinstance(causes, list):
        causes = {"": causes}
    return Message(
        id=entry["id"],
        programs=tuple(entry["programs"]),
        texts=tuple(entry["texts"]),
        stage=Stage(entry["stage"]) if entry.get("stage") else None,
        role=entry["role"],
        meaning=entry["meaning"],
        causes={errno: tuple(codes) for errno, codes in causes.items() if codes},
        side=entry.get("side", "server"),
        weak=entry.get("weak", False),
        minor=entry.get("minor", False),
        stranger=entry.get("stranger", False),
        noted=entry.get("noted", False),
        explains=tuple(entry.get("explains", ())),
    )

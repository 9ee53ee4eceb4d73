"""Refused passwords and logins of a block as rows, made all at once."""

import re
from collections.abc import Sequence

from maildoctor.maillog.heads import Heads
from maildoctor.maillog.ledger import LOGIN_KEY
from maildoctor.maillog.line import LONGEST
from maildoctor.maillog.reader import KEPT, Reader
from maildoctor.maillog.rows import Columns, Key, Row
from maildoctor.maillog.smtpd_text import shortened_client
from maildoctor.maillog.tally import SAMPLES
from maildoctor.maillog.top import LONGEST_NAME

_REMEMBERED = 1024
LONGEST_MECHANISM = 32
Person = tuple[bytes, bytes, str, bytes]
"""Client, address, mechanism and user of a login."""
_NOBODY: Person = (b"", b"", "", b"")


class Cutter:
    """Cuts lines out of a block; what came before comes again, so that little is taken apart twice."""

    def __init__(self, reader: Reader) -> None:
        """Use the calendar and the words of ``reader``."""
        self._reader = reader
        self._heads = Heads()
        self._endings: dict[bytes, tuple[Key, str]] = {}
        self._people: dict[bytes, Person] = {}
        self.faults: set[Key] = set()
        """Ways to end that are no refusals."""

    def refusals(self, text: bytes, matches: Sequence[re.Match[bytes]]) -> Columns:
        """Give the refused passwords that were found in ``text``."""
        places = [match.start() for match in matches]
        heads = [text[text.rfind(b"\n", 0, place) + 1 : place] for place in places]
        processes, whens = self._heads.of(heads, self._reader.calendar)
        parts = [match.groups(b"") for match in matches]
        said = {part[2] for part in parts}
        endings = self._known_endings(said)
        rows: list[Row] = [
            (key, when, process[0], client, address, mechanism, user, b"")
            for process, when, (client, address, ending, user) in zip(processes, whens, parts, strict=True)
            for key, mechanism in (endings[ending],)
        ]
        self._sample({endings[ending][0] for ending in said}, text, places, rows)
        return Columns(places, [process[1] for process in processes], rows)

    def logins(self, text: bytes, places: list[int]) -> Columns:
        """Give the logins of whose lines ``places`` are in the middle."""
        rfind, find = text.rfind, text.find
        lines = [text[rfind(b"\n", 0, place) + 1 : find(b"\n", place)] for place in places]
        parts = [line.partition(b"]: ") for line in lines]
        said = [said.partition(b": client=") for _, _, said in parts]
        processes, whens = self._heads.of([head for head, _, _ in parts], self._reader.calendar)
        people = self._known_people({who for _, _, who in said})
        who = [people[each] if queue_id.isalnum() else _NOBODY for queue_id, _, each in said]
        pids = [
            pid if person is not _NOBODY else b"" for (_, pid), person in zip(processes, who, strict=True)
        ]
        rows: list[Row] = [
            (LOGIN_KEY, when, service, client, address, mechanism, user, b"")
            for (service, _), when, (client, address, mechanism, user) in zip(
                processes, whens, who, strict=True
            )
        ]
        self._sample({LOGIN_KEY}, text, places, rows)
        return Columns(places, pids, rows)

    def _known_endings(self, said: set[bytes]) -> dict[bytes, tuple[Key, str]]:
        if len(self._endings) > _REMEMBERED:
            self._endings.clear()
        for each in said - self._endings.keys():
            mechanism, _, reason = each.partition(b" authentication failed: ")
            name = mechanism.decode("ascii")
            key, refused, _ = self._reader.reason_alone(name, reason.rstrip())
            if not refused:
                self.faults.add(key)
            self._endings[each] = key, name
        return self._endings

    def _known_people(self, said: set[bytes]) -> dict[bytes, Person]:
        if len(self._people) > _REMEMBERED:
            self._people.clear()
        for each in said - self._people.keys():
            self._people[each] = _person(each)
        return self._people

    def _sample(self, keys: set[Key], text: bytes, places: list[int], rows: list[Row]) -> None:
        """Let the first rows of each kind keep their lines, as long as there are few samples of it."""
        left = {key: SAMPLES for key in keys if self._reader.ledger.wants_samples(key)}
        if not left:
            return
        for number, row in enumerate(rows):
            if left.get(row[0]):
                left[row[0]] -= 1
                place = places[number]
                line = text[text.rfind(b"\n", 0, place) + 1 : text.find(b"\n", place)]
                rows[number] = (*row[:7], line[:KEPT])


def _person(said: bytes) -> Person:
    """Take apart who logged in; nobody where that looks unusual."""
    client, _, fields = said[:LONGEST].rstrip(b"\r\x00 ").partition(b", sasl_method=")
    mechanism, named, user = fields.partition(b", sasl_username=")
    name, _, address = client.rpartition(b"[")
    address, closed, port = address.partition(b"]")
    unusual = b" " in client or b"," in client or len(client) > KEPT or len(mechanism) > LONGEST_MECHANISM
    if unusual or not (closed and named):
        return _NOBODY
    if port:
        client = name + b"[" + address + b"]"
    user = user.partition(b", sasl_sender=")[0][:LONGEST_NAME]
    return shortened_client(client), address, mechanism.decode("ascii", "replace"), user

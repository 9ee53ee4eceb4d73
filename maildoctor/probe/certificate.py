"""A server's certificate as facts (RFC 5280). Nothing is verified: a probe wants to see, not to refuse.

The ``ssl`` module tells nothing of a certificate that it did not verify, hence the reading of our own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from maildoctor.probe import der

ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "1.2.840.113549.1.9.1": "emailAddress",
}
SUBJECT_ALT_NAME = "2.5.29.17"
DNS_NAME, IP_ADDRESS = 0x82, 0x87
EXTENSIONS = 0xA3
NAMES_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server's own certificate says; times are UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    """Subject alternative names; without any, the subject's common name."""
    not_before: datetime
    not_after: datetime
    self_signed: bool
    """Subject and issuer are the same; the signature itself was not looked at."""

    def expired(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return now > self.not_after

    def not_yet_valid(self, now: datetime) -> bool:
        """Tell whether its time is still to come."""
        return now < self.not_before

    def names_host(self, host: str) -> bool:
        """Tell whether it was made for ``host``, as RFC 6125 compares (a wildcard is one whole label)."""
        wanted = host.rstrip(".").lower()
        return any(_same(name.rstrip(".").lower(), wanted) for name in self.names)


def read(data: bytes) -> Certificate | None:
    """Read a DER certificate; None where it cannot be read."""
    try:
        return _read(data)
    except (ValueError, OverflowError):
        return None


def _read(data: bytes) -> Certificate:
    outer, _ = der.first(data)
    body, _ = der.first(outer.data)
    fields = [item for item in body if item.tag != 0xA0]
    if len(fields) < 6:
        raise der.BadDer("a certificate without its fields")
    _serial, _algorithm, issuer, validity, subject, _key, *rest = fields
    begin, end = list(validity)[:2]
    common = [value for kind, value in _attributes(subject) if kind == "CN"]
    return Certificate(
        subject=_name(subject),
        issuer=_name(issuer),
        names=(_alternative_names(rest) or tuple(common))[:NAMES_LIMIT],
        not_before=_time(begin),
        not_after=_time(end),
        self_signed=subject.data == issuer.data,
    )


def _attributes(name: der.Item) -> list[tuple[str, str]]:
    found = []
    for relative in name:
        for attribute in relative:
            kind, value = list(attribute)[:2]
            number = der.oid(kind.data)
            found.append((ATTRIBUTES.get(number, number), der.text(value)))
    return found


def _name(name: der.Item) -> str:
    return ", ".join(f"{kind}={value}" for kind, value in _attributes(name))


def _time(item: der.Item) -> datetime:
    text = item.data.decode("ascii")
    if item.tag == der.UTC_TIME:  # RFC 5280: two digits from 50 on belong to the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alternative_names(fields: list[der.Item]) -> tuple[str, ...]:
    for extensions in (field for field in fields if field.tag == EXTENSIONS):
        for extension in der.first(extensions.data)[0]:
            kind, *_, value = list(extension)
            if der.oid(kind.data) == SUBJECT_ALT_NAME:
                return tuple(filter(None, map(_general_name, der.first(value.data)[0])))
    return ()


def _general_name(item: der.Item) -> str | None:
    if item.tag == DNS_NAME:
        return item.data.decode("ascii", "replace")
    if item.tag == IP_ADDRESS:
        return str(ip_address(item.data))
    return None


def _same(name: str, wanted: str) -> bool:
    if name.startswith("*."):
        label, _, rest = wanted.partition(".")
        return bool(label) and name[2:] == rest
    return name == wanted

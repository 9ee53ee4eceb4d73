"""dpkg's database: which packages are there, and in which state. Source: dpkg(1), dpkg-query(1)."""

from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, Missing
from maildoctor.host.errors import Unreadable
from maildoctor.pattern import pattern

STATUS = "/var/lib/dpkg/status"
STATUS_LIMIT = 128 * 1024 * 1024
"""Bytes: ten thousand packages take about 12 MiB."""
_INSTALLED = pattern(rb"Package: (\S+)\nStatus: install ok installed\n(?:[^\n]+\n)*?Version: (\S+)(?:\n|\Z)")
"""As dpkg itself writes a paragraph, fields in this order."""
_VERSION = pattern(r"(?:\d+:)?(\d+(?:\.\d+)*)")


class Package(NamedTuple):
    """A package as dpkg knows it."""

    name: str
    version: str
    want: str
    """``install``, ``hold``, ``deinstall``, ``purge`` or ``unknown``."""
    state: str
    """``installed``, ``config-files``, ``half-configured``, ``unpacked``, ``half-installed``, ..."""

    @property
    def usable(self) -> bool:
        """Tell whether its files are in place and set up."""
        return self.state in ("installed", "triggers-awaited", "triggers-pending")

    @property
    def upstream(self) -> tuple[int, ...]:
        """Give the numbers of the upstream version: (3, 7, 11) for ``3.7.11-0+deb12u1``."""
        match = _VERSION.match(self.version)
        return tuple(int(part[:9]) for part in match[1].split(".")) if match else ()


@fact
def status(host: Host) -> bytes:
    """Read dpkg's status file. Raises Missing (no Debian), Unreadable where it is empty or no status file."""
    try:
        contents = host.read(STATUS, limit=STATUS_LIMIT)
    except Missing as error:
        raise Missing(STATUS, "no such file: not a Debian system?") from error
    if not contents.startswith(b"Package: ") and b"\nPackage: " not in contents:
        raise Unreadable(STATUS, "holds no package: it is empty or damaged")
    return contents


@fact
def package(host: Host, name: str) -> Package | None:
    """Look a package up; None where dpkg does not know it, or has forgotten it.

    Raises what ``status`` raises, and Unreadable where the file is cut off or damaged just there.
    """
    contents = status(host)
    texts = paragraphs(contents, name)
    if texts and not contents.endswith(b"\n") and contents.endswith(texts[-1]):
        raise Unreadable(STATUS, f"is cut off in line {_last_line(contents)}, at package {name}")
    found = [parse(text) for text in texts]
    found = [each for each in found if each.state != "not-installed"]
    if found:
        return max(found, key=lambda each: each.usable)
    if not contents.endswith(b"\n"):
        raise Unreadable(STATUS, f"is cut off in line {_last_line(contents)}, so {name} cannot be looked up")
    return None


def _last_line(contents: bytes) -> int:
    return contents.count(b"\n") + 1


def paragraphs(contents: bytes, name: str) -> list[bytes]:
    """Cut out a package's paragraphs, one an architecture. Only these are parsed: the file is large."""
    cut, position = [], 0
    head = b"\nPackage: " + name.encode() + b"\n"
    if contents.startswith(head[1:]):
        cut.append(contents[: _end(contents, 0)])
    while (position := contents.find(head, position)) >= 0:
        cut.append(contents[position + 1 : _end(contents, position + 1)])
        position += len(head)
    return cut


def _end(contents: bytes, start: int) -> int:
    end = contents.find(b"\n\n", start)
    return len(contents) if end < 0 else end


def parse(paragraph: bytes) -> Package:
    """Read one paragraph of the status file. Raises Unreadable where its Status field is missing.

    A package that is plainly installed needs no parser, and a host in order has no others: loading the
    parser takes longer than all the rest.
    """
    installed = _INSTALLED.match(paragraph)
    if installed:
        name, version = (text.decode("utf-8", "replace") for text in installed.groups())
        return Package(name, version, "install", "installed")
    from debian.deb822 import Deb822

    fields = Deb822(paragraph.decode("utf-8", "replace").splitlines())
    words = fields.get("Status", "").split()
    if len(words) != 3:
        raise Unreadable(STATUS, f"is cut off or damaged at package {fields.get('Package', '?')}")
    return Package(fields["Package"], fields.get("Version", ""), words[0], words[2])


def postfix_version(host: Host) -> tuple[int, ...] | None:
    """Give Postfix's version by its package; None where that cannot be found out."""
    try:
        found = package(host, "postfix")
    except CannotLook:
        return None
    return found.upstream if found else None

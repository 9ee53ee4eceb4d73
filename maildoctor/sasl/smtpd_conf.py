"""The smtpd.conf that an smtpd really reads, and what it says.

The parser does what libsasl2's own does (lib/config.c), no more and no less: ``key: value`` a line, the first
line of a key counts, and one bad line ends smtpd. Where the library gives up, reading goes on leniently, so
that the admin's intention is known as well.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import Host, LinkLoop, Missing, NotRegular, TooLarge
from maildoctor.pattern import pattern
from maildoctor.postfix.configuration import version
from maildoctor.postfix.service import Service
from maildoctor.source import Source, Sourced

LINE_LIMIT = 4095
"""Bytes: lib/config.c reads lines with fgets(3) into 4096; the rest of a longer one is a line of its own."""
SPACE = b" \t\n\v\f\r"
KEY = pattern(rb"[A-Za-z0-9_-]*")
LENIENT = pattern(rb"[^A-Za-z0-9_-]*([A-Za-z0-9_-]+)[ \t]*[:=]?[ \t]*(.*)", re.DOTALL)
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

SASLAUTHD_PATH = "/var/run/saslauthd/mux"
SASLDB_PATH = "/etc/sasldb2"


class Setting(NamedTuple):
    """One line; ``key`` in small letters, as the library compares it."""

    key: str
    value: str
    line: int


class SyntaxFault(NamedTuple):
    """The line at which libsasl2 gives up (SASL_CONFIGERR); smtpd then ends before it says 220."""

    line: int
    text: str
    why: str


class SmtpdConf(NamedTuple):
    """What is in effect; an empty ``path`` means that no file was found and the library's defaults hold."""

    path: str = ""
    settings: tuple[Setting, ...] = ()
    fault: SyntaxFault | None = None
    obstacle: str = ""
    """Why the file at ``path`` is none: ``is a directory, not a regular file``, ..."""

    @property
    def found(self) -> bool:
        """Tell whether there is such a file at all."""
        return bool(self.path)

    def get(self, key: str) -> Sourced[str] | None:
        """Give an option's value and where it stands, None where it is not set."""
        for setting in self.settings:
            if setting.key == key:
                return Sourced(setting.value, Source(self.path, setting.line))
        return None

    def value(self, key: str, default: str) -> Sourced[str]:
        """Give an option's value, or the library's default without a source."""
        return self.get(key) or Sourced(default)

    @property
    def pwcheck_methods(self) -> Sourced[list[str]]:
        """Give the password verifiers in the order in which they are tried; white space separates them."""
        value = self.value("pwcheck_method", "auxprop")
        return Sourced(_words(value.value.lower()), value.source)

    @property
    def mech_list(self) -> Sourced[list[str]] | None:
        """Give the mechanisms that may be offered, in capital letters; None: whatever is installed."""
        value = self.get("mech_list")
        return Sourced(_words(value.value.upper()), value.source) if value else None

    @property
    def saslauthd_path(self) -> Sourced[str]:
        """Give the path of saslauthd's socket, seen from inside the chroot."""
        return self.value("saslauthd_path", SASLAUTHD_PATH)

    @property
    def sasldb_path(self) -> Sourced[str]:
        """Give the path of sasldb2, seen from inside the chroot."""
        return self.value("sasldb_path", SASLDB_PATH)


@fact
def effective(host: Host, service: Service) -> SmtpdConf:
    """Give the smtpd.conf that this service's smtpd reads, before it enters the chroot.

    A link that leads nowhere is no file. Raises CannotLook where this process may not look.
    """
    for directory in directories(host, service):
        path = f"{directory.value}/{application(service)}.conf"
        if (conf := read(host, path)) is not None:
            return conf
    return SmtpdConf()


@fact
def read(host: Host, path: str) -> SmtpdConf | None:
    """Read one file, None where there is none. Raises Refused."""
    try:
        settings, fault = parse(host.read(path))
    except (Missing, LinkLoop):
        return None
    except (NotRegular, TooLarge) as error:
        return SmtpdConf(path, obstacle=error.why)
    return SmtpdConf(path, settings, fault)


def application(service: Service) -> str:
    """Give the name that Cyrus knows smtpd by: the file's name without ``.conf``."""
    return service.parameter("smtpd_sasl_path").value.strip() or "smtpd"


def directories(host: Host, service: Service) -> list[Sourced[str]]:
    """Give the directories that are searched, in order, and what says so.

    Debian's Postfix before 3.9.0-3 has them compiled in and *ignores* cyrus_sasl_config_path; since then that
    parameter decides and, left empty, the directories compiled into libsasl2 (tried on Debian 12 and 13).
    """
    if hard_coded(host):
        base = service.parameter("config_directory").value or "/etc/postfix"
        return [Sourced(f"{base}/sasl"), Sourced("/usr/lib/sasl")]
    path = service.parameter("cyrus_sasl_config_path")
    if path.value.strip():
        words = [word.rstrip("/") or "/" for word in path.value.strip().split(":") if word]
        return [Sourced(word, path.source) for word in words]
    return [Sourced(directory) for directory in library_directories(host)]


@fact
def library_directories(host: Host) -> tuple[str, ...]:
    """Give the directories compiled into Debian's libsasl2, one of them below the multiarch directory."""
    try:
        own = [f"/usr/lib/{name}/sasl2" for name in host.names("/usr/lib") if "-linux-gnu" in name]
    except Missing:
        own = []
    return ("/etc/sasl2", "/etc/sasl", *own, "/usr/lib/sasl2")


def hard_coded(host: Host) -> bool:
    """Tell whether this Postfix has Debian's directories compiled in: before 3.9."""
    return version(host) < (3, 9)


def parse(data: bytes) -> tuple[tuple[Setting, ...], SyntaxFault | None]:
    """Take an smtpd.conf apart: its settings, and the first line that libsasl2 refuses."""
    settings, fault = [], None
    for number, line in _lines(data):
        key = KEY.match(line)
        assert key is not None
        value = line[key.end() + 1 :].strip(SPACE)
        if line[key.end() : key.end() + 1] == b":" and value:
            settings.append(Setting(_text(key[0]).lower(), _text(value), number))
            continue
        fault = fault or SyntaxFault(number, _text(line.strip(SPACE)), _complaint(line, key[0]))
        if guess := LENIENT.match(line):
            settings.append(Setting(_text(guess[1]).lower(), _text(guess[2].strip(SPACE)), number))
    return tuple(settings), fault


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what fgets(3) would, without leading space, comments, empty lines; a NUL ends a C string."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        for begin in range(0, max(len(line), 1), LINE_LIMIT):
            piece = line[begin : begin + LINE_LIMIT].partition(b"\0")[0].lstrip(SPACE)
            if piece and not piece.startswith(b"#"):
                yield number, piece


def _complaint(line: bytes, key: bytes) -> str:
    """Say in a few words what libsasl2 stumbles over."""
    rest = line[len(key) :]
    if line.startswith(BYTE_ORDER_MARKS):
        return "a byte order mark stands before the first key"
    if rest.startswith(b":"):
        return "nothing follows the colon"
    after = rest.lstrip(SPACE)
    if after.startswith(b"="):
        return 'an equals sign stands where ":" is needed'
    if after.startswith(b":"):
        return "a space stands before the colon"
    return 'no ":" follows the key'


def _words(text: str) -> list[str]:
    """Split at the white space of C; a no-break space is part of a word."""
    return [word for word in re.split(r"[ \t\n\v\f\r]+", text) if word]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")

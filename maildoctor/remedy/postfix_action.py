"""Changes to main.cf and master.cf, made by postconf(1) on a copy that is put in place when it is valid.

In master.cf, where changing a word comes to the same as what postconf makes, a word is changed.
"""

import os
from shlex import quote
from typing import TYPE_CHECKING

from maildoctor.remedy.action import Edit, FileAction, edit
from maildoctor.remedy.system import System
from maildoctor.value import value

if TYPE_CHECKING:
    from collections.abc import Callable

    from maildoctor.remedy.site import Site

MAIN, MASTER = "/etc/postfix/main.cf", "/etc/postfix/master.cf"


class PostfixAction(FileAction):
    """A call of postconf on main.cf or, with an option of its own, master.cf."""

    __slots__ = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Give postconf's words."""
        raise NotImplementedError

    @property
    def paths(self) -> tuple[str, ...]:
        """Give the file that postconf writes."""
        return (MAIN if self.options[0] in ("-e", "-X") else MASTER,)

    def by_hand(self) -> str:
        """Say what to do in master.cf where postconf cannot."""
        return ""

    def command(self, system: System) -> str:
        """Give the postconf(1) call, or what to write in master.cf by hand."""
        if self.paths == (MASTER,) and not system.edits_master:
            return f"# in {MASTER}, {self.by_hand()}"
        return f"postconf {self.options[0]} {quote(self.options[1])}"

    def smaller(self, content: bytes) -> bytes | None:
        """Give the file with no more changed than must be, or None to leave it to postconf."""
        return None

    def edits(self, site: "Site") -> tuple[Edit, ...]:
        """Let postconf edit a copy, and check the copy."""
        path = self.paths[0]
        return edit(site, path, _candidate(site, path, self.options, self.smaller))


def _candidate(
    site: "Site", path: str, options: tuple[str, ...], smaller: "Callable[[bytes], bytes | None]"
) -> bytes:
    import tempfile

    from maildoctor.remedy.trouble import RepairFailed

    if path == MASTER and not site.system.edits_master:
        raise RepairFailed("this Postfix's postconf cannot edit master.cf (2.11 and later can)")
    with tempfile.TemporaryDirectory(prefix="maildoctor-") as directory:
        _copy(site, directory)
        _cool(directory)
        site.run("postconf", "-c", directory, *options)
        with open(os.path.join(directory, os.path.basename(path)), "rb") as stream:
            candidate = stream.read()
        least = smaller(site.read(path) or b"")
        if least is not None and path == MASTER and _same_meaning(site, directory, candidate, least):
            return least
        if not _is_valid(site, directory, path):
            # Another fault may make it invalid, which then is not for this action to mend.
            _copy(site, directory)
            if _is_valid(site, directory, path):
                raise RepairFailed(f"postconf {options[0]} {options[1]!r} would make {path} invalid")
    return candidate


def _same_meaning(site: "Site", directory: str, one: bytes, other: bytes) -> bool:
    """Tell whether postconf reads the same out of two contents of master.cf."""
    readings = []
    for content in (other, one):
        with open(os.path.join(directory, os.path.basename(MASTER)), "wb") as stream:
            stream.write(content)
        _cool(directory)
        readings.append(site.ask("postconf", "-c", directory, "-M"))
    return readings[0] == readings[1] and readings[0][0] == 0


def _copy(site: "Site", directory: str) -> None:
    for path in (MAIN, MASTER):
        content = site.read(path)
        if content is not None:
            with open(os.path.join(directory, os.path.basename(path)), "wb") as stream:
                stream.write(content)


def _cool(directory: str) -> None:
    """Make the copies look old: Postfix waits two seconds before it trusts a file (dict_load_file_xt)."""
    for name in os.listdir(directory):
        os.utime(os.path.join(directory, name), (0, 0))


def _is_valid(site: "Site", directory: str, path: str) -> bool:
    _cool(directory)
    # "postfix check" would write; each of these reads the whole of its file.
    return site.ask("postconf", "-c", directory, "-n" if path == MAIN else "-M")[0] == 0


@value
class SetParameter(PostfixAction):
    """Set a main.cf parameter; ``value`` is on one line."""

    name: str
    value: str

    @property
    def options(self) -> tuple[str, ...]:
        """Give postconf's words."""
        return "-e", f"{self.name} = {self.value}".rstrip()


@value
class RemoveParameter(PostfixAction):
    """Take a parameter out of main.cf, so that Postfix's default holds again (postconf -X, since 2.10)."""

    name: str

    @property
    def options(self) -> tuple[str, ...]:
        """Give postconf's words."""
        return "-X", self.name


@value
class SetServiceOption(PostfixAction):
    """Set ``-o name=value`` of a master.cf service such as ``submission/inet``."""

    service: str
    name: str
    value: str

    @property
    def options(self) -> tuple[str, ...]:
        """Give postconf's words."""
        return "-P", f"{self.service}/{self.name}={self.value}"

    def by_hand(self) -> str:
        """Say what to write below the service."""
        return f"below {self.service}: -o {self.name}={self.value}"

    def smaller(self, content: bytes) -> bytes | None:
        """Change the option's line, or add one."""
        from maildoctor.remedy.master_edit import with_option

        return with_option(content, self.service, self.name, self.value)


@value
class RemoveServiceOption(PostfixAction):
    """Remove ``-o name=...`` from a master.cf service such as ``submission/inet``."""

    service: str
    name: str

    @property
    def options(self) -> tuple[str, ...]:
        """Give postconf's words."""
        return "-PX", f"{self.service}/{self.name}"

    def by_hand(self) -> str:
        """Say what to take out."""
        return f"below {self.service}: remove -o {self.name}=..."

    def smaller(self, content: bytes) -> bytes | None:
        """Take the option's line out."""
        from maildoctor.remedy.master_edit import without_option

        return without_option(content, self.service, self.name)


@value
class SetServiceField(PostfixAction):
    """Set a column of a master.cf service: ``chroot``, ``command``, ``maxproc`` and so on (postconf -F)."""

    service: str
    field: str
    value: str

    @property
    def options(self) -> tuple[str, ...]:
        """Give postconf's words."""
        return "-F", f"{self.service}/{self.field}={self.value}"

    def by_hand(self) -> str:
        """Say which column to set."""
        return f"{self.service}: set the column {self.field} to {self.value}"

    def smaller(self, content: bytes) -> bytes | None:
        """Change the column alone."""
        from maildoctor.remedy.master_edit import with_column

        return with_column(content, self.service, self.field, self.value)


@value
class AddService(PostfixAction):
    """Add a service to master.cf; ``entry`` is its line, such as ``submission inet n - y - - smtpd``."""

    service: str
    entry: str

    @property
    def options(self) -> tuple[str, ...]:
        """Give postconf's words."""
        return "-M", f"{self.service}={self.entry}"

    def by_hand(self) -> str:
        """Say which line to add."""
        return f"add: {self.entry}"

"""Changes to the content of files."""

import re
from shlex import quote
from typing import TYPE_CHECKING

from maildoctor.remedy.action import Edit, FileAction, edit
from maildoctor.remedy.path_action import access
from maildoctor.remedy.system import System
from maildoctor.value import value

if TYPE_CHECKING:
    from maildoctor.remedy.site import Site


@value
class SetLine(FileAction):
    """Set a line of a small text file: ``key`` then ``separator`` then ``value``, as it stands in the file.

    Every line with that key becomes the new one; without one, the line is added at the end. Serves
    /etc/default/saslauthd (``START=yes``) and smtpd.conf (``pwcheck_method: saslauthd``).
    """

    path: str
    key: str
    separator: str
    value: str

    @property
    def line(self) -> str:
        """Give the new line."""
        return f"{self.key}{self.separator}{self.value}"

    @property
    def pattern(self) -> str:
        """Give the regular expression (extended) that finds the old lines."""
        return rf"^[[:space:]]*{re.escape(self.key)}[[:space:]]*[:=]"

    @property
    def paths(self) -> tuple[str, ...]:
        """Give the file's path."""
        return (self.path,)

    def command(self, system: System) -> str:
        """Give a sed(1) call that replaces the line or appends it."""
        path, text = quote(self.path), re.sub(r"([\\&|])", r"\\\1", self.line)
        change = quote(f"s|{self.pattern}.*|{text}|")
        return (
            f"grep -qsE {quote(self.pattern)} {path} && sed -i -E {change} {path} "
            f"|| printf '%s\\n' {quote(self.line)} >> {path}"
        )

    def edits(self, site: "Site") -> tuple[Edit, ...]:
        """Change the lines."""
        before = site.read(self.path) or b""
        return edit(site, self.path, self.changed(before))

    def changed(self, content: bytes) -> bytes:
        """Give the file's content with the line in it."""
        line = self.line.encode("utf-8", "surrogateescape")
        old = re.compile(rb"[ \t]*" + re.escape(self.key.encode()) + rb"[ \t]*[:=]")
        lines = content.splitlines(keepends=True)
        places = [index for index, text in enumerate(lines) if old.match(text)]
        for index in places:
            lines[index] = line + b"\n"
        if not places:
            if lines and not lines[-1].endswith(b"\n"):
                lines[-1] += b"\n"
            lines.append(line + b"\n")
        return b"".join(lines)


@value
class WriteFile(FileAction):
    """Write a whole small text file; it replaces what is there."""

    path: str
    content: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644

    @property
    def paths(self) -> tuple[str, ...]:
        """Give the file's path."""
        return (self.path,)

    def command(self, system: System) -> str:
        """Give install(1) with the lines from printf(1)."""
        lines = " ".join(quote(line) for line in self.content.splitlines())
        return (
            f"printf '%s\\n' {lines} | install -o {quote(self.owner)} -g {quote(self.group)} "
            f"-m {self.mode:04o} /dev/stdin {quote(self.path)}"
        )

    def edits(self, site: "Site") -> tuple[Edit, ...]:
        """Give the whole content."""
        content = self.content.encode("utf-8", "surrogateescape")
        return edit(site, self.path, content, access(site, "file", self.owner, self.group, self.mode))

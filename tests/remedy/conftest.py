"""A small host in a directory: real files, changed for real; programs are played by Python."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from maildoctor.remedy import System
from maildoctor.remedy.site import Site

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners can be changed by root alone")

FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\npostfix:x:103:109::/var/spool/postfix:/bin/false\n",
    "etc/group": "root:x:0:\nsasl:x:45:dovecot\npostfix:x:109:\n",
    "etc/gshadow": "root:*::\nsasl:*::dovecot\npostfix:!::\n",
    "etc/postfix/main.cf": "smtpd_sasl_auth_enable = no\n",
    "etc/default/saslauthd": "# comment\nSTART=no\nMECHANISMS=pam\n",
    "etc/sasldb2": "\0database",
    "var/lib/dpkg/statoverride": "root postdrop 2755 /usr/sbin/postdrop\nroot sasl 660 /etc/sasldb2\n",
}


class FakeSite(Site):
    """A site whose services are a set, and whose programs are functions."""

    def __init__(self, root: Path) -> None:
        super().__init__(System(systemd=True), root=str(root))
        self.active: set[str] = {"postfix.service"}
        self.calls: list[tuple[str, ...]] = []
        self.programs: dict[str, Callable[..., tuple[int, str]]] = {"systemctl": self._systemctl}

    def has(self, program: str) -> bool:
        return program in self.programs

    def ask(
        self, *command: str, stdin: bytes = b"", seconds: float = 30, daemon: bool = False
    ) -> tuple[int, str]:
        self.calls.append(command)
        if command[0] not in self.programs:
            return 0, ""
        return self.programs[command[0]](*command[1:])

    def _systemctl(self, verb: str, *names: str) -> tuple[int, str]:
        units = [name for name in names if not name.startswith("-")]
        if verb == "is-active":
            return (0 if set(units) <= self.active else 3), ""
        if verb in ("start", "restart"):
            self.active |= set(units)
        if verb == "stop":
            self.active -= set(units)
        return 0, ""


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """A host with an idle saslauthd."""
    for name, content in FILES.items():
        path = tmp_path / "host" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    root = tmp_path / "host"
    (root / "var/spool/postfix/etc").mkdir(parents=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    os.chown(root / "etc/sasldb2", 0, 45)
    os.chmod(root / "etc/sasldb2", 0o660)
    os.chmod(root / "etc/gshadow", 0o640)
    return FakeSite(root)


def inventory(root: str) -> dict[str, tuple[object, ...]]:
    """Give all below ``root`` but maildoctor's own state: kind, mode, owner, links, content, attributes."""
    found: dict[str, tuple[object, ...]] = {}
    inodes: dict[int, str] = {}
    for directory, names, files in sorted(os.walk(root)):
        for name in sorted(names + files):
            path = f"{directory}/{name}"
            if "/var/lib/maildoctor" in path:
                continue
            status = os.lstat(path)
            first = inodes.setdefault(status.st_ino, path)
            link = os.readlink(path) if os.path.islink(path) else None
            content = Path(path).read_bytes() if os.path.isfile(path) and link is None else None
            attributes = {
                each: os.getxattr(path, each, follow_symlinks=False)
                for each in os.listxattr(path, follow_symlinks=False)
            }
            mtime = status.st_mtime_ns if content is not None else None
            found[path.removeprefix(root)] = (
                oct(status.st_mode), status.st_uid, status.st_gid, first.removeprefix(root), link, content,
                sorted(attributes.items()), mtime,
            )  # fmt: skip
    return found

"""A directory tree that looks like a mail server's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maildoctor.host import TreeHost

STATUS = """\
Package: {name}
Status: {status}
Version: {version}
Description: a package

"""
MAIN_CF = "myhostname = mail.example.com\ncompatibility_level = 3.6\n"
MASTER_CF = "smtp inet n - y - - smtpd\n"
SERVICES = "smtp 25/tcp mail\nsubmissions 465/tcp ssmtp smtps urd\nsubmission 587/tcp # RFC 6409\n"

MakeHost = Callable[..., TreeHost]


def write(root: Path, path: str, text: str | bytes) -> None:
    """Write a file below a tree's root."""
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def make_host(tmp_path: Path) -> MakeHost:
    """Make a host of files; main.cf, master.cf and Postfix's version can be given."""

    def make(
        main: str | bytes = MAIN_CF,
        master: str | bytes = MASTER_CF,
        version: str = "3.7.11-0+deb12u1",
        **files: str,
    ) -> TreeHost:
        status = STATUS.format(name="postfix", status="install ok installed", version=version)
        write(tmp_path, "/var/lib/dpkg/status", status)
        write(tmp_path, "/etc/postfix/main.cf", main)
        write(tmp_path, "/etc/postfix/master.cf", master)
        write(tmp_path, "/etc/services", SERVICES)
        for path, text in files.items():
            write(tmp_path, path, text)
        return TreeHost(str(tmp_path))

    return make

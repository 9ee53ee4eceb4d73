"""Dovecot's configuration files: sections, includes, listeners."""

from pathlib import Path

import pytest

from maildoctor.dovecot.config import configuration
from maildoctor.dovecot.listener import Listener, Port, listeners, ports
from maildoctor.host import TreeHost
from maildoctor.source import Source

MASTER = """\
default_internal_user = dovecot
service imap-login {
  inet_listener imap {
    #port = 143
  }
}
service auth {
  unix_listener auth-userdb {
  }
  # Postfix smtp-auth
  unix_listener /var/spool/postfix/private/auth { # the usual place
    mode = 0660
    user = postfix
    group = "postfix"
  }
  unix_listener old {
    mode = 0
  }
  inet_listener {
    port = 12345
  }
  user = $default_internal_user
}
"""
AUTH = Listener(
    "auth",
    "/var/spool/postfix/private/auth",
    "0660",
    "postfix",
    "postfix",
    Source("/etc/dovecot/conf.d/10-master.conf", 11),
)


def dovecot(
    root: Path, top: str = "!include conf.d/*.conf\n!include_try local.conf\n", **files: str
) -> TreeHost:
    contents = {"dovecot.conf": top, "conf.d/10-master.conf": MASTER} | files
    for name, text in contents.items():
        path = root / "etc/dovecot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return TreeHost(str(root))


def test_listeners_are_found_through_includes(tmp_path: Path) -> None:
    host = dovecot(tmp_path)
    userdb = Listener(
        "auth",
        "/run/dovecot/auth-userdb",
        "0600",
        "root",
        "",
        Source("/etc/dovecot/conf.d/10-master.conf", 8),
    )
    assert listeners(host) == (userdb, AUTH)
    assert [each.for_clients for each in listeners(host)] == [False, True]
    assert ports(host) == (Port(12345, Source("/etc/dovecot/conf.d/10-master.conf", 19)),)


def test_a_later_file_adds_to_an_earlier_one(tmp_path: Path) -> None:
    later = "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0600\n  }\n}\n"
    host = dovecot(tmp_path, **{"conf.d/99-later.conf": later})
    (found,) = (each for each in listeners(host) if each.for_clients)
    assert (found.mode, found.user, str(found.source)) == (
        "0600",
        "postfix",
        "/etc/dovecot/conf.d/99-later.conf:2",
    )


def test_no_dovecot_has_no_listeners(tmp_path: Path) -> None:
    host = TreeHost(str(tmp_path))
    assert configuration(host) is None
    assert (listeners(host), ports(host)) == ((), ())


@pytest.mark.parametrize("text", ["!include dovecot.conf\n", "!include *.conf\n"])
def test_files_that_include_each_other_come_to_an_end(tmp_path: Path, text: str) -> None:
    found = configuration(dovecot(tmp_path, text))
    assert found is not None
    assert len(found.files) <= 200


@pytest.mark.parametrize(
    "text", ["}}}\n", "service {{{\n", "service auth {\n  unix_listener x {\n", "\0\xff = =\n"]
)
def test_what_is_no_configuration_gives_no_listener(tmp_path: Path, text: str) -> None:
    assert [
        each for each in listeners(dovecot(tmp_path, text)) if each.for_clients and each.mode != "0600"
    ] == []

"""Running programs, real places of paths, and what people are shown."""

import os
import time
from pathlib import Path

import pytest

from maildoctor.remedy import SetLine, SetSaslPassword
from maildoctor.remedy.difference import LINES_LIMIT, masked, unified
from maildoctor.remedy.plan import arrange
from maildoctor.remedy.preview import preview
from maildoctor.remedy.site import Site
from maildoctor.remedy.trouble import PlantedLink, RepairFailed

from .conftest import FakeSite, inventory


def test_program_that_hangs_is_ended_with_its_children() -> None:
    begun = time.monotonic()
    with pytest.raises(RepairFailed, match=r"no answer within 0\.3 seconds"):
        Site().run("sh", "-c", "sleep 30 & sleep 30", seconds=0.3)
    assert time.monotonic() - begun < 5


def test_daemon_that_keeps_the_output_open_does_not_keep_us_waiting() -> None:
    begun = time.monotonic()
    assert Site().run("sh", "-c", "echo started; sleep 3 &") == "started\n"
    assert time.monotonic() - begun < 2


def test_program_gets_its_input_and_no_locale() -> None:
    assert Site().run("sh", "-c", 'read word; echo "$word $LC_ALL"', stdin=b"secret\n") == "secret C\n"


def test_failure_tells_the_program_and_its_words() -> None:
    with pytest.raises(RepairFailed, match=r"^sh -c echo no >&2; exit 3: no$"):
        Site().run("sh", "-c", "echo no >&2; exit 3")
    with pytest.raises(RepairFailed, match="command not found"):
        Site().run("no-such-program")


def test_only_roots_links_are_followed(site: FakeSite) -> None:
    root = Path(site.root)
    (root / "run").mkdir()
    (root / "var/run").symlink_to("/run")
    assert site.real("/var/run/saslauthd/mux") == "/run/saslauthd/mux"
    (root / "loop").symlink_to("/loop")
    with pytest.raises(RepairFailed, match="circle"):
        site.real("/loop")
    shared = root / "shared"
    shared.mkdir()
    (shared / "link").symlink_to("/etc")
    os.chmod(shared, 0o1777)
    assert site.real("/shared/link/group") == "/etc/group"
    os.chmod(shared, 0o777)
    with pytest.raises(PlantedLink):
        site.real("/shared/link/group")
    assert site.real("/var/../etc/./group") == "/etc/group"


def test_preview_shows_what_later_steps_would_see_and_writes_nothing(site: FakeSite) -> None:
    before = inventory(site.root)
    steps = arrange(
        [
            (
                "x",
                (
                    SetLine("/etc/default/saslauthd", "START", "=", "yes"),
                    SetLine("/etc/default/saslauthd", "MECHANISMS", "=", "shadow"),
                    SetSaslPassword("hoge", "example.com"),
                ),
            )
        ]
    )
    first, second, third = preview(site, steps)
    assert "-START=no" in first.changes
    assert "+START=yes" in first.changes
    assert " START=yes" in second.changes
    assert third.changes == ()
    assert inventory(site.root) == before
    assert not site.pending


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("ldapdb_pw: hush", "ldapdb_pw: ********"),
        ("+sql_passwd: hush", "+sql_passwd: ********"),
        ("password = hush hush", "password = ********"),
        (
            "ldap_servers: ldap://me:hush@ldap.example.com/",
            "ldap_servers: ldap://me:********@ldap.example.com/",
        ),
        ("smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd", None),
        ("pwcheck_method: saslauthd", None),
        ("auxprop_plugin: sasldb", None),
    ],
)
def test_secrets_are_masked(line: str, shown: str | None) -> None:
    assert masked(line) == (shown or line)


def test_difference_is_bounded_and_shows_no_database() -> None:
    many = b"".join(b"line %d\n" % number for number in range(5000))
    assert len(unified("/a", None, many)) == LINES_LIMIT + 1
    assert unified("/etc/sasldb2", b"\0old", b"\0secret") == ["/etc/sasldb2: differs; it is not text"]

"""Lists of networks, and who is inside."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from maildoctor.host import TreeHost
from maildoctor.postfix.networks import Networks, is_too_wide, networks


def test_debian_s_own_mynetworks_is_this_host(tmp_path: Path) -> None:
    known = networks(TreeHost(str(tmp_path)), "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128")
    assert (known.only_loopback, known.everybody, known.malformed, known.too_wide) == (True, False, (), ())


def test_files_are_read_and_tables_remain_unknown(tmp_path: Path) -> None:
    (tmp_path / "nets").write_text("# ours\n192.0.2.0/24\n!192.0.2.7\n")
    assert networks(TreeHost(str(tmp_path)), "/nets hash:/etc/postfix/nets .example.com") == Networks(
        (ip_network("192.0.2.0/24"),), ("hash:/etc/postfix/nets", ".example.com")
    )


@pytest.mark.parametrize("bad", ["192.0.2.10/24", "192.0.2.0/33", "192.0.2/24", "/no/such/file"])
def test_what_smtpd_cannot_use_is_malformed(tmp_path: Path, bad: str) -> None:
    assert networks(TreeHost(str(tmp_path)), f"127.0.0.0/8, {bad}").malformed == (bad,)


@pytest.mark.parametrize(
    ("network", "wide"),
    [
        ("0.0.0.0/0", True),
        ("203.0.0.0/8", True),
        ("::/0", True),
        ("10.0.0.0/8", False),
        ("192.168.0.0/16", False),
        ("203.0.113.0/24", False),
        ("2001:db8::/32", False),
    ],
)
def test_too_wide(network: str, wide: bool) -> None:
    assert is_too_wide(ip_network(network)) is wide


def test_everybody(tmp_path: Path) -> None:
    host = TreeHost(str(tmp_path))
    assert networks(host, "0.0.0.0/0").everybody
    assert networks(host, "static:all").everybody
    assert not networks(host, "192.0.2.0/24").everybody

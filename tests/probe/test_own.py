"""This host's own services as targets: which, at which address, and whom they trust."""

import socket
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from maildoctor.host import CannotLook, TreeHost
from maildoctor.probe import Envelope, Target, Tls, own
from maildoctor.probe.own import listening_addresses, own_envelope, own_targets

MASTER = """\
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes
submissions inet n - y - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
127.0.0.1:10025 inet n - y - - smtpd
"""
LISTENING = ("127.0.0.1", "192.0.2.10", "2001:db8::10")


def host(root: Path, main: str = "", master: str = MASTER) -> TreeHost:
    """A host of files."""
    (root / "etc/postfix").mkdir(parents=True)
    (root / "etc/postfix/main.cf").write_text(f"myhostname = mail.example.com\n{main}\n")
    (root / "etc/postfix/master.cf").write_text(master)
    return TreeHost(str(root))


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [ip_address(each) for each in LISTENING]
    monkeypatch.setattr(own, "listening_addresses", lambda port: addresses)


def test_every_service_for_logins(tmp_path: Path) -> None:
    networks = (ip_network("127.0.0.0/8"), ip_network("198.51.100.0/24"))
    found = own_targets(host(tmp_path, "mynetworks = 127.0.0.0/8 198.51.100.0/24"))
    assert found == [
        Target("192.0.2.10", 587, Tls.AUTO, "submission", "mail.example.com", True, networks),
        Target("192.0.2.10", 465, Tls.IMPLICIT, "submissions", "mail.example.com", True, networks),
    ]


@pytest.mark.parametrize(("wanted", "ports"), [("smtp", [25]), ("25", [25]), ("465", [465]), ("imap", [])])
def test_one_service(wanted: str, ports: list[int], tmp_path: Path) -> None:
    assert [each.port for each in own_targets(host(tmp_path), wanted)] == ports


@pytest.mark.parametrize(
    ("main", "address"),
    [
        ("mynetworks = 127.0.0.0/8", "192.0.2.10"),
        ("mynetworks = 127.0.0.0/8 192.0.2.0/24", "2001:db8::10"),
        ("mynetworks = 127.0.0.0/8 192.0.2.0/24 [2001:db8::]/32", "127.0.0.1"),
        ("mynetworks = 127.0.0.0/8\nsmtpd_sasl_exceptions_networks = 192.0.2.0/24", "2001:db8::10"),
        (
            "mynetworks = 127.0.0.0/8\nsmtpd_sasl_exceptions_networks = 192.0.2.0/24 [2001:db8::]/32",
            "127.0.0.1",
        ),
    ],
)
def test_the_address_where_most_can_be_judged(main: str, address: str, tmp_path: Path) -> None:
    assert own_targets(host(tmp_path, main), "submission")[0].host == address


@pytest.mark.parametrize(
    ("mynetworks", "trusted"),
    [("0.0.0.0/0", False), ("192.0.2.0/24", True), ("hash:/etc/postfix/networks", False)],
)
def test_trusting_everybody_is_no_excuse(mynetworks: str, trusted: bool, tmp_path: Path) -> None:
    (target,) = own_targets(host(tmp_path, f"mynetworks = {mynetworks}"), "submission")
    assert target.trusts(ip_address("192.0.2.10")) is trusted


def test_the_sender_is_local(tmp_path: Path) -> None:
    main = "mydomain = example.com\nmydestination = $myhostname, example.com, localhost"
    assert own_envelope(host(tmp_path, main)) == Envelope("postmaster@example.com")


def test_the_sender_is_local_where_the_domain_is_not(tmp_path: Path) -> None:
    main = "mydomain = example.com\nmydestination = $myhostname"
    assert own_envelope(host(tmp_path, main)) == Envelope("postmaster@mail.example.com")


def test_no_postfix(tmp_path: Path) -> None:
    with pytest.raises(CannotLook):
        own_targets(TreeHost(str(tmp_path)))
    assert own_envelope(TreeHost(str(tmp_path))).sender.startswith("postmaster@")


def test_the_kernel_says_where_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listening_addresses(port) == [ip_address("127.0.0.1")]
    assert listening_addresses(port) == []


def test_a_service_on_every_address() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        found = listening_addresses(server.getsockname()[1])
    assert ip_address("127.0.0.1") in found
    assert ip_address("0.0.0.0") not in found

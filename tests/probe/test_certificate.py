"""Certificates as facts, whatever bytes a server sends."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from maildoctor.probe.certificate import Certificate, read
from maildoctor.probe.der import oid
from tests.probe.scripted import certificate


def made(directory: Path, *options: str) -> bytes:
    """A new certificate as DER."""
    pem = certificate(directory, *options).read_text()
    return ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])


@pytest.fixture(scope="session")
def der(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A self-signed certificate."""
    return made(tmp_path_factory.mktemp("der"))


def test_facts(der: bytes) -> None:
    found = read(der)
    now = datetime.now(UTC)
    assert found is not None
    assert found.subject == found.issuer == "O=Example, CN=mail.example.com"
    assert found.names == ("mail.example.com", "*.example.org", "192.0.2.1")
    assert found.self_signed
    assert abs(found.not_before - now) < timedelta(hours=1)
    assert found.not_after - found.not_before == timedelta(days=30)
    assert not found.expired(now)
    assert found.expired(now + timedelta(days=31))
    assert found.not_yet_valid(now - timedelta(days=1))


def test_openssl_reads_the_same(der: bytes, tmp_path: Path) -> None:
    """CPython's own test helper decodes a certificate that nobody verified, from a file."""
    path = tmp_path / "certificate.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(der))
    theirs = ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined]
    ours = read(der)
    assert ours is not None
    assert [name for _, name in theirs["subjectAltName"]] == list(ours.names)
    for mine, name in ((ours.not_before, "notBefore"), (ours.not_after, "notAfter")):
        assert mine.timestamp() == ssl.cert_time_to_seconds(theirs[name])


def test_without_alternative_names_the_common_name_counts(tmp_path: Path) -> None:
    found = read(made(tmp_path, "-addext", "basicConstraints=critical,CA:TRUE"))
    assert found is not None
    assert found.names == ("mail.example.com",)


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("www.example.org", True),
        ("a.www.example.org", False),
        ("example.org", False),
        ("192.0.2.1", True),
        ("192.0.2.10", False),
        ("mail.example.com.example.net", False),
    ],
)
def test_names(der: bytes, host: str, fits: bool) -> None:
    found = read(der)
    assert found is not None
    assert found.names_host(host) is fits


def test_object_identifiers() -> None:
    assert oid(b"\x55\x04\x03") == "2.5.4.3"
    assert oid(b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01") == "1.2.840.113549.1.9.1"
    assert oid(b"\x88\x37\x03") == "2.999.3"


@given(some.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    assert read(data) is None or isinstance(read(data), Certificate)


@given(some.data())
def test_any_damage(der: bytes, data: some.DataObject) -> None:
    damaged = bytearray(der)
    for _ in range(data.draw(some.integers(1, 4))):
        damaged[data.draw(some.integers(0, len(der) - 1))] = data.draw(some.integers(0, 255))
    assert read(bytes(damaged[: data.draw(some.integers(0, len(der)))])) in (None, read(bytes(damaged)))

"""Keys of a Berkeley DB hash file: as sasldblistusers2 lists them, and whatever the bytes are."""

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maildoctor.sasl.berkeley_hash import NotAHashFile, keys

RECORDED = sorted((Path(__file__).parents[2] / "fixtures/sasldb2").glob("*.db"))
SAMPLE = RECORDED[0].read_bytes()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_accounts_are_those_that_the_tool_lists(path: Path) -> None:
    accounts = [key.split(b"\0") for key in keys(path.read_bytes())]
    listed = sorted(f"{user.decode()}@{realm.decode()}" for user, realm, _ in accounts)
    assert listed == sorted(path.with_suffix(".txt").read_text().splitlines())
    assert {name for *_, name in accounts} <= {b"userPassword"}


def test_a_key_never_holds_a_password() -> None:
    assert not [key for path in RECORDED for key in keys(path.read_bytes()) if b"pw" in key or b"qqq" in key]


def test_a_file_in_the_other_byte_order_is_read() -> None:
    """A hash file with one page, as a machine of the other byte order writes it."""
    meta = struct.pack(">QIIIIBBBBII", 0, 0, 0x061561, 9, 512, 0, 8, 0, 0, 0, 1)
    key, value = b"\1hoge\0example.com\0userPassword", b"\1secret"
    begin = 512 - len(key)
    page = struct.pack(">QIIIHHBBHH", 0, 1, 0, 0, 2, begin - len(value), 1, 13, begin, begin - len(value))
    data = meta.ljust(512, b"\0") + page.ljust(begin - len(value), b"\0") + value + key
    assert list(keys(data)) == [b"hoge\0example.com\0userPassword"]


REFUSED = {
    "is empty (0 bytes)": b"",
    "is no Berkeley DB hash file": b"hoge@example.com: secret\n" * 40,
    "is a Berkeley DB hash file that was cut off": SAMPLE[:5000],
    "is a Berkeley DB btree, not a hash file": SAMPLE[:12] + struct.pack("<I", 0x053162) + SAMPLE[16:],
    "is an encrypted Berkeley DB file": SAMPLE[:24] + b"\1" + SAMPLE[25:],
    "is a Berkeley DB hash file of version 5, which needs db_upgrade": SAMPLE[:16] + b"\5" + SAMPLE[17:],
    "is a Berkeley DB hash file with an impossible page size": SAMPLE[:20] + b"\1\0\0\0" + SAMPLE[24:],
    "is a GDBM file, not a Berkeley DB hash file": struct.pack("<I", 0x13579ACF).ljust(600, b"\0"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_libdb_would_not_open_is_refused_with_the_reason(why: str) -> None:
    with pytest.raises(NotAHashFile) as refusal:
        keys(REFUSED[why])
    assert str(refusal.value) == why


@given(st.binary(max_size=4096))
def test_any_bytes_are_keys_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(NotAHashFile):
        assert len(list(keys(data))) <= len(data)


@given(st.dictionaries(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255), max_size=40))
def test_a_damaged_file_never_gives_more_than_it_holds(damage: dict[int, int]) -> None:
    data = bytearray(SAMPLE)
    for place, value in damage.items():
        data[place] = value
    try:
        found = list(keys(bytes(data)))
    except NotAHashFile:
        return
    assert len(found) < len(data)
    assert all(len(key) <= 65536 for key in found)

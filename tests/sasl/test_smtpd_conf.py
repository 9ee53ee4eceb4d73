"""smtpd.conf: parsed as libsasl2 2.1.28 parses it (each line below was tried with the library itself)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maildoctor.host import TreeHost
from maildoctor.postfix.service import Service
from maildoctor.sasl import smtpd_conf
from maildoctor.sasl.conf_repair import repaired
from maildoctor.sasl.smtpd_conf import Setting, SmtpdConf, SyntaxFault, parse
from maildoctor.sasl.stray_conf import left_behind, strays
from maildoctor.source import Source, Sourced

GOOD = {
    b"pwcheck_method: saslauthd\n": ("pwcheck_method", "saslauthd"),
    b"pwcheck_method:saslauthd": ("pwcheck_method", "saslauthd"),
    b"  Mech_List:\t plain login \t\r\n": ("mech_list", "plain login"),
    b"a: b: c\n": ("a", "b: c"),
    b"a:b\x00c\n": ("a", "b"),
    b": x\n": ("", "x"),
}
BAD = {
    b"pwcheck_method = x\n": 'an equals sign stands where ":" is needed',
    b"pwcheck_method : x\n": "a space stands before the colon",
    b"\xef\xbb\xbfa: b\n": "a byte order mark stands before the first key",
    b"a:\n": "nothing follows the colon",
    b"a: \r\n": "nothing follows the colon",
    b"word\n": 'no ":" follows the key',
    b"a.b: c\n": 'no ":" follows the key',
    b"; comment\n": 'no ":" follows the key',
    b"\xa0a: b\n": 'no ":" follows the key',
    "a: b\n".encode("utf-16"): "a byte order mark stands before the first key",
}


@pytest.mark.parametrize("data", GOOD)
def test_what_libsasl2_accepts(data: bytes) -> None:
    assert parse(data) == ((Setting(*GOOD[data], 1),), None)


@pytest.mark.parametrize("data", BAD)
def test_what_libsasl2_refuses(data: bytes) -> None:
    fault = parse(b"# first\n" + data)[1]
    assert fault is not None
    assert (fault.line, fault.why) == (2, BAD[data])


@pytest.mark.parametrize("data", [b"", b"\r\n", b"  # c\n", b"\x00\n"])
def test_what_libsasl2_passes_over(data: bytes) -> None:
    assert parse(data) == ((), None)


def test_a_line_longer_than_the_librarys_buffer_is_two() -> None:
    fault = parse(b"a: " + b"x" * 5000 + b"\n")[1]
    assert fault is not None
    assert fault.line == 1


def test_reading_goes_on_behind_a_fault() -> None:
    settings, fault = parse(b"pwcheck_method = saslauthd\nmech_list: plain\n")
    assert settings == (Setting("pwcheck_method", "saslauthd", 1), Setting("mech_list", "plain", 2))
    assert fault == SyntaxFault(1, "pwcheck_method = saslauthd", 'an equals sign stands where ":" is needed')


def test_the_first_line_of_a_key_counts() -> None:
    conf = SmtpdConf("/x", parse(b"pwcheck_method: auxprop\npwcheck_method: saslauthd\n")[0])
    assert conf.pwcheck_methods == Sourced(["auxprop"], Source("/x", 1))


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed(data: bytes) -> None:
    settings, fault = parse(data)
    assert all(1 <= setting.line <= data.count(b"\n") + 1 for setting in settings)
    assert fault is None or fault.line >= 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"pwcheck_method = saslauthd\n", "pwcheck_method: saslauthd\n"),
        (b"\xef\xbb\xbfpwcheck_method: saslauthd\n", "pwcheck_method: saslauthd\n"),
        ("pwcheck_method: saslauthd\r\n".encode("utf-16"), "pwcheck_method: saslauthd\n"),
        (b"; old\nmech_list plain login\n", "# ; old\nmech_list: plain login\n"),
        (b"# kept\npwcheck_method : auxprop\n", "# kept\npwcheck_method: auxprop\n"),
        (b"mech_list:\n", "mech_list: PLAIN LOGIN\n"),
        (b"pwcheck_method:\n", None),
        (b"sql_passwd: secret\nmech_list = plain\n", None),
        (b"\xff\n", None),
    ],
)
def test_repair(data: bytes, text: str | None) -> None:
    assert repaired(data) == text


Root = Callable[[dict[str, str]], TreeHost]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    def plant(files: dict[str, str]) -> TreeHost:
        for path, text in {"/usr/lib/x86_64-linux-gnu/sasl2/.keep": "", **files}.items():
            place = tmp_path / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return TreeHost(str(tmp_path))

    return plant


def service(**parameters: str) -> Service:
    sourced = {name: Sourced(value, Source("/etc/postfix/main.cf", 1)) for name, value in parameters.items()}
    return Service(
        "submission", "submission/inet", None, 587, "/var/spool/postfix", Source("master.cf", 1), {}, sourced
    )


def main_cf(version: str, **parameters: str) -> dict[str, str]:
    status = f"Package: postfix\nStatus: install ok installed\nVersion: {version}\n\n"
    lines = "".join(f"{name} = {value}\n" for name, value in parameters.items())
    return {"/var/lib/dpkg/status": status, "/etc/postfix/main.cf": lines}


CONF = "pwcheck_method: saslauthd\n"


def test_before_3_9_the_parameter_is_ignored(root: Root) -> None:
    files = {"/etc/own/smtpd.conf": CONF, "/etc/postfix/sasl/smtpd.conf": CONF}
    host = root({**files, **main_cf("3.7.11-0+deb12u1")})
    asked = service(cyrus_sasl_config_path="/etc/own", config_directory="/etc/postfix")
    assert smtpd_conf.effective(host, asked).path == "/etc/postfix/sasl/smtpd.conf"


def test_since_3_9_it_decides(root: Root) -> None:
    files = {"/etc/own/smtpd.conf": CONF, "/etc/postfix/sasl/smtpd.conf": CONF}
    host = root({**files, **main_cf("3.10.13-0+deb13u1")})
    assert (
        smtpd_conf.effective(host, service(cyrus_sasl_config_path="/etc/own/")).path == "/etc/own/smtpd.conf"
    )


def test_unset_it_leaves_the_librarys_directories(root: Root) -> None:
    host = root({"/usr/lib/sasl2/smtpd.conf": CONF, **main_cf("3.10.13")})
    assert smtpd_conf.effective(host, service()).path == "/usr/lib/sasl2/smtpd.conf"


def test_smtpd_sasl_path_is_its_name(root: Root) -> None:
    host = root({"/etc/postfix/sasl/mail.conf": CONF, **main_cf("3.7.11")})
    assert smtpd_conf.effective(host, service(smtpd_sasl_path="mail")).path == "/etc/postfix/sasl/mail.conf"


def test_a_directory_in_its_place_is_an_obstacle(root: Root) -> None:
    host = root({"/etc/postfix/sasl/smtpd.conf/x": "", **main_cf("3.7.11")})
    assert smtpd_conf.effective(host, service()) == SmtpdConf(
        "/etc/postfix/sasl/smtpd.conf", obstacle="is a directory, not a regular file"
    )


def test_without_a_file_the_defaults_hold(root: Root) -> None:
    conf = smtpd_conf.effective(root(main_cf("3.7.11")), service())
    assert (conf.found, conf.pwcheck_methods, conf.mech_list) == (False, Sourced(["auxprop"]), None)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/sasl2/smtpd.conf",
        "/etc/postfix/smtpd.conf",
        "/etc/postfix/sasl/smtp.conf",
        "/etc/postfix/sasl/smtpd.cf",
        "/etc/postfix/sasl/SMTPD.CONF",
        "/etc/postfix/sasl/smtpd.conf.conf",
        "/var/spool/postfix/etc/postfix/sasl/smtpd.conf",
        "/etc/postfix/sasl/smtpd.conf.dpkg-old",
    ],
)
def test_strays(root: Root, path: str) -> None:
    found = strays(root({path: CONF, **main_cf("3.7.11")}), service())
    assert [conf.path for conf in found] == [path]
    assert left_behind(found[0]) == path.endswith("dpkg-old")


def test_a_file_that_sets_nothing_of_libsasl2_is_no_stray(root: Root) -> None:
    assert strays(root({"/etc/sasl2/smtpd.conf": "x: y\n", **main_cf("3.7.11")}), service()) == ()

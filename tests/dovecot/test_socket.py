"""smtpd_sasl_path as Postfix reads it for Dovecot."""

import pytest

from maildoctor.dovecot.socket import Endpoint, endpoint
from maildoctor.postfix.service import Service
from maildoctor.source import Source, Sourced

QUEUE = "/var/spool/postfix"
LINE = Source("/etc/postfix/main.cf", 9)


def smtpd(path: str, chroot: str | None) -> Service:
    parameters = {"smtpd_sasl_path": Sourced(path, LINE), "queue_directory": Sourced(QUEUE)}
    return Service("submission", "submission/inet", None, 587, chroot, Source("master.cf", 1), {}, parameters)


@pytest.mark.parametrize(
    ("path", "chroot", "on_host"),
    [
        ("private/auth", QUEUE, f"{QUEUE}/private/auth"),
        ("private/auth", None, f"{QUEUE}/private/auth"),
        ("unix:private/auth", QUEUE, f"{QUEUE}/private/auth"),
        ("/run/dovecot/auth-client", QUEUE, f"{QUEUE}/run/dovecot/auth-client"),
        ("/run/dovecot/auth-client", None, "/run/dovecot/auth-client"),
        ("smtpd", QUEUE, f"{QUEUE}/smtpd"),
    ],
)
def test_a_path_on_the_host(path: str, chroot: str | None, on_host: str) -> None:
    assert endpoint(smtpd(path, chroot)).on_host == on_host


@pytest.mark.parametrize(
    ("path", "host", "port"), [("inet:127.0.0.1:12345", "127.0.0.1", "12345"), ("inet:[::1]:99", "::1", "99")]
)
def test_a_port(path: str, host: str, port: str) -> None:
    assert endpoint(smtpd(path, QUEUE)) == Endpoint(path, LINE, host=host, port=port)

"""Every arrangement works on a real host: users log in and may relay, strangers may not, check is silent."""

import pytest

from tests.hosts import smtp
from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import ask
from tests.hosts.machine import Host

pytestmark = pytest.mark.host

EHLO_FROM_INSIDE = "import smtplib; print(smtplib.SMTP('localhost', 25, timeout=10).ehlo())"


@pytest.mark.parametrize("name", [name for name, arrangement in ARRANGEMENTS.items() if arrangement.port])
def test_users_log_in_and_strangers_do_not(release: str, name: str) -> None:
    arrangement = ARRANGEMENTS[name]
    assert arrangement.port
    with arranged(release, name) as host:
        for mechanism in arrangement.mechanisms:
            login = arrangement.login(host, mechanism)
            assert login.works, login
        assert arrangement.login(host, password="wrong").code("auth") == 535
        for stranger in (
            smtp.without_login(host, port=25),
            smtp.without_login(host, port=arrangement.port, tls=arrangement.tls),
        ):
            assert stranger.code("banner") == 220
            assert not stranger.relays
        assert_silent(host, "healthy")


def test_a_stock_host_offers_no_login(release: str) -> None:
    with arranged(release, "stock") as host:
        session = smtp.without_login(host)
        assert session.code("banner") == 220
        assert not session.mechanisms()
        assert not session.relays
        assert smtp.login(host, port=587).steps == {"banner": (0, "refused")}
        assert_silent(host, "off")


def test_a_satellite_serves_its_own_users_alone(release: str) -> None:
    with arranged(release, "satellite") as host:
        assert smtp.without_login(host).steps == {"banner": (0, "refused")}
        greeting = host.run(["python3", "-c", EHLO_FROM_INSIDE]).stdout
        assert "STARTTLS" in greeting
        assert "AUTH" not in greeting
        assert_silent(host, "off")


def assert_silent(host: Host, verdict: str) -> None:
    """Nothing above information is found on a host that works."""
    answer = ask(host)
    assert (answer.verdict, answer.causes, answer.status) == (verdict, [], 0), answer

"""On real hosts: our own reading of main.cf, over the defaults that we know, says what postconf says."""

import json

import pytest

from tests.hosts.arrangements import arranged
from tests.hosts.machine import Host

pytestmark = pytest.mark.host

READING = """
import json
from maildoctor.host import LiveHost
from maildoctor.postfix import defaults, parameters
from maildoctor.postfix.configuration import login_services
from maildoctor.postfix.parameters import expanded
from maildoctor.source import Sourced

host = LiveHost()
written = parameters.main(host).parameters
ours = {name: Sourced(value) for name, value in defaults.defaults(host, written).items()} | written
print(json.dumps({
    "unexpanded": {name: value.value for name, value in ours.items()},
    "expanded": {name: expanded(value, parameters.parameters(host)).value for name, value in ours.items()},
    "options": {
        f"{service.entry}/{name}": service.parameter(name).value
        for service in login_services(host) for name in service.options
    },
}))
"""
ARRANGEMENTS = ("stock", "satellite", "submission-tls", "submissions-465", "dovecot", "main-cf-auth")


def postconf(host: Host, *words: str) -> dict[str, str]:
    """What postconf says; white space between words does not count."""
    lines = host.run(["postconf", *words]).stdout.splitlines()
    return {name: spaced(value) for name, _, value in (line.partition(" =") for line in lines)}


def spaced(value: str) -> str:
    return " ".join(value.split())


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_both_readings_are_equal(release: str, arrangement: str) -> None:
    with arranged(release, arrangement) as host:
        assert_equal(host)


def test_names_that_follow_from_the_host_name(release: str) -> None:
    with arranged(release, "stock") as host:
        host.run(["postconf", "-X", "myhostname"])
        assert_equal(host)


def assert_equal(host: Host) -> None:
    """Our reading and postconf's answers agree in every parameter that we know."""
    ours = json.loads(host.run(["python3", "-c", READING]).stdout)
    said = {"unexpanded": (), "expanded": ("-x",), "options": ("-Px",)}
    assert len(ours["unexpanded"]) > 200
    for kind, options in said.items():
        theirs = postconf(host, *options)
        pairs = {name: (spaced(value), theirs.get(name)) for name, value in ours[kind].items()}
        assert {name: pair for name, pair in pairs.items() if pair[0] != pair[1]} == {}, kind

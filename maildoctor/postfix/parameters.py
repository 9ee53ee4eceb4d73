"""main.cf's parameters on a host: asked of postconf(1) on a live one, read by ourselves elsewhere.

The argvs used are ``postconf`` and, by ``sasl_types``, ``postconf -a`` and ``postconf -A``. A command line
that wants to save time calls ``host.start`` with these before it imports anything heavy.
"""

from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import CannotLook, CommandFailed, Host
from maildoctor.host.live import Output
from maildoctor.postfix import defaults, main_cf, master_cf
from maildoctor.postfix.expansion import Unexpandable, expand
from maildoctor.source import Sourced

DIRECTORY = "/etc/postfix"
MAIN_CF = f"{DIRECTORY}/main.cf"
MASTER_CF = f"{DIRECTORY}/master.cf"


class Postconf(NamedTuple):
    """What ``postconf`` answered: every parameter, unexpanded, and its warnings, each once."""

    parameters: dict[str, str]
    warnings: tuple[str, ...] = ()
    failure: str | None = None
    """Its last word when it ended with an error, such as a line of main.cf that it cannot read."""


@fact
def main(host: Host) -> main_cf.MainCf:
    """Read main.cf. Raises Missing, NotRegular, TooLarge, LinkLoop, Refused."""
    return main_cf.parse(host.text(MAIN_CF), MAIN_CF)


@fact
def master(host: Host) -> master_cf.MasterCf:
    """Read master.cf. Raises as ``main``."""
    return master_cf.parse(host.text(MASTER_CF), MASTER_CF)


@fact
def postconf(host: Host) -> Postconf:
    """Ask postconf(1). Raises NeedsLiveHost, CommandMissing, CommandHung."""
    return parse_postconf(host.run("postconf"))


def parse_postconf(output: Output) -> Postconf:
    """Take postconf's answer apart."""
    pairs = (line.partition(" =") for line in output.stdout.splitlines())
    parameters = {name: value.strip() for name, equals, value in pairs if equals}
    words = [line.partition("postconf: ")[2] or line for line in output.stderr.splitlines()]
    warnings = [word.removeprefix("warning: ") for word in words if word.startswith("warning: ")]
    failure = None
    if output.status != 0 or not parameters:
        failure = words[-1].removeprefix("fatal: ") if words else f"exit status {output.status}"
    return Postconf(parameters, tuple(dict.fromkeys(warnings)), failure)


@fact
def sasl_types(host: Host, option: str = "-a") -> tuple[str, ...]:
    """Give the SASL types that Postfix was built with, ``-a`` for its server side and ``-A`` for its client.

    Empty: built without SASL. Raises NeedsLiveHost, CommandMissing, CommandHung, and CommandFailed where
    postconf refuses, as it does for a main.cf that it cannot read.
    """
    output = host.run("postconf", option)
    if output.status != 0:
        raise CommandFailed(f"postconf {option}", output.status, parse_postconf(output).failure or "")
    return tuple(output.stdout.split())


@fact
def parameters(host: Host) -> dict[str, Sourced[str]]:
    """Give every parameter, unexpanded; a default has no source.

    The values are postconf's where it answers, else main.cf's over the defaults of this Postfix version.
    Raises what ``main`` raises where main.cf cannot be read.
    """
    written = main(host).parameters
    known = {name: Sourced(value) for name, value in _unwritten(host, written).items()}
    return known | written


def _unwritten(host: Host, written: dict[str, Sourced[str]]) -> dict[str, str]:
    try:
        answer = postconf(host)
    except CannotLook:
        return defaults.defaults(host, written)
    return defaults.defaults(host, written) if answer.failure else answer.parameters


@fact
def parameter(host: Host, name: str) -> Sourced[str]:
    """Give a parameter as main.cf and the defaults set it, expanded; empty where Postfix does not know it."""
    every = parameters(host)
    return expanded(every.get(name, Sourced("")), every)


def expanded(value: Sourced[str], every: dict[str, Sourced[str]]) -> Sourced[str]:
    """Expand a value; one that Postfix itself could not expand stays as it is written."""
    try:
        text = expand(value.value, lambda name: every[name].value if name in every else None)
    except Unexpandable:
        return value
    return Sourced(text, value.source)

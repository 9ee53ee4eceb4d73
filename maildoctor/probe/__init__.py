"""Logging in over the network to see whether it works. It asks a server; it never looks at its files.

``probe`` walks every phase of a login, ``witness`` sums up a login with a made-up user. Both give values
and never raise for what a server does. Names are imported when they are asked for: ``check`` reads
certificates with this package and has no time for smtplib.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maildoctor.probe.credentials import Credentials, Password, made_up
    from maildoctor.probe.result import Outcome, Phase, ProbeResult, Step, Verdict
    from maildoctor.probe.run import probe
    from maildoctor.probe.target import Envelope, Target, Tls
    from maildoctor.probe.testimony import Testimony, Witness, witness

_ROOMS = {
    "credentials": ("Credentials", "Password", "made_up"),
    "result": ("Outcome", "Phase", "ProbeResult", "Step", "Verdict"),
    "run": ("probe",),
    "target": ("Envelope", "Target", "Tls"),
    "testimony": ("Testimony", "Witness", "witness"),
}

__all__ = [
    "Credentials",
    "Envelope",
    "Outcome",
    "Password",
    "Phase",
    "ProbeResult",
    "Step",
    "Target",
    "Testimony",
    "Tls",
    "Verdict",
    "Witness",
    "made_up",
    "probe",
    "witness",
]


def __getattr__(name: str) -> object:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

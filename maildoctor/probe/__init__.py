"""Logging in over the network to see whether it works. It asks a server; it never looks at its files.

``probe`` walks every phase of a login, ``witness`` sums up a login with a made-up user. Both give values
and never raise for what a server does.
"""

from maildoctor.probe.credentials import Credentials, Password, made_up
from maildoctor.probe.result import Outcome, Phase, ProbeResult, Step, Verdict
from maildoctor.probe.run import probe
from maildoctor.probe.target import Envelope, Target, Tls
from maildoctor.probe.witness import Testimony, Witness, witness

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

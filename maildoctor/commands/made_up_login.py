"""A login with a made-up user on each of this host's services: one more witness of a repair."""

from maildoctor.finding import Stage
from maildoctor.host import CannotLook, LiveHost
from maildoctor.mending import Heard, Witnesses

SECONDS = 12.0
"""For each phase; a made-up user costs up to 10 s with Dovecot."""


def listen(service: str | None) -> Witnesses:
    """Try on every service meant for logins, or on the one that is named; it never raises."""
    from maildoctor.probe import Testimony, witness
    from maildoctor.probe.own import own_targets

    try:
        targets = own_targets(LiveHost(), service)
    except CannotLook:
        return {}
    heard: dict[str, Heard] = {}
    for target in targets:
        said = witness(target, SECONDS)
        silent = said.testimony is Testimony.BROKEN and said.stage is Stage.LISTENING
        heard[target.service] = Heard(str(said.testimony), silent, said.summary)
    return heard

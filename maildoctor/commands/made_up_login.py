"""A login with a made-up user on each of this host's services: one more witness of a repair."""

from maildoctor.finding import Stage
from maildoctor.host import CannotLook, LiveHost
from maildoctor.mending import Heard, Witnesses
from maildoctor.probe.target import Target

SECONDS = 12.0
"""For each phase; a made-up user costs up to 10 s with Dovecot."""
GREETING_SECONDS = 4.0
"""A throttled service never greets; one on this host that does takes milliseconds."""


class Listener:
    """Tries to log in on every service meant for logins, or on the one that is named.

    It is the same user each time: Dovecot delays a client that fails with ever new names more and more, but
    not one that tries the same again (auth-penalty.h).
    """

    def __init__(self, service: str | None) -> None:
        """Make up a user."""
        from maildoctor.probe.credentials import made_up

        self.service = service
        self.who = made_up()

    def listen(self) -> Witnesses:
        """Try on all services at once; it never raises."""
        from concurrent.futures import ThreadPoolExecutor

        from maildoctor.probe.own import own_targets

        try:
            targets = own_targets(LiveHost(), self.service)
        except CannotLook:
            return {}
        with ThreadPoolExecutor(max_workers=4) as pool:
            return dict(zip([each.service for each in targets], pool.map(self._hear, targets), strict=True))

    def _hear(self, target: Target) -> Heard:
        from maildoctor.probe import Testimony, witness

        said = witness(target, SECONDS, who=self.who, greeting=GREETING_SECONDS)
        silent = said.testimony is Testimony.BROKEN and said.stage is Stage.LISTENING
        return Heard(str(said.testimony), silent, said.summary)

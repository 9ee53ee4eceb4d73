"""What one smtpd process said since its last client came."""

from maildoctor.maillog.catalogue import Message, Recognised
from maildoctor.maillog.tally import Attempt


class Session:
    """What is known of one smtpd process since its last client came."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.service = ""
        self.reason: Recognised | None = None
        self.said: Attempt | None = None
        """The line that stands for ``reason`` until an attempt ends with it."""
        self.weak: Recognised | None = None
        self.logged_in = False
        self.denied: list[tuple[Attempt, str]] = []
        """Refusals to relay with their text; whether the client had logged in is told when it goes."""
        self.cut_off = False
        """The client went in the middle of AUTH."""

    @property
    def speaks(self) -> bool:
        """Tell whether it said something that may name the cause of an attempt."""
        return self.reason is not None or self.weak is not None

    @property
    def matters(self) -> bool:
        """Tell whether what comes next from this process may mean something else because of it."""
        return self.speaks or self.said is not None or bool(self.denied) or self.cut_off


def stronger(new: Message, old: Message) -> bool:
    """Tell whether ``new`` names the cause of an attempt better than ``old``."""
    ranks = {"consequence": 0, "client": 1, "refused": 2, "cause": 3}
    return ranks.get(new.role, 0) > ranks.get(old.role, 0)

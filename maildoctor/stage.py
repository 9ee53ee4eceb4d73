"""The login path: where a fault can sit. A log is read by it as well, which must not wait for remedies."""

import enum


class Stage(enum.StrEnum):
    """The stages of a login, in the protocol's order, and hygiene beside them."""

    INSTALLED = "installed"
    LISTENING = "listening"
    OFFERED = "offered"
    CONFIGURED = "configured"
    REACHABLE = "reachable"
    VERIFYING = "verifying"
    PERMITTED = "permitted"
    HYGIENE = "hygiene"

    @property
    def order(self) -> int:
        """Give the place in the row, from 0."""
        return list(Stage).index(self)

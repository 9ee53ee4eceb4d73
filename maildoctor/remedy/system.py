"""What an action must know of the host before it can say its command."""

from maildoctor.value import value


@value
class System:
    """Which ways of changing things this host has."""

    systemd: bool = True
    """Whether systemd is its init; otherwise services are steered by ``service`` and ``update-rc.d``."""
    postfix: tuple[int, ...] = (3, 7)
    """Postfix's version; ``postconf -P`` and ``-F`` exist since 2.11."""

    @property
    def edits_master(self) -> bool:
        """Tell whether postconf can edit master.cf: postconf(1), "Postfix 2.11 and later"."""
        return self.postfix >= (2, 11)

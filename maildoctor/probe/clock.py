"""Time limits: one for each phase, and one for the whole."""

import time

TOTAL_PHASES = 6
"""A server that exhausts its time in every phase gets no more than this many of them."""


class Clock:
    """Says how long one may still wait: ``deadline`` in each phase, ``greeting`` until the first words."""

    def __init__(self, deadline: float, greeting: float | None = None) -> None:
        """Begin the whole, and its first phase. All in seconds."""
        self.deadline = deadline
        self.greeting = min(greeting or deadline, deadline)
        self._end = time.monotonic() + TOTAL_PHASES * deadline
        self.start()

    def start(self, deadline: float | None = None) -> None:
        """Begin a phase."""
        self._until = min(time.monotonic() + (deadline or self.deadline), self._end)

    def left(self) -> float:
        """Give the seconds left in this phase. Raises TimeoutError when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @property
    def spent(self) -> bool:
        """Tell whether the time of the whole is over."""
        return time.monotonic() >= self._end

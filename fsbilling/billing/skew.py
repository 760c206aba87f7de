"""How far a switch's clock is from ours."""

from __future__ import annotations

from collections import deque

WINDOW = 64
"""How many of the latest stamps are looked at."""


class Skew:
    """Estimates a switch's clock from the stamps on its events.

    A stamp is older than its arrival by the clocks' difference plus the time under way, and the
    smallest such age seen lately is the best estimate of the difference. It only decides when
    we look at a call; what is billed is the switch's own time (DESIGN rule 6).

    Attributes:
        ahead_us: How far our clock is ahead of the switch's; 0 until an event has been seen.
    """

    def __init__(self) -> None:
        self._ages_us: deque[int] = deque(maxlen=WINDOW)
        self.ahead_us = 0

    def observe(self, stamp_us: int, arrived_us: int) -> None:
        """Take note of one event's stamp and of our time when it arrived."""
        self._ages_us.append(arrived_us - stamp_us)
        # Asked for at every step of every call, and changed by events only.
        self.ahead_us = min(self._ages_us)

    @property
    def is_known(self) -> bool:
        """Whether the switch has told its time at all."""
        return bool(self._ages_us)

"""How far a switch's clock is from ours."""

from __future__ import annotations


class Skew:
    """Estimates a switch's clock from the stamps on its events, and from asking for it.

    A stamp is older than its arrival by the clocks' difference and the time under way: the
    difference is at most the smallest age seen. When all events come late, so is the best of
    them. An answer says more: the switch's clock was read after we asked and before we heard, so
    that the estimate is off by the time under way of the shortest question at most. A clock that
    was set, or goes faster, shows in an answer that the estimate does not fit.

    It only decides when we look at a call; what is billed is the switch's own time (DESIGN
    rule 6), and what guards a call are the switch's own timers (rule 3).

    Attributes:
        ahead_us: How far our clock is ahead of the switch's, at most; 0 until it has told its
            time.
        is_known: Whether it has.
    """

    def __init__(self) -> None:
        self.ahead_us = 0
        self.is_known = False

    def observe(self, stamp_us: int, arrived_us: int) -> None:
        """Take note of one event's stamp and of our time when it arrived."""
        age_us = arrived_us - stamp_us
        if age_us < self.ahead_us or not self.is_known:
            self.ahead_us = age_us
        self.is_known = True

    def answered(self, stamp_us: int, *, asked_us: int, arrived_us: int) -> None:
        """Take note of what the switch's clock was, and of our times before and after."""
        if self.ahead_us < asked_us - stamp_us:
            # It was less far ahead when we asked: one of the clocks was set.
            self.is_known = False
        self.observe(stamp_us, arrived_us)

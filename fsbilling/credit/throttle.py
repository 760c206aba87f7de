"""How many calls may start in a second: one number remembers it.

A token bucket of one second's calls, told as the moment at which it will be full again (the
generic cell rate algorithm, ITU-T I.371). So one number in an account's row holds exactly for
daemons that share it.
"""

from __future__ import annotations

from collections.abc import Callable

from fsbilling.clock import US_PER_S


def admit(full_us: int, now_us: int, per_s: int) -> int | None:
    """Let one more call start: the new moment of a full bucket; None when it is empty.

    `full_us` is what this function gave the last time, 0 at first. After a clock was set back
    it may be far ahead; more than a second ahead it cannot be right, and is not believed.
    """
    if per_s <= 0:
        return None
    each_us = US_PER_S // per_s
    if not now_us <= full_us <= now_us + US_PER_S:
        full_us = now_us
    if full_us - now_us > US_PER_S - each_us:
        return None
    return full_us + each_us


class Throttle:
    """The same for one daemon, in memory; `now_us` is a clock that is never set back."""

    def __init__(self, per_s: int, now_us: Callable[[], int]) -> None:
        self.per_s = per_s
        self._now_us = now_us
        self._full_us = 0

    def admits(self) -> bool:
        """Take one of this second's calls; a rate of 0 is no limit."""
        if not self.per_s:
            return True
        full_us = admit(self._full_us, self._now_us(), self.per_s)
        if full_us is None:
            return False
        self._full_us = full_us
        return True

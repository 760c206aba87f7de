"""How many calls may start in a second: one number remembers it.

A token bucket of one second's calls, told as the moment at which it will be full again (the
generic cell rate algorithm, ITU-T I.371). So one number in an account's row holds exactly for
daemons that share it.
"""

from __future__ import annotations

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

"""Signs of life: what time it is at each switch, and until when a call is known to have lived.

A call that ended unseen is billed to its last sign of life (docs/adr/0006): while the switch talks
to us a hang-up would have been heard. So nothing counts later than it was: an answer is of when
it was asked for, and a lost link is silence from the last word before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from fsbilling.billing.skew import Skew
from fsbilling.calls.call import CallKey
from fsbilling.clock import Clock


class Signs:
    """Of all switches that a daemon serves, by each one's own clock; `clock` is the daemon's."""

    def __init__(self, switches: Iterable[str], clock: Clock) -> None:
        self._clock = clock
        self._skews = {switch: Skew() for switch in switches}
        self._heard_us = dict.fromkeys(self._skews, 0)
        self._unseen_us: dict[CallKey, int] = {}

    @property
    def are_none(self) -> bool:
        """Whether nothing is remembered of any call or clock."""
        return not self._unseen_us and not any(each.is_known for each in self._skews.values())

    def now_us(self, switch: str) -> int:
        """Give the present moment by the switch's clock."""
        return self._clock.now_us() - self._skews[switch].ahead_us

    def by_our_clock(self, switch: str, at_us: int) -> int:
        """Give one of the switch's moments by the daemon's clock."""
        return at_us + self._skews[switch].ahead_us

    def observe(self, switch: str, stamp_us: int) -> None:
        """Take note of a stamp of the switch's clock that has just arrived."""
        self._skews[switch].observe(stamp_us, self._clock.now_us())
        self._hear(switch, stamp_us)

    def told(self, switch: str, stamp_us: int, *, asked_us: int) -> None:
        """Take note of the switch's clock that was asked for at `asked_us` of our own."""
        arrived_us = self._clock.now_us()
        self._skews[switch].answered(stamp_us, asked_us=asked_us, arrived_us=arrived_us)
        self._hear(switch, stamp_us)

    def heard(self, switch: str, asked_us: int) -> None:
        """Take note that the switch has answered what it was asked at that moment.

        The answer itself may have lain unread, with a hang-up behind it. Of use once the
        switch's clock is known.
        """
        if self._skews[switch].is_known:
            self._hear(switch, asked_us)

    def lost(self, switch: str, calls: Iterable[CallKey]) -> None:
        """Take note that the link is down: these calls may end unseen until they are seen again."""
        for key in calls:
            self._unseen_us.setdefault(key, self._heard_us[switch])

    def ended(self, key: CallKey, ended_us: int) -> None:
        """Take note of a hang-up that has been heard, and may have to wait for its turn."""
        self._unseen_us[key] = min(self._unseen_us.get(key, ended_us), ended_us)

    def seen(self, key: CallKey) -> None:
        """Take note that the call has just been seen to live."""
        self._unseen_us.pop(key, None)

    def forget(self, key: CallKey) -> None:
        """Remember nothing of a call that is over."""
        self._unseen_us.pop(key, None)

    def last_us(self, key: CallKey) -> int:
        """Give the last moment at which the call is known to have lived."""
        return self._unseen_us.get(key, self._heard_us[key[0]])

    def _hear(self, switch: str, at_us: int) -> None:
        self._heard_us[switch] = max(self._heard_us[switch], at_us)

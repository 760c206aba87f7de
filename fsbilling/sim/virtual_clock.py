"""A clock that moves only when it is told to, and the step that plays a switch on it."""

from __future__ import annotations

from typing import Protocol

EPOCH_US = 1_795_000_000_000_000
"""Where virtual time starts unless told otherwise: a moment in November 2026."""


class Timed(Protocol):
    """Something that has alarms of its own, such as a simulated switch."""

    def next_due_us(self) -> int | None:
        """When it wants to run next; None when it waits for nothing."""

    def advance_to(self, now_us: int) -> None:
        """Run what is due by now."""


class VirtualClock:
    """A `fsbilling.clock.Clock` for tests and simulations."""

    def __init__(self, now_us: int = EPOCH_US) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, as far as this clock has been moved."""
        return self._now_us

    def move_to(self, now_us: int) -> None:
        """Set the clock; it may be set back, as a machine's clock may be."""
        self._now_us = now_us

    def play(self, *machines: Timed, until_us: int) -> None:
        """Step from alarm to alarm up to `until_us`, so that all see the same moment."""
        while True:
            dues = [due for machine in machines if (due := machine.next_due_us()) is not None]
            due_us = min(dues, default=until_us)
            if due_us > until_us:
                break
            self._now_us = max(self._now_us, due_us)
            for machine in machines:
                machine.advance_to(self._now_us)
            if not dues:
                break
        self._now_us = max(self._now_us, until_us)
        for machine in machines:
            machine.advance_to(self._now_us)

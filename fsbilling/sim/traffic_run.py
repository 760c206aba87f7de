"""Playing traffic on a simulated switch in real time, and counting what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent

from fsbilling.clock import US_PER_S
from fsbilling.sim.esl_server import SimServer
from fsbilling.sim.event import SimEvent
from fsbilling.sim.traffic import Order, Traffic

AHEAD_US = US_PER_S
"""How long before its arrival a call is handed to the switch."""

PATIENCE_US = 30 * US_PER_S
"""How long after the longest possible call the run waits for stragglers, at most."""

_LOOK_S = 0.1


@dataclass(slots=True)
class Tally:
    """What became of the calls, by their paying legs.

    `causes` counts hang-up causes; `refused` are those that ended before they rang. `talk_us`
    is the sum of hang-up minus answer. `unfinished` calls were still up when the run gave up.
    """

    placed: int = 0
    answered: int = 0
    ended: int = 0
    refused: int = 0
    talk_us: int = 0
    elapsed_us: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def unfinished(self) -> int:
        """Calls placed that have not ended."""
        return self.placed - self.ended

    def count(self, event: SimEvent) -> None:
        """Take one CHANNEL_HANGUP_COMPLETE of a paying leg into account."""
        headers = event.headers
        self.ended += 1
        self.causes[headers["Hangup-Cause"]] += 1
        talked_us = int(headers["variable_billusec"])
        self.talk_us += talked_us
        if headers["Caller-Channel-Answered-Time"] != "0":
            self.answered += 1
        elif headers.get("variable_current_application") == "socket":
            self.refused += 1


def run_traffic(
    server: SimServer,
    order: Order,
    *,
    calls: int,
    seed: int = 0,
    on_second: Callable[[Tally], object] | None = None,
) -> Tally:
    """Place `calls` calls as ordered, wait until all have ended, and return the tally.

    `on_second` is called about once a second. The wait is bounded: what has not ended
    `PATIENCE_US` after the longest possible call stays `unfinished`.
    """
    tally = Tally()
    clock = server.switch.clock
    # Only paying legs that met the dialplan carry this variable: it is not exported.
    stop = server.switch.listen(
        tally.count, {"CHANNEL_HANGUP_COMPLETE"}, variable="fsbilling_service"
    )
    started_us = now_us = told_us = clock.now_us()
    coming = Traffic(order, seed).calls(started_us)
    at_us, plan = next(coming)
    last_us = started_us
    longest_us = order.ring_us[1] + order.talk_us[1] + PATIENCE_US
    try:
        while tally.placed < calls or (tally.unfinished and now_us < last_us + longest_us):
            while tally.placed < calls and at_us <= now_us + AHEAD_US:
                server.place(plan, at_us)
                tally.placed += 1
                last_us = at_us
                at_us, plan = next(coming)
            gevent.sleep(_LOOK_S)
            now_us = clock.now_us()
            tally.elapsed_us = now_us - started_us
            if on_second is not None and now_us - told_us >= US_PER_S:
                told_us = now_us
                on_second(tally)
    finally:
        stop()
    return tally

"""The meter's hands: what it tells the switch, and when it had better not."""

from __future__ import annotations

import msgspec
import pytest
from simulation.memory import in_memory
from simulation.memory.books import MemoryDatabase
from test_session import A_LEG, ANSWER, PACE, S, talking

from fsbilling.billing.meter import Meter
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.warning import WarningSound
from fsbilling.calls import event as on
from fsbilling.sim.virtual_clock import VirtualClock

FIRST_LOOK_US = 300_000


class Switch:
    """Notes which timers it was told to set."""

    def __init__(self) -> None:
        self.timers_us: list[int] = []

    def add_timer(self, _call_uuid: str, _seq: int, at_us: int) -> None:
        self.timers_us.append(at_us)

    def remove_timer(self, call_uuid: str, seq: int) -> None: ...


@pytest.mark.parametrize(("granted_s", "moves"), [(1, False), (2, True)])
def test_rule_3_a_timer_is_not_moved_in_the_second_that_it_is_set_for(granted_s, moves):
    """FreeSWITCH would end the call up to 1.5 s after its last paid second."""
    switch = Switch()
    db = MemoryDatabase()
    meter = Meter(
        db,
        TariffBook(db),
        {"fs1": switch},
        clock=VirtualClock(ANSWER + FIRST_LOOK_US),
        pace=msgspec.structs.replace(PACE, warn_before_us=0),
        slice_s=30,
        warning=WarningSound(""),
        spawn=lambda job: job(),
    )
    with in_memory():
        meter.adopt(talking(granted_s=granted_s))
        meter.post(("fs1", A_LEG), on.Woken(ANSWER + FIRST_LOOK_US))
    assert switch.timers_us == ([ANSWER + granted_s * S] if moves else [])

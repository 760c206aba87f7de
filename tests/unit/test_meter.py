"""The meter's hands: what it tells the switch, and when it had better not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from simulation.memory import accounts, entries, holds, in_memory
from simulation.memory.books import MemoryDatabase
from test_session import A_LEG, ANSWER, PACE, S, hung_up, talking

from fsbilling.billing.meter import Meter
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.warning import WarningSound
from fsbilling.calls import event as on
from fsbilling.credit.account import Mode
from fsbilling.sim.virtual_clock import VirtualClock
from fsbilling.store.hold_rows import Hold

FIRST_LOOK_US = 300_000


class Switch:
    """Notes which timers it was told to set."""

    def __init__(self, on_timer: Callable[[], object] = lambda: None) -> None:
        self.timers_us: list[int] = []
        self._on_timer = on_timer

    def add_timer(self, _call_uuid: str, _seq: int, at_us: int) -> None:
        self.timers_us.append(at_us)
        self._on_timer()

    def replace_timer(self, call_uuid: str, seq: int, at_us: int) -> None: ...

    def remove_timer(self, call_uuid: str, seq: int) -> None: ...


def a_meter(db, switch, spawn, now_us):
    return Meter(
        db,
        TariffBook(db),
        {"fs1": switch},
        clock=VirtualClock(now_us),
        pace=msgspec.structs.replace(PACE, warn_before_us=0),
        slice_s=30,
        warning=WarningSound(""),
        spawn=spawn,
    )


def test_rule_6_a_hang_up_that_waits_is_the_last_sign_of_life():
    """Killed before it is handled, the daemon leaves the hold to tell how long the call lived."""
    db, jobs, seen_us = MemoryDatabase(), [], []
    session = talking()
    hold = Hold(
        call=session.call,
        terms=session.terms,
        account_id=1,
        amount_micros=session.held_micros,
        granted_s=session.granted_s,
        leg_uuid=A_LEG,
        authorised_us=ANSWER,
        seen_us=ANSWER,
    )
    with db.write() as conn:
        accounts.add(conn, code="acme", mode=Mode.PREPAID, at_us=0)
        entries.topup(conn, "acme", amount_micros=10_000_000, ref="1", at_us=0)
        accounts.lock(conn, "acme")
        assert holds.place(conn, hold)
    key = ("fs1", A_LEG)
    switch = Switch(lambda: seen_us.append(db.books.holds[key].seen_us))
    meter = a_meter(db, switch, jobs.append, ANSWER + 15 * S)
    with in_memory():
        meter.adopt(session)
        meter.post(key, on.Woken(ANSWER + 12 * S))
        meter.post(key, hung_up(ANSWER + 11 * S))
        meter.signs.observe("fs1", ANSWER + 15 * S)
        while jobs:
            jobs.pop()()
    assert seen_us == [ANSWER + 11 * S]

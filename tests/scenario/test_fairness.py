"""Equal calls on one account, over two switches and two daemons: they share to the last second."""

from __future__ import annotations

import pytest
from world import Daemon, S, World, run_together

from fsbilling.sim.virtual_clock import VirtualClock
from fsbilling.store.engine import Database

OUTBOUND_USER = {"sip_auth_username": "1001", "sip_authorized": "true"}


@pytest.fixture
def worlds(sqlite_url):
    database, clock = Database.open(sqlite_url), VirtualClock()
    yield [World(database, switch=f"fs{n}", seed=n, clock=clock) for n in (1, 2)]
    database.close()


def open_for_business(worlds, credit_s):
    first, second = worlds
    first.open_for_business(credit=str(credit_s / 100))
    second.daemon = Daemon(second)


def dry_us(records, credit_s):
    """When credit is out if all who talk share it: then talk from every answer on adds up to it."""
    low_us, high_us = 0, max(record.ended_us for record in records) + credit_s * S
    while high_us - low_us > 1:
        moment_us = (low_us + high_us) // 2
        talked_us = sum(max(moment_us - record.answered_us, 0) for record in records)
        low_us, high_us = (moment_us, high_us) if talked_us < credit_s * S else (low_us, moment_us)
    return high_us


@pytest.mark.parametrize(
    ("calls", "credit_s", "gap_s", "served"),
    [
        (50, 3_000, 0, 50),
        (50, 500, 0, 50),
        (50, 3_000, 1, 50),
        (50, 500, 0.1, 50),
        (50, 100, 1, 12),
        (50, 100, 0, 31),
        (2, 60, 10, 2),
    ],
)
def test_equal_calls_end_together_and_use_the_credit_up(worlds, calls, credit_s, gap_s, served):
    """At most 2 % unused, no call more than 2 s from its share, though the first held for long."""
    open_for_business(worlds, credit_s)
    uuids = []
    for n in range(calls):
        uuids.append(worlds[n % 2].call(talk_us=None))
        if gap_s:
            run_together(worlds, gap_s)
    account = worlds[0].account()
    assert account.free_micros >= 0
    run_together(worlds, credit_s / served + 2 * calls * gap_s + 10)
    records = [record for uuid in uuids if not (record := worlds[0].cdr(uuid)).refusal]
    assert len(records) >= served
    account = worlds[0].account()
    assert account.held_micros == account.live_calls == 0
    assert 0 <= account.balance_micros <= 0.02 * credit_s * 10_000
    assert sum(record.waived_micros for record in records) == 0
    fair_end_us = dry_us(records, credit_s)
    assert all(abs(record.ended_us - fair_end_us) <= 2 * S for record in records)


def test_a_call_alone_with_plenty_of_credit_is_renewed_by_whole_slices(worlds):
    open_for_business(worlds, 10_000)
    uuid = worlds[0].call(talk_us=None)
    run_together(worlds, 110)
    (hold,) = worlds[0].holds()
    assert (hold.call.uuid, hold.granted_s, hold.timer_seq) == (uuid, 15 + 30 * 4, 4)


def test_a_top_up_reaches_a_call_on_another_daemon_within_a_second(worlds):
    open_for_business(worlds, 20)
    uuid = worlds[1].call(talk_us=None, ring_us=0)
    run_together(worlds, 17.7)
    worlds[0].topup("acme", 10_000_000, "pay-2")
    run_together(worlds, 1)
    (hold,) = worlds[0].holds()
    assert (hold.call.uuid, hold.granted_s) == (uuid, 50)

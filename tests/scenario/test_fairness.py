"""Equal calls on one account, over two switches and two daemons: they share to the last second."""

from __future__ import annotations

import random

import pytest
from fair_share import fair_talks_us
from world import Daemon, S, World, run_together

from fsbilling.calls.cdr import HungUpBy
from fsbilling.credit.limits import Limits
from fsbilling.rating.plan import Plan
from fsbilling.sim.virtual_clock import VirtualClock
from fsbilling.store import usages
from fsbilling.store.engine import Database
from fsbilling.store.limits import set_limits

OUTBOUND_USER = {"sip_auth_username": "1001", "sip_authorized": "true"}


@pytest.fixture
def worlds(sqlite_url):
    database, clock = Database.open(sqlite_url), VirtualClock()
    yield [World(database, switch=f"fs{n}", seed=n, clock=clock) for n in (1, 2)]
    database.close()


def open_for_business(worlds, credit_s, **tariff):
    first, second = worlds
    first.open_for_business(credit=str(credit_s / 100), **tariff)
    second.daemon = Daemon(second)


def assert_shared(worlds, uuids, credit_us):
    """At most 2 % unused, no call more than 2 s from its share; gives the records."""
    account = worlds[0].account()
    assert account.held_micros == account.live_calls == 0
    every = [worlds[0].cdr(uuid) for uuid in uuids]
    records = [record for record in every if record.answered_us]
    assert sum(record.waived_micros for record in records) == 0
    used_us = sum(record.billed_s * S for record in records)
    assert 0.98 * credit_us <= used_us <= credit_us
    for record, fair_us in zip(records, fair_talks_us(records, credit_us), strict=True):
        assert abs(record.duration_us - fair_us) <= 2 * S
    return records


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
    records = assert_shared(worlds, uuids, credit_s * S)
    assert len(records) >= served
    assert worlds[0].account().balance_micros >= 0


# Among these: first holds of 15 s that rang while the others ran dry, and late answers.
@pytest.mark.parametrize("seed", [1002, 1018, 1025, 1034, 1039, 7, 8, 9])
def test_equal_calls_share_fairly_whenever_they_begin_and_are_answered(worlds, seed):
    """50 calls at random moments, ringing for up to 30 s, on one daemon or on two."""
    chance = random.Random(seed)
    fair_s, span_s = chance.choice((5, 10, 20, 60)), chance.choice((0, 1, 10, 40))
    credit_s = round(50 * fair_s * chance.uniform(0.7, 1.3))
    used = worlds[: chance.choice((1, 2))]
    open_for_business(worlds, credit_s)
    uuids, passed_s = [], 0.0
    for at_s in sorted(chance.uniform(0, span_s) for _ in range(50)):
        run_together(worlds, at_s - passed_s)
        passed_s = at_s
        ring_s = chance.choice((0, 1, 3, chance.uniform(0, 8), chance.uniform(0, 30)))
        uuids.append(chance.choice(used).call(talk_us=None, ring_us=round(ring_s * S)))
    run_together(worlds, 3 * fair_s + 60)
    assert_shared(worlds, uuids, credit_s * S)


def test_calls_share_a_package_like_credit_and_give_its_seconds_back(worlds):
    """The first call holds 15 s of 600 while it rings; 29 more come, and no second is lost."""
    open_for_business(worlds, 0, plan=Plan(included_s=600))
    uuids = [worlds[0].call(talk_us=None, ring_us=12 * S)]
    run_together(worlds, 1)
    assert [hold.included_s for hold in worlds[0].holds()] == [15]
    uuids += [worlds[n % 2].call(talk_us=None) for n in range(29)]
    for _ in range(50):
        run_together(worlds, 1)
        with worlds[0].db.read() as conn:
            assert usages.misheld(conn, worlds[0].account().account_id) == []
    assert_shared(worlds, uuids, 600 * S)
    assert worlds[0].usage().included_s == 600


def test_calls_share_what_a_cap_leaves_and_end_by_it(worlds):
    open_for_business(worlds, 10_000)
    with worlds[0].db.write() as conn:
        limits = Limits(daily_cap_micros=400 * 10_000)
        assert set_limits(conn, "acme", limits, at_us=worlds[0].clock.now_us()).limits == limits
    uuids = [worlds[0].call(talk_us=None, ring_us=9 * S)]
    uuids += [worlds[n % 2].call(talk_us=None) for n in range(19)]
    run_together(worlds, 60)
    records = assert_shared(worlds, uuids, 400 * S)
    assert {record.hung_up_by for record in records} == {HungUpBy.DAILY_CAP}


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

"""Limits of an account over every store: what they refuse, what they end, and how that is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from store_samples import NOW_US, YUAN, a_cdr, a_hold, an_account
from world import SWITCH, Daemon, S, World, run_together

from fsbilling.billing.caps import allowed_to, count_new, spend
from fsbilling.calls.cdr import HungUpBy
from fsbilling.credit.account import Account, Mode
from fsbilling.credit.limits import Limits, periods
from fsbilling.sim.plan import Service
from fsbilling.store import accounts, cdrs, directory, entries, holds, spending
from fsbilling.store.limits import set_limits


@pytest.fixture
def world(db):
    world = World(db)
    world.open_for_business(credit="100.00")
    return world


def limit(world, **limits):
    with world.db.write() as conn:
        now_us = world.clock.now_us()
        assert isinstance(set_limits(conn, "acme", Limits(**limits), at_us=now_us), Account)


def used(world):
    account = world.account()
    with world.db.read() as conn:
        of = periods(account.limits, world.clock.now_us())
        return spending.used(conn, account.account_id, of)


def test_limits_come_back_as_they_were_set_and_raise_the_revision(db):
    limits = Limits(
        max_calls=0,
        max_cps=5,
        max_call_s=600,
        daily_cap_micros=YUAN,
        monthly_cap_micros=9 * YUAN,
        time_zone="Europe/Berlin",
    )
    with db.write() as conn:
        before = an_account(conn)
        set_limits(conn, "acme", limits, at_us=NOW_US)
    with db.read() as conn:
        found = accounts.find(conn, "acme")
    assert (found.limits, found.revision) == (limits, before.revision + 1)


@pytest.mark.parametrize(
    "wrong", [{"max_calls": -1}, {"daily_cap_micros": 2**62}, {"time_zone": "Asia/Nowhere"}]
)
def test_a_wrong_limit_is_refused(db, wrong):
    with db.write() as conn:
        an_account(conn)
        assert set_limits(conn, "acme", Limits(**wrong), at_us=NOW_US).reason == "bad_limit"


def test_a_first_cap_counts_what_the_day_and_the_month_have_cost_already(db):
    day_us = 86_400 * S
    with db.write() as conn:
        account = an_account(conn, balance_micros=10 * YUAN)
        for began_us, charge in (
            (NOW_US, 1),
            (NOW_US - 2 * day_us, 10),
            (NOW_US - 40 * day_us, 100),
        ):
            cdrs.write(conn, a_cdr(uuid=str(charge), created_us=began_us, charge_micros=charge))
        holds.place(conn, a_hold(account.account_id, 1_000))
        capped = set_limits(conn, "acme", Limits(daily_cap_micros=YUAN), at_us=NOW_US)
        of = periods(capped.limits, NOW_US)
        found = spending.used(conn, account.account_id, of)
    assert found == {of.day: 1_001, of.month: 1_011}


@pytest.mark.parametrize("which", ["daily_cap", "monthly_cap"])
def test_a_cap_is_never_overrun_by_calls_on_two_daemons_and_ends_them_with_its_name(world, which):
    other = beside(world)
    limit(world, **{f"{which}_micros": 500_000})
    uuids = [place.call(talk_us=None) for _ in range(5) for place in (world, other)]
    for _ in range(12):
        run_together([world, other], 1)
        assert max(used(world).values()) <= 500_000
    records = [world.cdr(uuid) for uuid in uuids]
    talked = [record for record in records if not record.refusal]
    assert {record.hung_up_by for record in talked} == {HungUpBy(which)}
    assert {record.refusal for record in records} <= {"", which}
    assert sum(record.charge_micros for record in records) == 500_000
    assert set(used(world).values()) == {500_000}
    refused = world.call()
    run_together([world], 2)
    assert world.cdr(refused).refusal == which


def test_a_new_day_has_its_whole_cap_and_a_call_counts_where_it_began(world):
    limit(world, daily_cap_micros=500_000)
    until_midnight_us = 86_400 * S - (world.clock.now_us() + 8 * 3600 * S) % (86_400 * S)
    world.run(until_midnight_us / S - 20)
    over_midnight = world.call(talk_us=None)
    world.run(100)
    assert world.cdr(over_midnight).billed_s == 50
    next_day = world.call(talk_us=None)
    world.run(100)
    assert world.cdr(next_day).billed_s == 50


def test_a_raised_cap_lets_a_live_call_go_on(world):
    limit(world, daily_cap_micros=200_000)
    uuid = world.call(talk_us=None, ring_us=0)
    world.run(17.7)
    limit(world, daily_cap_micros=400_000)
    world.run(60)
    assert world.cdr(uuid).billed_s == 40


def beside(world):
    """A second switch with a daemon of its own, on the same SQL and the same clock."""
    other = World(world.db, switch="fs2", seed=2, clock=world.clock)
    other.daemon = Daemon(other)
    return other


def test_the_calls_at_once_are_limited_over_all_daemons(world):
    other = beside(world)
    limit(world, max_calls=2)
    first = world.call(talk_us=5 * S)
    other.call_400(talk_us=20 * S)
    run_together([world, other], 1)
    for place in (world, other):
        third = place.call()
        run_together([world, other], 1)
        assert (world.cdr(third).refusal, world.cdr(third).hangup_cause) == (
            "too_many_calls",
            "NORMAL_CIRCUIT_CONGESTION",
        )
    run_together([world, other], 8)
    assert world.cdr(first).refusal == ""
    assert world.account().live_calls == 1
    fourth = other.call(talk_us=5 * S)
    run_together([world, other], 20)
    assert world.cdr(fourth).refusal == ""


def test_no_new_call_starts_and_the_live_ones_finish_at_a_limit_of_none(world):
    uuid = world.call(talk_us=60 * S)
    world.run(5)
    limit(world, max_calls=0)
    refused = world.call()
    world.run(90)
    assert world.cdr(uuid).billed_s == 60
    assert world.cdr(refused).refusal == "too_many_calls"


def test_the_calls_per_second_are_limited_over_all_daemons(world):
    other = beside(world)
    limit(world, max_cps=3)
    uuids = [place.call(talk_us=5 * S) for place in (world, other, world, other, world)]
    run_together([world, other], 1)
    later = other.call(talk_us=5 * S)
    run_together([world, other], 20)
    refusals = [world.cdr(uuid).refusal for uuid in (*uuids, later)]
    assert refusals == ["", "", "", "too_fast", "too_fast", ""]


@pytest.mark.parametrize("service", [Service.OUTBOUND, Service.ORIGINATED])
@pytest.mark.parametrize("longest_s", [7, 40, 60])
def test_a_call_is_ended_at_its_greatest_length(world, longest_s, service):
    limit(world, max_call_s=longest_s)
    variables = {"sip_auth_username": "1001", "sip_authorized": "true", "fsbilling_account": "acme"}
    uuid = world.call(talk_us=None, service=service, variables=variables)
    world.run(90)
    record = world.cdr(uuid)
    assert longest_s * S - 200_000 <= record.duration_us <= longest_s * S
    assert record.hung_up_by is HungUpBy.MAX_LENGTH


def test_a_lower_greatest_length_ends_a_live_call_and_gives_back_what_it_held_beyond(world):
    uuid = world.call(talk_us=None, ring_us=0)
    world.run(13)
    limit(world, max_call_s=20)
    world.run(1)
    (hold,) = world.holds()
    assert (hold.granted_s, hold.amount_micros) == (20, 200_000)
    world.run(20)
    record = world.cdr(uuid)
    assert (record.billed_s, record.hung_up_by) == (20, HungUpBy.MAX_LENGTH)


def test_suspending_ends_live_calls_within_a_second_by_the_operator(world):
    talking = world.call(talk_us=None)
    ringing = world.call(talk_us=None, ring_us=30 * S)
    world.run(10)
    with world.db.write() as conn:
        accounts.set_suspended(conn, "acme", suspended=True)
    world.run(1)
    for uuid in (talking, ringing):
        record = world.cdr(uuid)
        assert (record.hung_up_by, record.hangup_cause) == (HungUpBy.OPERATOR, "MANAGER_REQUEST")
    assert world.holds() == []


def test_suspending_reaches_a_call_whose_switch_is_out_of_reach_by_its_hold(world):
    world.call(talk_us=None)
    world.run(5)
    (hold,) = world.holds()
    world.link_is_up = False
    with world.db.write() as conn:
        accounts.set_suspended(conn, "acme", suspended=True)
    world.run(16)
    assert world.sim.channels == {}
    assert world.holds()[0].granted_s == hold.granted_s


def test_credit_moved_out_ends_a_live_call_at_what_it_holds(world):
    uuid = world.call(talk_us=None, ring_us=0)
    world.run(5)
    free = world.account().free_micros
    with world.db.write() as conn:
        entries.adjust(conn, "acme", amount_micros=-free, ref="out", at_us=world.clock.now_us())
    world.run(1)
    assert any(word.startswith("uuid_displace") for word in world.commands), "warned at once"
    world.run(19)
    assert (world.cdr(uuid).billed_s, world.account().balance_micros) == (15, 0)


def test_a_lower_credit_limit_ends_a_live_call_on_another_daemon_at_what_it_holds(world):
    other = beside(world)
    with world.db.write() as conn:
        world.add_account(conn, "later", "0", mode=Mode.POSTPAID, credit_limit_micros=100 * YUAN)
        directory.add_line(conn, "user", "3003", "later")
    uuid = other.call(talk_us=None, ring_us=0, variables={"sip_auth_username": "3003"})
    run_together([world, other], 5)
    with world.db.write() as conn:
        held_micros = accounts.find(conn, "later").held_micros
        assert isinstance(accounts.set_credit_limit(conn, "later", held_micros), Account)
    run_together([world, other], 1)
    assert len([word for word in other.commands if word.startswith("uuid_displace")]) == 1
    run_together([world, other], 19)
    record = world.cdr(uuid)
    assert (record.billed_s, record.hung_up_by) == (15, HungUpBy.CREDIT)
    assert world.account("later").free_micros == 0


@pytest.mark.parametrize("which", ["daily_cap", "monthly_cap"])
def test_a_cap_lowered_below_what_is_spent_ends_a_live_call_at_what_it_holds(world, which):
    uuid = world.call(talk_us=None, ring_us=0)
    world.run(5)
    limit(world, **{f"{which}_micros": 10_000})
    world.run(20)
    record = world.cdr(uuid)
    assert (record.billed_s, record.hung_up_by) == (15, HungUpBy(which))


def test_a_hold_is_given_back_even_when_sql_stops_answering_in_between(world):
    """Rule 1: the earlier timer stands, so the call cannot talk beyond the smaller hold."""
    uuid = world.call(talk_us=None, ring_us=0)
    world.run(13)
    limit(world, max_call_s=20)
    meter = world.daemon.meter
    meter._db = Broken(meter._db)
    world.run(2)
    assert world.holds()[0].granted_s == 45
    assert meter.calls.get((SWITCH, uuid)).granted_s == 20
    meter._db = meter._db.real
    world.run(20)
    assert world.cdr(uuid).billed_s == 20
    assert (world.account().held_micros, world.ledger_faults()) == (0, [])


class Broken:
    """SQL that reads and does not write."""

    def __init__(self, real):
        self.real = real
        self.read = real.read

    def write(self):
        from fsbilling.errors import StoreError

        raise StoreError("gone")


def test_a_hold_stays_as_it_was_when_the_switch_takes_no_earlier_timer(world):
    uuid = world.call(talk_us=None, ring_us=0)
    world.run(13)
    world.link_is_up = False
    limit(world, max_call_s=20)
    world.run(1)
    assert world.holds()[0].granted_s == 45
    world.link_is_up = True
    world.daemon.sweep(take_up=True)
    limit(world, max_call_s=20)
    world.run(20)
    assert world.cdr(uuid).billed_s == 20


def test_a_daily_cap_is_exact_when_many_threads_spend_at_once(db):
    """The account's lock makes look and count one act."""
    with db.write() as conn:
        an_account(conn, balance_micros=100 * YUAN)
        set_limits(conn, "acme", Limits(daily_cap_micros=10 * YUAN), at_us=NOW_US)

    def take(_n):
        with db.write() as conn:
            account = accounts.lock(conn, "acme")
            count_new(conn, account, NOW_US)
            if allowed_to(conn, account, NOW_US).free_micros < YUAN:
                return False
            holds.place(conn, a_hold(account.account_id, YUAN))
            spend(conn, account, NOW_US, YUAN)
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take, range(30))) == 10


def test_standings_are_of_the_accounts_asked_for(db):
    with db.write() as conn:
        for n in range(3):
            an_account(conn, f"a{n}", balance_micros=n * YUAN + YUAN)
    with db.read() as conn:
        found = {one.code: one for one in accounts.standings(conn, ["a0", "a2", "nobody"])}
    assert {code: one.free_micros for code, one in found.items()} == {"a0": YUAN, "a2": 3 * YUAN}
    assert not found["a0"].limits.is_capped

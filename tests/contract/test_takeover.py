"""A daemon that was away while another worked for its calls: it does them no harm."""

from contextlib import contextmanager

import pytest
from world import SWITCH, Daemon, S, World

from fsbilling.billing.renewal import renew
from fsbilling.errors import StoreError
from fsbilling.store import holds


@pytest.fixture
def world(db):
    world = World(db)
    world.open_for_business(credit="10.00")
    return world


def taken_over(world):
    """A call whose first daemon slept while a second one renewed it; the first one again."""
    uuid = world.call(talk_us=None)
    world.run(8)
    sleeper = world.daemon
    world.start_daemon()
    world.run(60)
    (hold,) = world.holds()
    assert hold.timer_seq > sleeper.meter.calls.get((SWITCH, uuid)).timer_seq + 1
    return uuid, sleeper, hold


def test_its_renewal_of_what_another_has_renewed_is_declined_by_sql(world):
    uuid, sleeper, hold = taken_over(world)
    stale = sleeper.meter.calls.get((SWITCH, uuid))
    with pytest.raises(StoreError, match="another daemon"), world.db.write() as conn:
        holds.renew(
            conn,
            SWITCH,
            uuid,
            amount_micros=1,
            included_s=0,
            granted_s=stale.granted_s + 1,
            timer_seq=stale.timer_seq + 1,
            seen_us=0,
        )
    assert world.holds() == [hold]


def test_rule_2_it_leaves_what_another_has_just_renewed_under_the_same_number(world):
    uuid = world.call(talk_us=None)
    world.run(3)
    stale = world.daemon.meter.calls.get((SWITCH, uuid))
    (before,) = world.holds()
    renewed = renew(world.db, stale, slice_s=30, now_us=before.seen_us, seen_us=before.seen_us)
    (hold,) = world.holds()
    assert (hold.granted_s, hold.timer_seq) == (renewed.granted_s, stale.timer_seq + 1)
    late = renew(world.db, stale, slice_s=1, now_us=before.seen_us, seen_us=before.seen_us)
    assert world.holds() == [hold]
    assert (late.granted_s, late.held_micros) == (hold.granted_s, hold.amount_micros)


def test_on_duty_again_it_goes_on_from_the_holds(world):
    uuid, sleeper, hold = taken_over(world)
    sleeper.meter.catch_up([hold])
    caught_up = sleeper.meter.calls.get((SWITCH, uuid))
    assert (caught_up.granted_s, caught_up.timer_seq) == (hold.granted_s, hold.timer_seq)
    world.daemon = sleeper
    world.daemon.sweep(take_up=True)
    world.run(60)
    assert uuid in world.sim.channels
    assert world.holds()[0].granted_s > hold.granted_s


def test_replaced_it_forgets_its_calls_but_those_it_is_settling(world):
    talking = world.call(talk_us=None)
    ending = world.call(talk_us=4 * S)
    world.run(3)
    world.sql.is_open = False
    world.run(4)
    sleeper = world.daemon
    assert len(sleeper.meter.calls) == 2
    sleeper.meter.put_down()
    assert sleeper.meter.calls.get((SWITCH, talking)) is None
    world.sql.is_open = True
    world.run(2)
    assert world.cdr(ending).billed_s == 4
    assert isinstance(sleeper, Daemon)


def test_a_call_that_another_has_settled_is_forgotten_by_the_next_sweep(world):
    """Else it would be renewed in vain, and its channel that is gone be cut, for ever."""
    uuid, sleeper, _ = taken_over(world)
    world.sim.execute(f"uuid_kill {uuid}")
    world.run(2)
    assert world.cdr(uuid)
    ringing = world.call(ring_us=60 * S)
    assert (SWITCH, uuid) in sleeper.meter.calls
    world.daemon = sleeper
    world.daemon.sweep(take_up=True)
    assert (SWITCH, uuid) not in sleeper.meter.calls
    assert (SWITCH, ringing) in sleeper.meter.calls, "its hold stands"
    assert [hold.call.uuid for hold in world.holds()] == [ringing]


def test_replaced_in_the_middle_of_a_renewal_it_does_not_take_the_call_up_again(world):
    uuid = world.call(talk_us=None)
    world.run(8)
    meter, write = world.daemon.meter, world.sql.write

    @contextmanager
    def replaced_meanwhile():
        with write() as conn:
            yield conn
        meter.put_down()

    world.sql.write = replaced_meanwhile
    world.run(6)
    assert world.holds()[0].timer_seq == 1, "the renewal was committed"
    assert (SWITCH, uuid) not in meter.calls
    assert meter.alarms.next_us() is None

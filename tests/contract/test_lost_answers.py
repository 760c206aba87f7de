"""What the switch or another daemon did, and this one was not told: no paid call suffers."""

import pytest
from world import SWITCH, S, World

from fsbilling.billing.settle import settle
from fsbilling.calls.event import CreditChanged, HungUp
from fsbilling.errors import SwitchTimeout


@pytest.fixture
def world(db):
    world = World(db)
    world.open_for_business(credit="10.00")
    return world


@pytest.mark.parametrize("lost", ["sched_del"])
def test_a_timer_that_was_not_taken_away_after_giving_back_ends_no_paid_call(world, lost):
    uuid = world.call(talk_us=100 * S)
    world.run(20)
    key = (SWITCH, uuid)
    session = world.daemon.meter.calls.get(key)
    real, gone = world.api, []

    def api(command, timeout_s=5.0):
        if command.startswith(lost) and not gone:
            gone.append(command)
            raise SwitchTimeout("no answer")
        return real(command, timeout_s)

    for each in world.daemon.reception._nodes.values():
        each._api = api
    now_us = world.daemon.meter.now_us(SWITCH)
    talked_s = (now_us - session.answered_us) // S
    kept_s = talked_s + 5
    assert kept_s < session.granted_s
    world.daemon.meter.post(
        key,
        CreditChanged(
            now_us=now_us,
            before_s=session.granted_s,
            granted_s=kept_s,
            held_micros=kept_s * 10_000,
            reserve_s=500,
        ),
    )
    assert gone, "nothing was removed"
    world.run(120)
    assert world.cdr(uuid).billed_s == 100, (world.cdr(uuid).billed_s, world.cdr(uuid).hangup_cause)


def test_a_call_settled_by_another_hand_is_not_metered_for_ever(world):
    """`reconcile --apply`, or another daemon's journal, while this one missed the hang-up."""
    uuid = world.call(talk_us=20 * S)
    world.run(10)
    session = world.daemon.meter.calls.get((SWITCH, uuid))
    world.link_is_up = False
    world.daemon.meter.lost(SWITCH)
    world.run(15)
    assert uuid not in world.sim.channels
    ended = HungUp(leg_uuid=uuid, ended_us=session.answered_us + 20 * S)
    assert settle(world.db, world.daemon.book, session, ended, now_us=world.clock.now_us())
    world.link_is_up = True
    for _ in range(3):
        world.daemon.sweep(take_up=True)
        world.run(5)
    world.run(120)
    world.commands.clear()
    world.run(60)
    # The pulse goes on.
    assert (len(world.daemon.meter.calls), set(world.commands)) == (0, {"strmicroepoch"})


@pytest.mark.parametrize("lost", ["expand sched_api"])
def test_a_timer_that_was_not_sure_to_be_set_ends_no_paid_call(world, lost):
    """Giving back: the new timer's answer is lost (it was set), and so is that of its removal."""
    uuid = world.call(talk_us=100 * S)
    world.run(20)
    key = (SWITCH, uuid)
    session = world.daemon.meter.calls.get(key)
    real, gone = world.api, []

    def api(command, timeout_s=5.0):
        if command.startswith(lost) and not gone:
            real(command, timeout_s)
            gone.append(command)
            raise SwitchTimeout("no answer")
        if command.startswith("sched_del") and len(gone) == 1:
            gone.append(command)
            raise SwitchTimeout("no answer")
        return real(command, timeout_s)

    for each in world.daemon.reception._nodes.values():
        each._api = api
    now_us = world.daemon.meter.now_us(SWITCH)
    kept_s = (now_us - session.answered_us) // S + 5
    changed = CreditChanged(
        now_us=now_us,
        before_s=session.granted_s,
        granted_s=kept_s,
        held_micros=kept_s * 10_000,
        reserve_s=500,
    )
    world.daemon.meter.post(key, changed)
    assert len(gone) == 2
    world.run(120)
    assert world.cdr(uuid).billed_s == 100, (world.cdr(uuid).billed_s, world.cdr(uuid).hangup_cause)

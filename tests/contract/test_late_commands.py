"""Rules 2 and 3 when words to the switch are long under way, and whatever we think its clock is."""

import pytest
from world import SWITCH, S, World

from fsbilling.calls.event import CreditChanged

MAX_LATE_US = S // 2
"""How late the scheduler of a real switch is at most."""


def a_world(db, seed):
    """A call is answered 1.37 s after a full second, in worlds whose scheduler is late otherwise."""
    return World(db, seed=seed, max_late_us=MAX_LATE_US)


def hold_up(world, late_us, what=""):
    """Let each such command arrive so late; its answer comes at once. Gives the holds before each."""
    real, held = world.api, []

    def api(command, timeout_s=5.0):
        held.extend(world.holds())
        if what in command:
            world.clock.move_to(world.clock.now_us() + late_us)
        return real(command, timeout_s)

    for node in world.daemon.meter._nodes.values():
        node._api = api
    return held


@pytest.mark.parametrize("late_s", [0.0, 0.6, 1.4, 2.35, 2.4, 2.5, 2.6, 2.7, 3.5])
@pytest.mark.parametrize("what", ["sched_api", "sched"])
@pytest.mark.parametrize("granted_s", [1, 2, 3, 4])
def test_rule_3_a_timer_that_comes_too_late_replaces_none(db, granted_s, what, late_s):
    world = a_world(db, granted_s)
    world.open_for_business(credit=f"0.0{granted_s}")
    uuid = world.call(talk_us=None, ring_us=1_370_000)
    hold_up(world, round(late_s * S), what)
    world.run(30)
    cdr = world.cdr(uuid)
    assert cdr.ended_us - cdr.answered_us <= (granted_s + 1) * S


@pytest.mark.parametrize("behind_s", [-3.0, -1.0, 1.0, 2.35, 2.4, 2.5, 2.6, 2.7, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_rule_3_whatever_we_think_the_switch_s_clock_is(db, seed, behind_s):
    world = a_world(db, seed)
    world.open_for_business(credit="0.03")
    uuid = world.call(talk_us=None, ring_us=1_370_000)
    skew = world.daemon.meter.signs._skews[SWITCH]
    skew.observe = skew.answered = lambda *_told, **_times: None
    skew.ahead_us = round(behind_s * S)
    world.run(30)
    cdr = world.cdr(uuid)
    assert cdr.ended_us - cdr.answered_us <= 4 * S


@pytest.mark.parametrize("late_s", [0.0, 0.9, 1.3, 3.2, 3.6])
def test_rule_2_nothing_is_given_back_for_a_timer_that_came_too_late(db, late_s):
    """And nobody is ended by it who has paid."""
    world = a_world(db, 1)
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=None)
    world.run(20)
    ends = []
    world.sim.listen(ends.append, {"CHANNEL_HANGUP_COMPLETE"})
    held = hold_up(world, round(late_s * S))
    meter, key = world.daemon.meter, (SWITCH, uuid)
    session, now_us = meter.calls.get(key), meter.now_us(SWITCH)
    kept_s = (now_us - session.answered_us) // S + 3
    assert kept_s < session.granted_s
    asked = CreditChanged(
        now_us=now_us,
        before_s=session.granted_s,
        granted_s=kept_s,
        held_micros=kept_s * 10_000,
        reserve_s=0,
    )
    meter.post(key, asked)
    world.kill_daemon()
    world.run(60)
    hold = (held + world.holds())[-1]
    talked_us = ends[0].at_us - hold.answered_us
    assert hold.granted_s * S <= talked_us <= (hold.granted_s + 1) * S

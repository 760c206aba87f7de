"""Faults that the simulation (tests/simulation) found, each reduced to one call."""

import pytest
from world import PACE, SWITCH, S

from fsbilling import clock as clocks
from fsbilling.billing.meter import Meter
from fsbilling.billing.recover import Recovery
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.warning import WarningSound
from fsbilling.calls.cdr import EndSource
from fsbilling.errors import StoreError, SwitchTimeout
from fsbilling.rating.rate import Rate
from fsbilling.sim.plan import Service, Transfer
from fsbilling.sim.switch import SimSwitch
from fsbilling.switch.node import Node

DIALLED = {"service": Service.ORIGINATED, "variables": {"fsbilling_account": "acme"}}


@pytest.mark.parametrize("ring_s", [0, 60])
def test_a_dialler_s_call_that_began_while_nobody_listened_is_found_and_paid_for(world, ring_s):
    world.open_for_business(credit="10.00")
    world.kill_daemon()
    uuid = world.call(**DIALLED, ring_us=ring_s * S, talk_us=90 * S)
    world.run(20)
    world.start_daemon()
    assert len(world.holds()) == 1
    world.run(150)
    record = world.cdr(uuid)
    assert record.billed_s == (90 if ring_s else 70)


def test_a_dialler_s_call_that_began_while_nobody_listened_is_ended_without_credit(world):
    world.open_for_business(credit="0")
    world.kill_daemon()
    uuid = world.call(**DIALLED, talk_us=None)
    world.run(20)
    world.start_daemon()
    assert uuid not in world.sim.channels
    assert world.cdr(uuid).refusal == "no_credit"


def test_a_dialler_s_call_is_not_cut_early_by_the_timer_it_had_at_the_answer(world):
    """The timer of whole seconds stayed when credit was out after the first minute."""
    minute = Rate(rate_micros_per_min=300_000, first_increment_s=60, next_increment_s=60)
    world.open_for_business(rates=[minute], credit="0.30")
    uuid = world.call(**DIALLED, ring_us=700_000, talk_us=None)
    world.run(90)
    assert world.cdr(uuid).duration_us >= 59_900_000


def test_a_carrier_leg_that_ended_while_nobody_could_ask_for_it_ends_the_call(world):
    """The question whether it lives was never answered in its life: it was cut for ever."""
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=None, transfer=Transfer(after_us=5 * S, to="1002", talk_us=400 * S))
    node = world.daemon.meter._nodes[SWITCH]
    answering_api, node._api = node._api, silent
    world.run(30)
    assert world.sim.channels == {}
    node._api = answering_api
    world.run(10)
    assert world.cdr(uuid).billed_s >= 5
    assert world.holds() == []


def test_a_transfer_and_an_answer_that_nobody_saw_are_billed_by_the_leg_that_lives(world):
    """The leg was noted with the hold, and not in the session: its end was ignored."""
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=None, transfer=Transfer(after_us=5 * S, to="1002", talk_us=20 * S))
    world.run(0.5)
    world.kill_daemon()
    world.run(8)
    world.start_daemon()
    world.run(3)
    world.daemon.sweep()
    world.run(40)
    assert world.cdr(uuid).billed_s == 25
    assert world.holds() == []


def test_a_renewal_after_a_lost_link_is_no_sign_of_life(world):
    """The call had ended while the link was down; the next answer of the switch was billed."""
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=9 * S)
    world.run(8)
    world.link_is_up = False
    world.daemon.meter.lost(SWITCH)
    world.run(4)
    world.link_is_up = True
    world.run(10)
    assert world.holds()[0].granted_s > 15
    world.daemon.sweep()
    world.run(3)
    world.daemon.sweep()
    record = world.cdr(uuid)
    assert record.end_source is EndSource.ESTIMATE
    assert record.billed_s <= 9


def test_an_answer_heard_late_is_a_sign_of_life_of_its_own_moment(world):
    world.open_for_business()
    heard = []
    world.sim.listen(heard.append, {"CHANNEL_ANSWER"}, variable="fsbilling_account")
    uuid = world.call(talk_us=1 * S)
    world.link_is_up = False
    world.run(5)
    world.link_is_up = True
    world._event(heard[0])
    (hold,) = world.holds()
    assert hold.seen_us == hold.answered_us == world.sim.clock.now_us() - 4 * S
    assert uuid == hold.call.uuid


def test_what_one_switch_misses_is_not_forgotten_when_another_is_swept(world):
    world.open_for_business()
    uuid = world.call(talk_us=3 * S)
    world.run(2)
    world.kill_daemon()
    world.run(10)
    other = SimSwitch(world.clock, name="fs2")
    nodes = {SWITCH: Node(SWITCH, world.api), "fs2": Node("fs2", lambda c, _s=0: other.execute(c))}
    meter = Meter(
        world.db,
        TariffBook(world.db),
        nodes,
        clock=world.clock,
        pace=PACE,
        slice_s=30,
        warning=WarningSound(""),
        spawn=lambda job: job(),
    )
    recovery = Recovery(world.db, meter, nodes, witnesses={}, clock=world.clock, on_unheld=print)
    assert recovery.sweep(SWITCH, take_up=True) == 1
    recovery.sweep("fs2", take_up=True)
    world.run(3)
    assert recovery.sweep(SWITCH, take_up=False) == 0
    assert world.cdr(uuid).end_source is EndSource.ESTIMATE


def test_setting_the_machine_s_clock_does_not_move_the_meter_s(monkeypatch):
    steady = clocks.SteadyClock()
    before_us = steady.now_us()
    real_ns = clocks.time.time_ns
    monkeypatch.setattr(clocks.time, "time_ns", lambda: real_ns() + 30 * 10**9)
    assert steady.now_us() - before_us < 5 * S


def silent(_command, _timeout_s=5.0):
    raise SwitchTimeout("no answer")


class FirstHoldOnly:
    """SQL that fails once a call has its hold: after one transaction, and the tariff's reading."""

    def __init__(self, world):
        self._world = world
        self._sql = world.sql
        self.read = world.sql.read

    def write(self):
        if self._world.holds():
            raise StoreError("SQL is out")
        return self._sql.write()


def test_a_call_answered_unseen_has_in_its_hold_since_when_it_is_paid_for(world):
    """Seed 6008 of the simulation: its timer was counted from a moment that only memory had."""
    world.open_for_business()
    world.kill_daemon()
    uuid = world.call(**DIALLED, talk_us=None)
    world.run(20)
    world.sql = FirstHoldOnly(world)
    begun_us = world.clock.now_us()
    world.start_daemon()
    (hold,) = world.holds()
    assert (hold.call.uuid, hold.answered_us) == (uuid, begun_us)

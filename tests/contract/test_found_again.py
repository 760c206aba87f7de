"""A call that is stuck, or thought abandoned, is found again, and billed as the switch says."""

import json_cdr
import pytest
from world import SWITCH, Daemon, S, World

from fsbilling.billing.mailbox import MAX_WAITING
from fsbilling.switch.channel import Channel
from fsbilling.switch.witness import Witness


@pytest.fixture
def world(db, tmp_path):
    """A switch that writes what mod_json_cdr would."""
    world = World(db)
    json_cdr.record_legs(world, tmp_path)
    world.open_for_business(credit="10.00")
    world.witnesses[SWITCH] = Witness(tmp_path)
    world.daemon = Daemon(world)
    return world


def test_what_a_stuck_call_cannot_take_is_found_by_the_next_sweeps(world):
    uuid = world.call(talk_us=20 * S)
    world.run(10)
    meter, key = world.daemon.meter, (SWITCH, uuid)

    def stuck_while_it_ends():
        for _ in range(MAX_WAITING):
            meter.run(key, lambda: None)
        world.run(15)
        assert uuid not in world.sim.channels

    meter.run(key, stuck_while_it_ends)
    assert key in meter.calls, "its hang-up was lost"
    for _ in range(3):
        world.daemon.sweep()
        world.run(5)
    assert key not in meter.calls
    assert (world.cdr(uuid).duration_us, world.cdr(uuid).billed_s) == (15 * S, 15)
    assert world.account().held_micros == 0


def test_a_call_that_has_talked_was_not_abandoned(world):
    """The hook's answer was taken, and the hook not told so; the hang-up was lost."""
    uuid = world.call(talk_us=2 * S)
    world.run(2)
    world.link_is_up = False
    world.run(3)
    world.link_is_up = True
    asked = Channel({"Unique-ID": uuid, "Core-UUID": world.sim.core_uuid})
    world.daemon.reception.abandoned(asked)
    for _ in range(3):
        world.daemon.sweep()
        world.run(3)
    assert (world.cdr(uuid).duration_us, world.cdr(uuid).billed_s) == (2 * S, 2)

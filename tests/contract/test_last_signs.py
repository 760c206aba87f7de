"""What counts as a sign of life: an estimate never bills silence (DESIGN rule 6)."""

import pytest
from world import SWITCH, Daemon, S, World

from fsbilling.calls.cdr import EndSource
from fsbilling.sim.plan import Transfer
from fsbilling.store.engine import BOUND_S


@pytest.fixture
def world(db):
    world = World(db)
    world.open_for_business(credit="10.00")
    return world


def test_an_answer_is_a_sign_of_life_of_when_it_was_asked_for(world):
    """It may have lain unread while the daemon hung, and behind it a hang-up."""
    world.call(talk_us=100 * S)
    world.run(2)
    uuid = world.call(talk_us=11 * S)
    real = world.api

    def hangs_before_it_reads_the_answer(command, timeout_s=5.0):
        answer = real(command, timeout_s)
        if command.startswith("expand sched_del") and uuid in world.sim.channels:
            world.link_is_up = False
            world.clock.play(world.sim, until_us=world.clock.now_us() + 4 * S)
        return answer

    for node in world.daemon.reception._nodes.values():
        node._api = hangs_before_it_reads_the_answer
    world.run(14)
    world.run(1)
    assert uuid not in world.sim.channels
    (hold,) = [hold for hold in world.holds() if hold.call.uuid == uuid]
    assert hold.granted_s > 15, "it was renewed after it had ended"
    world.kill_daemon()
    world.run(5)
    world.link_is_up = True
    world.start_daemon()
    world.run(3)
    world.daemon.sweep()
    cdr = world.cdr(uuid)
    assert cdr.end_source is EndSource.ESTIMATE
    assert 0 < cdr.duration_us <= 11 * S


def test_a_followed_leg_that_was_seen_before_the_link_was_lost_is_not_seen_after(world):
    """The link goes down while SQL still notes that the leg is followed."""
    transfer = Transfer(after_us=5 * S, to="1002", talk_us=10 * S)
    uuid = world.call(talk_us=None, transfer=transfer)
    real = world.sql.write

    def loses_the_link():
        if world.link_is_up and world.commands[-1].startswith("uuid_dump"):
            world.link_is_up = False
            world.daemon.meter.lost(SWITCH)
        return real()

    world.run(5)
    world.sql.write = loses_the_link
    world.run(37.5)
    assert not world.sim.channels
    world.sql.write = real
    assert not world.link_is_up, "nothing was followed"
    world.link_is_up = True
    # Renewed once more: the switch answers again, and the sweep has not come to this call yet.
    world.run(1)
    assert world.holds()[0].granted_s == 75
    for _ in range(2):
        world.daemon.sweep(take_up=True)
        world.run(3)
    cdr = world.cdr(uuid)
    assert cdr.end_source is EndSource.ESTIMATE
    assert 5 * S <= cdr.duration_us <= 15 * S


def test_a_call_that_was_loaded_while_the_link_was_lost_is_not_seen_after(world):
    """A daemon that has just started hears of an answer, and reads the call's hold."""
    uuid = world.call(ring_us=3 * S, talk_us=10 * S)
    world.run(1)
    world.daemon = Daemon(world)
    real = world.sql.read

    def loses_the_link(bound_s=BOUND_S):
        if world.link_is_up and world.daemon.meter.is_busy((SWITCH, uuid)):
            world.link_is_up = False
            world.daemon.meter.lost(SWITCH)
        return real(bound_s)

    world.sql.read = loses_the_link
    world.run(43.5)
    assert not world.sim.channels
    assert not world.link_is_up, "nothing was loaded"
    world.link_is_up = True
    world.run(1)
    assert world.holds()[0].granted_s == 75, "it was not renewed once more"
    for _ in range(2):
        world.daemon.sweep(take_up=True)
        world.run(3)
    cdr = world.cdr(uuid)
    assert cdr.end_source is EndSource.ESTIMATE
    assert cdr.duration_us <= 10 * S

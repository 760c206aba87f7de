"""The credit watch looks at a call again and again only as long as that may matter."""

from world import SWITCH, World

from fsbilling.billing.watch import PLENTY_S


def test_a_call_taken_up_learns_at_once_that_its_credit_is_plenty(db):
    """Until then it is looked at twice a second, and after a restart that is every call."""
    world = World(db)
    world.open_for_business(credit="1000.00")
    uuid = world.call(talk_us=None)
    world.run(4)
    world.kill_daemon()
    world.start_daemon()
    taken_up = world.daemon.meter.session((SWITCH, uuid))
    assert taken_up.reserve_s < PLENTY_S
    world.run(1)
    seen = world.daemon.meter.session((SWITCH, uuid))
    assert seen.reserve_s >= PLENTY_S
    assert seen.granted_s == taken_up.granted_s
    world.run(60)
    assert uuid in world.sim.channels

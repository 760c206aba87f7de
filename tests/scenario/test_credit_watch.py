"""What the credit watch asks for, and what it leaves alone: nothing is missed by that."""

import pytest
from world import World

from fsbilling.billing import watch
from fsbilling.errors import StoreError
from fsbilling.store import accounts


@pytest.fixture
def outlooks(monkeypatch):
    """Each call that the watch has looked at, by what it was granted."""
    seen = []

    def noted(look):
        def note(*args, **kwargs):
            seen.append(kwargs["granted_s"])
            return look(*args, **kwargs)

        return note

    monkeypatch.setattr(watch, "outlook", noted(watch.outlook))
    monkeypatch.setattr(watch, "outlook_of_ringing", noted(watch.outlook_of_ringing))
    return seen


def test_a_daemon_without_calls_asks_sql_for_nothing(world):
    world.open_for_business()
    world.sql.is_open = False
    world.daemon.watch.look()
    world.sql.is_open = True
    world.call()
    world.run(2)
    world.sql.is_open = False
    with pytest.raises(StoreError):
        world.daemon.watch.look()


def test_calls_with_nothing_to_do_are_left_alone_until_something_changes(world, outlooks):
    first, second = talking_calls(world, 2)
    world.run(3)
    outlooks.clear()
    world.daemon.watch.look()
    world.daemon.watch.look()
    assert outlooks == []

    world.topup("acme", 1_000_000, "more")
    world.daemon.watch.look()
    assert len(outlooks) == 2
    world.run(150)
    assert {world.cdr(first).billed_s, world.cdr(second).billed_s} <= {99, 100, 101}


def test_a_call_more_is_a_change_to_the_others(world, outlooks):
    talking_calls(world, 2)
    world.run(3)
    outlooks.clear()
    for _ in range(4):
        world.call(talk_us=None)
    world.run(3)
    assert outlooks


def test_calls_left_alone_hear_of_a_suspension(world):
    uuid, _ = talking_calls(world, 2)
    world.run(3)
    with world.db.write() as conn:
        accounts.set_suspended(conn, "acme", True)
    world.run(3)
    assert world.cdr(uuid).hangup_cause == "MANAGER_REQUEST"


def talking_calls(world: World, calls: int) -> list[str]:
    """Calls that share so little that the watch cares for them: one yuan is 100 s."""
    world.open_for_business(credit="1.00")
    return [world.call(talk_us=None) for _ in range(calls)]

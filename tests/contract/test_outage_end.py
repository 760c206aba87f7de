"""When SQL is back: sweeps and hooks come before the journal is played, and lose no call by it.

Each was found by the simulation of the core (`tests/simulation`).
"""

import json
from contextlib import contextmanager

import pytest
from outages import YUAN, trust, with_sql_again, without_sql, world_with_journal
from world import SWITCH, S

from fsbilling.errors import StoreError
from fsbilling.store.engine import BOUND_S, BULK_BOUND_S
from fsbilling.switch.channel import Channel


@pytest.fixture
def world(db, tmp_path):
    world = world_with_journal(db, tmp_path)
    trust(world, 9 * YUAN)
    return world


def test_a_sweep_before_the_journal_is_played_forgets_no_call_that_waits_in_it(world):
    without_sql(world)
    uuid = world.call(talk_us=20 * S)
    world.run(2)
    world.sql.is_open = True
    world.daemon.sweep(take_up=True)
    world.run(1)
    assert (SWITCH, uuid) in world.daemon.meter.calls
    with_sql_again(world)
    world.run(30)
    cdr = world.cdr(uuid)
    assert (cdr.end_source, cdr.duration_us) == ("event", 20 * S)


def test_a_hook_is_answered_though_who_is_trusted_cannot_be_read(world):
    """`probe` finds SQL there, and the longer question after it fails."""
    uuid = world.call(ring_us=20 * S)
    world.run(1)
    headers = json.loads(world.sim.execute(f"uuid_dump {uuid} json"))
    channel = Channel(headers | {"Core-UUID": world.sim.core_uuid})
    read = world.sql.read

    @contextmanager
    def fails(bound_s=BOUND_S):
        if bound_s == BULK_BOUND_S:
            raise StoreError("canceling statement due to statement timeout")
        with read(bound_s) as conn:
            yield conn

    @contextmanager
    def locked():
        raise StoreError("canceling statement due to lock timeout")
        yield

    world.sql.read, world.sql.write = fails, locked
    world.daemon.outage.risk.changes += 1
    answer = world.daemon.reception.answer(channel)
    assert answer["fsbilling_reason"] == "unavailable"
    assert len(world.daemon.reception.unrecorded) == 1
    del world.sql.read
    world.daemon.outage.probe()
    assert world.daemon.outage._known_changes == world.daemon.outage.risk.changes

"""A world in which SQL goes away and comes back, and accounts that may call meanwhile."""

from __future__ import annotations

import msgspec
from world import World

from fsbilling.errors import Refused
from fsbilling.store import accounts
from fsbilling.store.journal import Journal
from fsbilling.store.limits import set_limits

YUAN = 1_000_000


def world_with_journal(db, tmp_path):
    world = World(db)
    world.journal = Journal(tmp_path / "journal", max_bytes=1_000_000)
    world.open_for_business(credit="10.00")
    return world


def trust(world, micros, code="acme", **more):
    with world.db.write() as conn:
        limits = accounts.find(conn, code).limits
        limits = msgspec.structs.replace(limits, outage_limit_micros=micros, **more)
        assert not isinstance(set_limits(conn, code, limits, at_us=world.clock.now_us()), Refused)
    world.daemon.book.make_ready(world.clock.now_us())
    world.daemon.outage.read_trust()


def without_sql(world):
    world.sql.is_open = False
    world.daemon.outage.probe()


def with_sql_again(world):
    world.sql.is_open = True
    world.daemon.outage.probe()
    return world.daemon.settler.play()

"""A journal is played when another daemon, or this one, has changed the holds it was written by.

Each was found by the simulation of the core (`tests/simulation`).
"""

import msgspec
import pytest
from outages import YUAN, trust, with_sql_again, without_sql, world_with_journal
from world import CENT_A_SECOND, SWITCH, S

from fsbilling.billing import granted
from fsbilling.billing.settler import Granted
from fsbilling.rating.plan import Plan
from fsbilling.store import accounts, entries, holds


@pytest.fixture
def world(db, tmp_path):
    return world_with_journal(db, tmp_path)


def renewed(world, uuid, **change):
    """Let another daemon hold something else for a call."""
    with world.db.write() as conn:
        account = accounts.lock(conn, "acme")
        held = holds.find(conn, SWITCH, uuid)
        moved = {"timer_seq": held.timer_seq + 1, "seen_us": held.seen_us} | change
        for name in ("amount_micros", "included_s", "granted_s"):
            moved.setdefault(name, getattr(held, name))
        holds.renew(conn, SWITCH, uuid, **moved)
    return account


def drained(world):
    """Take all that is free from the account."""
    with world.db.write() as conn:
        free_micros = accounts.find(conn, "acme").free_micros
        entries.adjust(conn, "acme", amount_micros=-free_micros, ref="drained", at_us=1)


def let_through(world):
    """A call at risk, the grant that its journal keeps, and SQL back with it."""
    trust(world, 5 * YUAN)
    without_sql(world)
    uuid = world.call(talk_us=3_000 * S)
    world.run(2)
    grant = msgspec.json.decode(world.journal.first(), type=Granted).hold
    with_sql_again(world)
    return uuid, grant


def test_a_grant_that_is_played_again_leaves_a_renewed_hold_alone(world):
    """The package pays for more seconds meanwhile, and costs nothing."""
    uuid, grant = let_through(world)
    renewed(world, uuid, amount_micros=0, granted_s=grant.granted_s + 60)
    before = world.holds()
    assert not granted.place(world.db, grant)
    assert world.holds() == before


def test_a_grant_that_is_played_again_takes_no_credit_that_was_given_back(world):
    uuid, grant = let_through(world)
    renewed(world, uuid, amount_micros=50_000, granted_s=5)
    assert not granted.place(world.db, grant)
    (hold,) = world.holds()
    assert (hold.amount_micros, hold.granted_s) == (50_000, 5)


@pytest.mark.parametrize(
    ("amount_micros", "granted_s"), [(0, 60), (9_000_000, 3)], ids=["longer", "dearer"]
)
def test_a_first_hold_that_nobody_heard_of_pays_for_the_grant_as_well(
    world, amount_micros, granted_s
):
    """SQL took it before it went silent; the switch was told of the grant."""
    uuid, grant = let_through(world)
    with world.db.write() as conn:
        accounts.lock(conn, "acme")
        first = holds.remove(conn, SWITCH, uuid)
        first = msgspec.structs.replace(
            first,
            authorised_us=first.authorised_us - 1,
            amount_micros=amount_micros,
            granted_s=granted_s,
        )
        accounts.lock(conn, "acme")
        holds.place(conn, first)
    assert granted.place(world.db, grant)
    (hold,) = world.holds()
    assert hold.amount_micros == max(amount_micros, grant.amount_micros)
    assert hold.granted_s == max(granted_s, grant.granted_s)
    assert not granted.place(world.db, grant)


def ended_in_the_journal(world, talk_s):
    uuid = world.call(talk_us=talk_s * S)
    world.run(3)
    world.sql.is_open = False
    world.run(talk_s)
    return uuid


def test_a_record_is_charged_no_more_than_is_held_when_it_is_played(world):
    """Another daemon has given some back; the switch's timer ended the call up to a second late."""
    uuid = ended_in_the_journal(world, 10)
    renewed(world, uuid, amount_micros=90_000, granted_s=9)
    drained(world)
    world.sql.is_open = True
    assert world.daemon.settler.play() == 1
    cdr = world.cdr(uuid)
    assert (cdr.charge_micros, cdr.waived_micros, cdr.billed_s) == (90_000, 10_000, 10)
    assert world.account().balance_micros == 0
    assert world.ledger_faults() == []


def test_a_record_uses_no_more_of_the_package_than_is_held_when_it_is_played(world):
    world.change_tariff((CENT_A_SECOND,), Plan(included_s=60))
    uuid = ended_in_the_journal(world, 10)
    renewed(world, uuid, included_s=9, granted_s=9)
    drained(world)
    world.sql.is_open = True
    assert world.daemon.settler.play() == 1
    cdr = world.cdr(uuid)
    assert (cdr.included_s, cdr.charge_micros, cdr.waived_micros) == (9, 0, 10_000)
    assert world.usage().included_s == 9
    assert world.ledger_faults() == []

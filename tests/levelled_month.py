"""A month of calls by a tariff with `volume` levels, to correct."""

from sqlalchemy import select
from world import S, World

from fsbilling.billing.rerate import Rerating
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store import entries
from fsbilling.store.cdrs import Selection
from fsbilling.store.schema import cdr, metadata

LEVELLED = Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))


def table(base, level, level_from=2):
    """Prices per minute, in micro-units, below a level and from it on."""
    return (
        Rate(rate_micros_per_min=base),
        Rate(rate_micros_per_min=level, level_from=level_from),
    )


WAS = table(600_000, 300_000)
"""A cent a second; half of it for all calls once the month comes to two minutes."""


def a_month(db, credit, *, rates=WAS, seconds=(50, 40, 35, 20)):
    world = World(db)
    world.open_for_business(rates=rates, plan=LEVELLED, credit=credit)
    for talk_s in seconds:
        world.call(talk_us=talk_s * S)
        world.run(talk_s + 5)
    return world


def correct_table(world, rates, plan=LEVELLED, valid_from_us=0):
    with world.db.write() as conn:
        world.add_tariff(conn, rates, plan, valid_from_us)


def rerun(world, *, db=None, dry=False, **chosen):
    db = db or world.db
    book = TariffBook(db)
    book.refresh()
    return Rerating(db, book, clock=world.clock, dry=dry).run(Selection(**chosen))


def rows(db):
    with db.read() as conn:
        return {
            table.name: sorted(map(str, conn.execute(select(table))))
            for table in metadata.sorted_tables
        }


def paid(world, credit):
    """What all calls have cost in the end, of so many whole units of credit."""
    assert world.ledger_faults() == []
    return credit * 1_000_000 - world.account().balance_micros


def adjustments(world):
    return [
        (each.ref.partition("/2026-11/")[2], each.amount_micros)
        for each in world.entries(EntryKind.ADJUSTMENT)[1:]
    ]


def assert_done(world):
    """The same run again, dry or not, has nothing to do."""
    before = rows(world.db)
    for dry in (True, False):
        line = rerun(world, dry=dry).accounts["acme"]
        assert (line.corrected, line.adjusted_micros) == (0, 0)
        assert (line.left, line.months_left) == (0, 0)
    assert rows(world.db) == before


def waive(world, billed_s, charge_micros):
    """Let a call be one whose hold ran out, as if it had been settled so."""
    with world.db.write() as conn:
        waived = cdr.c.charge_micros + cdr.c.waived_micros - charge_micros
        changed = cdr.update().where(cdr.c.billed_s == billed_s)
        conn.execute(changed.values(charge_micros=charge_micros, waived_micros=waived))


def spend_all(world):
    """Take away what the account has free."""
    micros = world.account().free_micros
    with world.db.write() as conn:
        entries.adjust(conn, "acme", amount_micros=-micros, ref="out", note="", at_us=1)

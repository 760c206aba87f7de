"""Correcting months of `volume` levels, over both databases: each comes to its level, once."""

import pytest
from call_records import record
from levelled_month import (
    LEVELLED,
    WAS,
    a_month,
    adjustments,
    assert_done,
    correct_table,
    paid,
    rerun,
    rows,
    table,
    waive,
)
from world import CENT_A_SECOND, S

from fsbilling.billing.settle import post
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import PLAIN, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store import accounts
from fsbilling.store.schema import cdr


@pytest.fixture
def world(db):
    """A month of 145 s: what was charged is 1.35, and the level gave 0.625 of it back."""
    return a_month(db, "9")


CORRECTED = {
    "another price of the level": (table(600_000, 120_000), LEVELLED, 145 * 2_000),
    "another price below the level": (table(900_000, 300_000), LEVELLED, 145 * 5_000),
    "both dearer": (table(1_200_000, 900_000), LEVELLED, 145 * 15_000),
    "the same prices": (WAS, LEVELLED, 145 * 5_000),
    "a level that is reached earlier": (table(600_000, 120_000, 1), LEVELLED, 145 * 2_000),
    "a level that is not reached": (table(600_000, 120_000, 3), LEVELLED, 145 * 10_000),
    "no levels": ((CENT_A_SECOND,), PLAIN, 145 * 10_000),
    "levels of calls": (
        table(600_000, 60_000, 4),
        Plan(levels=Levels(LevelUnit.CALLS, LevelMode.VOLUME)),
        145 * 1_000,
    ),
    "increments, which change the volume": (
        (
            Rate(rate_micros_per_min=600_000, first_increment_s=60, next_increment_s=60),
            Rate(
                rate_micros_per_min=300_000,
                first_increment_s=60,
                next_increment_s=60,
                level_from=4,
            ),
        ),
        LEVELLED,
        4 * 60 * 5_000,
    ),
}


@pytest.mark.parametrize("name", CORRECTED)
def test_a_month_comes_to_what_the_corrected_table_asks_at_its_level(world, name):
    rates, plan, micros = CORRECTED[name]
    assert paid(world, 9) == 145 * 5_000
    correct_table(world, rates, plan)
    before = rows(world.db)
    foretold = rerun(world, dry=True)
    assert rows(world.db) == before
    report = rerun(world)
    assert report == foretold
    line = report.accounts["acme"]
    assert (line.calls, line.corrected, line.left, line.months_left) == (4, 4, 0, 0)
    assert line.difference_micros == micros - 145 * 5_000
    assert paid(world, 9) == micros
    assert {record.tariff_version for record in world.cdrs()} == {2}
    assert_done(world)


def test_a_version_that_took_over_gives_back_what_the_one_before_was_adjusted_by(world):
    """The prices are the same, so no call's charge changes; but adjustments go by version."""
    correct_table(world, WAS)
    line = rerun(world).accounts["acme"]
    assert (line.before_micros, line.after_micros) == (1_350_000, 1_350_000)
    assert line.adjusted_micros == 0
    assert world.entries(EntryKind.REVERSAL) == []
    assert {record.revision for record in world.cdrs()} == {1}
    assert adjustments(world) == [("v1/rerate/1", -625_000), ("v2/rerate/1", 625_000)]
    back, level = world.entries(EntryKind.ADJUSTMENT)[1:]
    assert back.note == (
        "std v1: no level changes its 0 calls of the month: adjusted so far -0.625, taken back"
    )
    assert level.note == (
        "std v2: the month reached 2 minutes: 4 calls at that level 0.725 "
        "- charged so far 1.35 = -0.625"
    )


def test_a_month_that_is_settled_anew_twice_is_adjusted_by_the_difference(world):
    for price in (120_000, 240_000):
        correct_table(world, table(600_000, price))
        rerun(world)
        assert paid(world, 9) == 145 * price // 60
    with world.db.write() as conn:
        conn.execute(cdr.update().where(cdr.c.billed_s == 50).values(charge_micros=600_000))
    rerun(world)
    assert adjustments(world)[-1] == ("v3/rerate/2", 100_000)
    assert_done(world)


def test_the_next_level_reckons_with_what_settling_anew_has_posted(world):
    world.topup("acme", 10_000_000, "more")
    three = (*table(600_000, 240_000), Rate(rate_micros_per_min=60_000, level_from=3))
    correct_table(world, three)
    world.daemon.book.refresh()
    rerun(world)
    assert paid(world, 19) == 145 * 4_000
    world.call(talk_us=35 * S)
    world.run(50)
    assert paid(world, 19) == 180 * 1_000
    assert_done(world)


def test_what_a_dearer_level_could_not_be_charged_is_charged_after_a_top_up(db):
    world = a_month(db, "0.90", rates=table(600_000, 1_200_000, 1), seconds=(70,))
    assert world.account().balance_micros == 0
    before = rows(db)
    for dry in (True, False):
        report = rerun(world, dry=dry)
        (left,) = report.months_left
        assert (left.month.month, left.refused.reason) == ("2026-11", "no_credit")
        assert "0.50 more is not free" in left.refused.detail
        assert report.accounts["acme"].months_left == 1
        assert rows(db) == before
    world.topup("acme", 500_000, "more")
    line = rerun(world).accounts["acme"]
    assert (line.corrected, line.adjusted_micros, line.months_left) == (0, 500_000, 0)
    assert world.account().balance_micros == 0
    assert_done(world)


@pytest.mark.parametrize(
    ("price", "micros"),
    [
        # The call of 50 s was asked 0.50, and paid 0.30.
        (600_000, 300_000),
        (300_000, 250_000),
        (480_000, 300_000),
        (1_200_000, 1_000_000 - 200_000),
    ],
)
def test_what_was_waived_stays_waived_and_a_cheaper_level_gives_back_what_was_paid(
    world, price, micros
):
    waive(world, 50, 300_000)
    correct_table(world, table(600_000, price))
    rerun(world)
    others = (40 + 35 + 20) * price // 60
    # The ledger was charged 0.50 for that call: what was waived is still the account's.
    assert paid(world, 9) - 200_000 == others + micros
    assert_done(world)


def test_a_live_level_gives_back_no_more_than_was_paid(db):
    world = a_month(db, "9", seconds=(50,))
    waive(world, 50, 100_000)
    for talk_s in (40, 35):
        world.call(talk_us=talk_s * S)
        world.run(talk_s + 5)
    (adjustment,) = world.entries(EntryKind.ADJUSTMENT)
    assert adjustment.amount_micros == 75 * 5_000
    assert_done(world)


@pytest.mark.parametrize(
    ("charge_micros", "note"),
    [
        (600_000, "at that level 0.305 - charged 0.60 = -0.295"),
        (305_001, "at that level 0.305 - charged 0.305001 = -0.000001"),
        (305_000, None),
        (1, None),
    ],
)
def test_a_call_that_the_level_overtook_gives_back_no_more_than_was_paid(
    world, charge_micros, note
):
    """It began before the level was reached, and was asked 0.61 for 61 s."""
    overtaken = record(
        charge_micros=charge_micros,
        waived_micros=610_000 - charge_micros,
        month="2026-11",
        service="outbound",
    )
    with world.db.write() as conn:
        book = world.daemon.book
        tariff = book.numbered("std", 1, overtaken.answered_us)
        payer = accounts.lock(conn, "acme")
        assert post(conn, book, tariff, payer, overtaken, now_us=1)
    posted = world.entries(EntryKind.ADJUSTMENT)[1:]
    assert [each.note.partition("during this call: ")[2] for each in posted] == [note] * bool(note)
    assert_done(world)

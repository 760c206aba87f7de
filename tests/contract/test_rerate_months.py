"""Which month is settled anew when, and what is left: order, credit, caps, bounds, faults."""

from concurrent.futures import ThreadPoolExecutor

import pytest
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
    spend_all,
    table,
)
from world import S, World

from fsbilling.billing import foretold, rerated_months
from fsbilling.clock import parse_us
from fsbilling.credit.limits import Limits, periods
from fsbilling.errors import InputError, StoreError
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.rate import Rate
from fsbilling.store import entries, spending
from fsbilling.store.engine import Database
from fsbilling.store.limits import set_limits
from fsbilling.store.schema import cdr


@pytest.fixture
def world(db):
    """A month of 145 s: what was charged is 1.35, and the level gave 0.625 of it back."""
    return a_month(db, "9")


def test_rule_1_what_live_calls_hold_is_not_taken(db):
    world = a_month(db, "3.00", seconds=(50, 40, 35))
    world.call(talk_us=None)
    world.run(5)
    held_micros, free_micros = world.account().held_micros, world.account().free_micros
    assert held_micros > 0
    # All of the 125 s cost so much at the level, and what they did below it.
    correct_table(world, table(600_000, 300_000 + free_micros * 60 // 125 + 60))
    assert rerun(world).months_left[0].refused.reason == "no_credit"
    assert (world.account().held_micros, world.account().free_micros) == (held_micros, free_micros)
    assert world.ledger_faults() == []


def test_the_monthly_cap_bounds_what_a_month_is_charged_anew(db):
    world = a_month(db, "9", seconds=(50, 40, 35))
    limits = Limits(monthly_cap_micros=1_000_000)
    with db.write() as conn:
        set_limits(conn, "acme", limits, at_us=world.clock.now_us())
    correct_table(world, table(600_000, 540_000))
    foretold = rerun(world, dry=True)
    report = rerun(world)
    assert report == foretold
    (left,) = report.months_left
    assert left.refused.reason == "monthly_cap"
    assert "0.50 more is beyond the monthly cap" in left.refused.detail
    with db.write() as conn:
        set_limits(conn, "acme", Limits(monthly_cap_micros=1_125_000), at_us=1)
    assert rerun(world).accounts["acme"].adjusted_micros == 500_000
    of, account = periods(limits, world.clock.now_us()), world.account()
    with db.write() as conn:
        counted = spending.used(conn, account.account_id, of)
        assert counted[of.month] == 1_125_000
        spending.recount(conn, account, world.clock.now_us())
        assert spending.used(conn, account.account_id, of)[of.month] == counted[of.month]
    assert_done(world)


def test_a_dry_run_reckons_with_what_corrections_would_leave_of_the_monthly_cap(db):
    world = a_month(db, "9", seconds=(50, 40, 35))
    with db.write() as conn:
        set_limits(conn, "acme", Limits(monthly_cap_micros=1_000_000), at_us=world.clock.now_us())
    # Each call 0.20 dearer below the level: 0.625 charged for the month becomes 1.225.
    dearer = [
        Rate(rate_micros_per_min=price, per_call_micros=200_000, level_from=level)
        for level, price in ((0, 600_000), (2, 300_000))
    ]
    correct_table(world, dearer)
    foretold = rerun(world, dry=True)
    assert rerun(world) == foretold
    assert paid(world, 9) == 1_225_000


def test_a_month_whose_calls_are_all_right_is_looked_at_all_the_same(world, monkeypatch):
    """A run that died between the calls and the month is finished by the next."""
    correct_table(world, table(600_000, 120_000))
    post_all = entries.post_all

    def dies_at_the_month(conn, account_id, drafts, at_us):
        if any(draft.kind is EntryKind.ADJUSTMENT for draft in drafts):
            raise StoreError("the database is gone")
        return post_all(conn, account_id, drafts, at_us)

    monkeypatch.setattr(entries, "post_all", dies_at_the_month)
    with pytest.raises(StoreError):
        rerun(world)
    assert {record.tariff_version for record in world.cdrs()} == {2}
    assert adjustments(world) == []
    assert world.ledger_faults() == []
    monkeypatch.setattr(entries, "post_all", post_all)
    line = rerun(world).accounts["acme"]
    assert (line.corrected, line.adjusted_micros) == (0, 290_000 - 1_290_000 + 625_000)
    assert paid(world, 9) == 145 * 2_000
    assert_done(world)


def test_a_part_of_the_month_is_corrected_and_all_of_it_settled(world):
    middle_us = world.cdrs()[2].created_us
    correct_table(world, table(300_000, 120_000))
    line = rerun(world, since_us=middle_us).accounts["acme"]
    assert (line.calls, line.corrected) == (2, 2)
    # The two that were not chosen stay at version 1, and at its level.
    assert paid(world, 9) == 90 * 5_000 + 55 * 2_000
    rerun(world)
    assert paid(world, 9) == 145 * 2_000
    assert_done(world)


def test_what_a_month_gives_back_pays_for_calls_that_had_to_wait(db):
    world = a_month(db, "1.35", seconds=(50, 40, 35, 20))
    dear = world.call_400(talk_us=30 * S)
    world.run(40)
    spend_all(world)
    before_micros = world.cdr(dear).charge_micros
    correct_table(
        world,
        [
            Rate(rate_micros_per_min=micros, destination=destination, level_from=level)
            for destination, level, micros in (
                ("prefix:86", 0, 600_000),
                ("prefix:86", 2, 60_000),
                ("prefix:400", 0, 600_000),
                ("prefix:400", 2, 900_000),
            )
        ],
    )
    foretold = rerun(world, dry=True)
    report = rerun(world)
    assert report == foretold
    assert (report.left, report.months_left) == ([], [])
    assert world.cdr(dear).charge_micros == 450_000 > before_micros
    assert_done(world)


def test_a_call_that_had_to_wait_takes_its_month_with_it(db):
    """It was made below the level, and its month has been settled before it is corrected."""
    world = World(db)
    world.open_for_business(rates=WAS, plan=LEVELLED, credit="9")
    world.call_400(talk_us=30 * S)
    world.run(40)
    for talk_s in (50, 60):
        world.call(talk_us=talk_s * S)
        world.run(talk_s + 5)
    spend_all(world)
    correct_table(
        world,
        [
            *table(600_000, 60_000),
            Rate(rate_micros_per_min=900_000, destination="prefix:400"),
            Rate(rate_micros_per_min=120_000, destination="prefix:400", level_from=2),
        ],
    )
    foretold = rerun(world, dry=True)
    report = rerun(world)
    assert report == foretold
    line = report.accounts["acme"]
    assert (line.corrected, line.left, line.months_left) == (3, 0, 0)
    assert line.difference_micros == 110 * 1_000 + 30 * 2_000 - 140 * 5_000
    assert_done(world)


def test_more_runs_at_once_settle_a_month_once(world, store_url):
    correct_table(world, table(600_000, 120_000))
    databases = [Database.open(store_url, statement_timeout_ms=20_000) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda db: rerun(world, db=db), databases))
    for database in databases:
        database.close()
    adjusted = [report.accounts["acme"].adjusted_micros for report in reports]
    assert sum(adjusted) == 290_000 - 1_290_000 + 625_000
    assert paid(world, 9) == 145 * 2_000
    assert_done(world)


def test_a_month_of_which_calls_are_missing_is_left_and_named(world):
    with world.db.write() as conn:
        conn.execute(cdr.delete().where(cdr.c.billed_s == 40))
    before = rows(world.db)
    (left,) = rerun(world).months_left
    assert left.refused.reason == "calls_missing"
    assert "2026-11 of acme by std" in left.refused.detail
    assert rows(world.db) == before
    world.call(talk_us=600 * S)
    world.run(620)
    assert adjustments(world) == []


def test_a_month_priced_by_a_version_that_is_not_here_is_left_and_named(world):
    """The corrected table is too dear for the calls to be corrected."""
    with world.db.write() as conn:
        conn.execute(cdr.update().values(tariff_version=9))
    correct_table(world, table(600_000_000, 600_000_000))
    report = rerun(world)
    assert [left.refused.reason for left in report.left] == ["no_credit"] * 4
    (left,) = report.months_left
    assert left.refused.reason == "no_tariff"
    assert "std has no version 9" in left.refused.detail
    assert adjustments(world) == []


def test_a_dry_run_remembers_so_much_and_no_more(world, monkeypatch):
    correct_table(world, table(600_000, 120_000))
    monkeypatch.setattr(foretold, "MAX_FORETOLD", 3)
    before = rows(world.db)
    with pytest.raises(InputError, match="at most 3 corrections"):
        rerun(world, dry=True)
    assert rows(world.db) == before
    assert rerun(world).accounts["acme"].corrected == 4


def test_the_month_that_gives_back_pays_for_the_one_that_asks(world):
    december_us = parse_us("2026-12-01T00:00+08:00")
    december = World(world.db, seed=2, now_us=december_us + 3_600 * S)
    december.start_daemon()
    december.call(talk_us=130 * S)
    december.run(150)
    spend_all(world)
    correct_table(world, table(600_000, 420_000))
    correct_table(world, table(600_000, 60_000), valid_from_us=december_us)
    # The call made at November's level is dearer too, and waits for the months.
    foretold = rerun(world, dry=True)
    report = rerun(world)
    assert report == foretold
    line = report.accounts["acme"]
    assert (line.corrected, line.left, line.months_left) == (5, 0, 0)
    assert line.difference_micros == 145 * 2_000 - 130 * 4_000
    assert_done(world)


def test_months_beyond_the_bound_are_settled_as_they_come(world, monkeypatch):
    monkeypatch.setattr(rerated_months, "MAX_MONTHS", 1)
    december = World(world.db, seed=2, now_us=parse_us("2026-12-02T12:00+08:00"))
    december.start_daemon()
    december.call(talk_us=130 * S)
    december.run(150)
    world.call(talk_us=10 * S)
    world.run(20)
    correct_table(world, table(600_000, 120_000))
    foretold = rerun(world, dry=True)
    report = rerun(world)
    assert report == foretold
    assert (report.left, report.months_left) == ([], [])
    assert paid(world, 9) == (145 + 130 + 10) * 2_000
    assert_done(world)

"""Correcting charges, over both databases: once, linked, within the credit, beside live calls."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from world import CENT_A_SECOND, SWITCH, S, World

from fsbilling.billing import rerate
from fsbilling.billing.rerate import Rerating
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.errors import StoreError
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate
from fsbilling.sim.plan import Outcome
from fsbilling.store import cdrs, entries, revisions, tariffs
from fsbilling.store.cdrs import Selection
from fsbilling.store.engine import Database
from fsbilling.store.schema import metadata

CENT = 10_000
HALF = Rate(rate_micros_per_min=300_000)
DOUBLE = Rate(rate_micros_per_min=1_200_000)


@pytest.fixture
def world(db):
    world = World(db)
    world.open_for_business()
    return world


def correct_table(world, *rates, valid_from_us=0, plan=PLAIN):
    with world.db.write() as conn:
        world.add_tariff(conn, rates, plan, valid_from_us)


def rerun(world, *, db=None, dry=False, **chosen):
    db = db or world.db
    book = TariffBook(db)
    book.refresh()
    return Rerating(db, book, clock=world.clock, dry=dry).run(Selection(**chosen))


def talked(world, *seconds):
    """Calls that have ended, one for each length."""
    uuids = [world.call(talk_us=each * S) for each in seconds]
    world.run(max(seconds) + 5)
    return uuids


def rows(db):
    with db.read() as conn:
        return {
            table.name: sorted(map(str, conn.execute(select(table))))
            for table in metadata.sorted_tables
        }


def ledger(world, *kinds):
    """The entries of these kinds, the oldest first."""
    with world.db.read() as conn:
        found = [
            each for each in reversed(entries.entries(conn, "acme", 10_000)) if each.kind in kinds
        ]
    return [(each.kind, each.ref, each.amount_micros) for each in found]


CALL_KINDS = (EntryKind.CHARGE, EntryKind.REVERSAL)


def assert_books_agree(world):
    """Rule 9, and that the ledger charges what the records say."""
    assert world.ledger_faults() == []
    with world.db.read() as conn:
        charged = sum(cdr.charge_micros for _, cdr in cdrs.page(conn))
    assert sum(amount for _, _, amount in ledger(world, *CALL_KINDS)) == -charged


def test_a_correction_is_a_reversal_and_a_new_charge_that_belong_together(world):
    (uuid,) = talked(world, 10)
    correct_table(world, HALF)
    line = rerun(world).accounts["acme"]
    assert (line.calls, line.corrected, line.left) == (1, 1, 0)
    assert (line.before_micros, line.after_micros) == (10 * CENT, 5 * CENT)
    assert ledger(world, *CALL_KINDS) == [
        (EntryKind.CHARGE, f"fs1/{uuid}", -10 * CENT),
        (EntryKind.REVERSAL, f"fs1/{uuid}#1", 10 * CENT),
        (EntryKind.CHARGE, f"fs1/{uuid}#1", -5 * CENT),
    ]
    assert world.account().balance_micros == 95 * CENT
    assert_books_agree(world)


def test_the_record_has_the_new_price_and_the_old_one_is_kept(world):
    (uuid,) = talked(world, 10)
    before = world.cdr(uuid)
    for version, rate in ((2, HALF), (3, DOUBLE)):
        correct_table(world, rate)
        rerun(world)
        after = world.cdr(uuid)
        assert (after.tariff_version, after.revision) == (version, version - 1)
        assert f"std v{version}" in after.explanation
    with world.db.read() as conn:
        past = revisions.history(conn, "fs1", uuid)
    assert [(each.revision, each.charge_micros) for each in past] == [(0, 10 * CENT), (1, 5 * CENT)]
    assert past[0].explanation == before.explanation
    unchanged = ("answered_us", "ended_us", "duration_us", "caller", "callee", "created_us")
    assert all(getattr(after, name) == getattr(before, name) for name in unchanged)
    assert_books_agree(world)


def test_rule_4_the_same_run_again_changes_nothing(world):
    talked(world, 5, 10, 20)
    correct_table(world, HALF)
    assert rerun(world).accounts["acme"].corrected == 3
    before = rows(world.db)
    assert rerun(world).accounts["acme"].corrected == 0
    assert rows(world.db) == before


def test_a_dry_run_says_what_a_run_does_and_writes_nothing(world):
    talked(world, 5, 10, 30)
    correct_table(world, Rate(rate_micros_per_min=1_800_000))
    before = rows(world.db)
    foretold = rerun(world, dry=True)
    assert rows(world.db) == before
    assert rerun(world) == foretold
    assert foretold.accounts["acme"].left == 1


def test_rule_1_a_correction_beyond_what_is_free_waits_whole_for_a_top_up(world):
    talked(world, 60)
    correct_table(world, DOUBLE)
    report = rerun(world)
    assert report.accounts["acme"].left == 1
    assert report.left[0].refused.reason == "no_credit"
    assert world.account().balance_micros == 40 * CENT
    world.topup("acme", 20 * CENT, "more")
    assert rerun(world).accounts["acme"].corrected == 1
    assert world.account().balance_micros == 0
    assert_books_agree(world)


def test_rule_1_what_live_calls_hold_is_not_taken(world):
    talked(world, 30)
    world.call(talk_us=None)
    world.run(5)
    held_micros = world.account().held_micros
    assert 0 < held_micros < 70 * CENT
    world.topup("acme", 1, "odd")
    free_micros = world.account().free_micros
    correct_table(world, Rate(rate_micros_per_min=600_000 + 2 * free_micros + 2))
    assert rerun(world).accounts["acme"].left == 1
    correct_table(world, Rate(rate_micros_per_min=600_000 + 2 * free_micros))
    assert rerun(world).accounts["acme"].corrected == 1
    assert (world.account().free_micros, world.account().held_micros) == (0, held_micros)


def test_money_that_comes_back_pays_for_the_others_whatever_their_order(world, monkeypatch):
    """The dear call is looked at first and alone, and nothing is free then."""
    monkeypatch.setattr(rerate, "BATCH_CALLS", 1)
    world.topup("acme", 20 * CENT, "more")
    dear = world.call_400(talk_us=20 * S)
    world.run(30)
    talked(world, 60)
    talked(world, 40)
    assert world.account().free_micros == 0
    correct_table(
        world,
        Rate(rate_micros_per_min=900_000, destination="prefix:400"),
        Rate(rate_micros_per_min=300_000, destination="prefix:86"),
    )
    assert rerun(world).accounts["acme"].corrected == 3
    assert world.cdr(dear).charge_micros == 30 * CENT
    assert world.account().balance_micros == 40 * CENT
    assert rerun(world).accounts["acme"].corrected == 0


def test_what_was_waived_stays_waived_through_every_correction(world, db):
    (uuid,) = talked(world, 10)
    cdr = world.cdr(uuid)
    with db.write() as conn:  # as it is settled when the hold ran out at 8 s
        conn.execute(
            metadata.tables["cdr"].update().values(charge_micros=8 * CENT, waived_micros=2 * CENT)
        )
    world.topup("acme", 100 * CENT, "enough")
    for rate, charge, waived in ((DOUBLE, 8, 12), (HALF, 5, 0), (CENT_A_SECOND, 8, 2)):
        correct_table(world, rate)
        rerun(world)
        cdr = world.cdr(uuid)
        assert (cdr.charge_micros, cdr.waived_micros) == (charge * CENT, waived * CENT)


def test_refused_unanswered_and_unchosen_calls_are_left_alone(world):
    (billed,) = talked(world, 10)
    middle_us = world.clock.now_us()
    world.call(talk_us=S, callee="x")
    world.call(outcome=Outcome.BUSY)
    (later,) = talked(world, 10)
    correct_table(world, HALF)
    assert rerun(world, since_us=middle_us).accounts["acme"].calls == 1
    assert world.cdr(billed).revision == 0
    assert world.cdr(later).revision == 1
    assert rerun(world, tariff="other").accounts == {}
    assert rerun(world, account="nobody").accounts == {}
    assert rerun(world, until_us=middle_us).accounts["acme"].corrected == 1
    assert sum(cdr.revision for cdr in world.cdrs()) == 2


def test_a_call_the_corrected_table_has_no_row_for_is_left_and_named(world):
    (uuid,) = talked(world, 10)
    before = rows(world.db)
    correct_table(world, Rate(rate_micros_per_min=1, destination="prefix:852"))
    (left,) = rerun(world).left
    assert (left.cdr.uuid, left.refused.reason) == (uuid, "no_rate")
    for name in ("entry", "cdr", "cdr_revision"):
        assert rows(world.db)[name] == before[name]


def test_a_table_for_later_changes_no_earlier_call(world):
    talked(world, 10)
    correct_table(world, HALF, valid_from_us=world.clock.now_us())
    assert rerun(world).accounts["acme"].corrected == 0


def test_a_table_that_took_over_while_it_rang_is_as_right_as_the_one_before(world):
    """Which of the two a call gets is decided when it asks, and asking may come late."""
    now_us = world.clock.now_us()
    correct_table(world, HALF, valid_from_us=now_us + 2 * S)
    uuid = world.call(talk_us=10 * S, ring_us=5 * S)
    world.run(20)
    assert world.cdr(uuid).tariff_version == 1
    assert rerun(world).accounts["acme"].corrected == 0
    correct_table(world, DOUBLE)
    rerun(world)
    assert world.cdr(uuid).tariff_version == 3


def test_rule_7_a_call_is_priced_again_by_the_number_that_priced_it(world):
    """An outbound caller's own word does not count; what the operator set does."""
    operators = {
        "sip_auth_username": "1001",
        "sip_authorized": "true",
        "effective_caller_id_number": "02088889999",
    }
    spoofing = world.call(talk_us=10 * S, caller="075583765566")
    trusted = world.call(talk_us=10 * S, caller="075583765566", variables=operators)
    world.run(20)
    correct_table(
        world,
        CENT_A_SECOND,
        Rate(rate_micros_per_min=0, origin="prefix:86755"),
        Rate(rate_micros_per_min=300_000, origin="prefix:8620"),
    )
    assert rerun(world).accounts["acme"].corrected == 1
    assert world.cdr(spoofing).charge_micros == 10 * CENT
    assert world.cdr(trusted).charge_micros == 5 * CENT


def test_a_crash_between_leaves_whole_calls_and_the_next_run_does_the_rest(world, monkeypatch):
    talked(world, 5, 10, 20)
    correct_table(world, HALF)
    monkeypatch.setattr(rerate, "BATCH_CALLS", 1)
    done = []
    post_all = entries.post_all

    def dies_in_the_second(conn, *args):
        if done:
            raise StoreError("the database is gone")
        done.append(post_all(conn, *args))

    monkeypatch.setattr(entries, "post_all", dies_in_the_second)
    with pytest.raises(StoreError):
        rerun(world)
    assert sum(cdr.revision for cdr in world.cdrs()) == 1
    assert_books_agree(world)
    monkeypatch.setattr(entries, "post_all", post_all)
    assert rerun(world).accounts["acme"].corrected == 2
    assert_books_agree(world)


def test_rule_4_runs_at_the_same_time_correct_each_call_once(world, store_url):
    talked(world, *[3] * 12)
    correct_table(world, HALF)
    databases = [Database.open(store_url, statement_timeout_ms=20_000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda db: rerun(world, db=db), databases))
    for database in databases:
        database.close()
    assert sum(report.accounts["acme"].corrected for report in reports) == 12
    assert {cdr.revision for cdr in world.cdrs()} == {1}
    assert_books_agree(world)


def test_a_call_settles_while_charges_are_corrected(world, store_url, monkeypatch):
    """A live call starts, is renewed and ends; meanwhile another process corrects and corrects."""
    world.topup("acme", 1000 * CENT, "enough")
    talked(world, *[3] * 10)
    monkeypatch.setattr(rerate, "BATCH_CALLS", 2)
    other = Database.open(store_url, statement_timeout_ms=20_000)

    def correct_again_and_again():
        corrected = 0
        for rate in (HALF, DOUBLE) * 4:
            with other.write() as conn:
                tariffs.import_version(conn, "std", [rate], valid_from_us=0, source="test", at_us=0)
            corrected += rerun(world, db=other).accounts["acme"].corrected
        return corrected

    with ThreadPoolExecutor(1) as pool:
        corrected = pool.submit(correct_again_and_again)
        live = [world.call(talk_us=40 * S) for _ in range(5)]
        world.run(60)
        assert corrected.result(60) >= 80
    other.close()
    assert all(world.cdr(uuid).duration_us == 40 * S for uuid in live)
    assert world.account().held_micros == 0
    assert_books_agree(world)


def test_a_corrected_call_counts_for_its_month_as_it_is_billed_now(db):
    world = World(db)
    package = Plan(included_s=30)
    world.open_for_business(plan=package)
    (uuid,) = talked(world, 45)
    by_minute = Rate(rate_micros_per_min=600_000, first_increment_s=60, in_package=False)
    correct_table(world, by_minute, plan=package)
    rerun(world)
    record, used = world.cdr(uuid), world.usage()
    assert (record.billed_s, record.included_s, record.charge_micros) == (60, 0, 600_000)
    assert (used.billed_s, used.calls, used.included_s, used.included_free_s) == (60, 1, 0, 30)
    (before,) = past(world, uuid)
    assert (before.billed_s, before.included_s) == (45, 30)
    assert_books_agree(world)


def test_a_package_pays_for_no_more_of_a_corrected_call_than_it_did(db):
    world = World(db)
    world.open_for_business(plan=Plan(included_s=30))
    (uuid,) = talked(world, 45)
    correct_table(world, HALF, plan=Plan(included_s=1_000))
    rerun(world)
    assert (world.cdr(uuid).included_s, world.cdr(uuid).charge_micros) == (30, 75_000)
    assert_books_agree(world)


def past(world, uuid):
    with world.db.read() as conn:
        return revisions.history(conn, SWITCH, uuid)

"""Every way to price a call, while it lives: packages, bands, levels and fees at virtual time."""

import msgspec
import pytest
from world import CENT_A_SECOND, S, World

from fsbilling.calls.cdr import HungUpBy
from fsbilling.clock import parse_us
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import UNLIMITED_S, Band, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store.engine import Database

PACKAGE = Plan(included_s=100)
UNLIMITED = Plan(included_s=UNLIMITED_S)
PEAK = Plan(bands=(Band("peak", (), ((480, 1200),)),))
BANDS = (CENT_A_SECOND, Rate(rate_micros_per_min=1_200_000, band="peak"))
BY_MINUTES = Levels(LevelUnit.MINUTES, LevelMode.VOLUME)
CHEAPER_FROM_2_MIN = (CENT_A_SECOND, Rate(rate_micros_per_min=300_000, level_from=2))


@pytest.fixture
def world_at(sqlite_url):
    """A world that begins at a moment in China."""
    database = Database.open(sqlite_url)
    yield lambda moment: World(database, now_us=parse_us(f"{moment}+08:00"))
    database.close()


def assert_in_order(world, credit_micros):
    """Nothing is held any more, no second was given away, and the ledger adds up."""
    account, used = world.account(), world.usage()
    assert (world.holds(), account.held_micros, used.included_held_s) == ([], 0, 0)
    records = world.cdrs()
    assert sum(record.included_s for record in records) == used.included_s <= used.package_s
    assert all(record.waived_micros == 0 for record in records)
    posted_micros = sum(entry.amount_micros for entry in world.entries(EntryKind.ADJUSTMENT))
    charged_micros = sum(record.charge_micros for record in records)
    assert account.balance_micros == credit_micros - charged_micros + posted_micros
    assert world.ledger_faults() == []


# packages


def test_money_begins_at_the_second_at_which_the_package_ends(world):
    world.open_for_business(plan=PACKAGE, credit="1.00")
    uuid = world.call(talk_us=None)
    world.run(300)
    record = world.cdr(uuid)
    assert (record.billed_s, record.included_s, record.charge_micros) == (200, 100, 1_000_000)
    assert 199_900_000 <= record.duration_us <= 200_000_000
    assert "100 s included 0.00 + usage 100 s at 0.60/min 1.00" in record.explanation
    assert_in_order(world, 1_000_000)


def test_a_package_without_money_ends_the_call_with_it(world):
    world.open_for_business(plan=PACKAGE, credit="0")
    uuid = world.call(talk_us=None)
    world.run(150)
    record = world.cdr(uuid)
    assert (record.billed_s, record.charge_micros, record.hung_up_by) == (100, 0, HungUpBy.CREDIT)
    assert_in_order(world, 0)
    refused = world.call()
    world.run(5)
    assert world.cdr(refused).refusal == "no_credit"


def test_a_package_is_shared_by_all_live_calls_and_then_money_is(world):
    world.open_for_business(plan=PACKAGE, credit="1.00")
    uuids = [world.call(talk_us=None) for _ in range(4)]
    for _ in range(20):
        world.run(5)
        account, used = world.account(), world.usage()
        assert used.included_held_s == sum(hold.included_s for hold in world.holds())
        assert used.included_free_s >= 0
        assert account.free_micros >= 0
    records = [world.cdr(uuid) for uuid in uuids]
    assert sum(record.included_s for record in records) == 100
    assert sum(record.billed_s for record in records) >= 197
    assert_in_order(world, 1_000_000)


def test_seconds_that_a_call_did_not_use_are_there_for_the_others(world):
    world.open_for_business(plan=PACKAGE, credit="0")
    short = world.call(talk_us=2 * S)
    world.run(5)
    assert world.usage().included_s == 2
    long = world.call(talk_us=None)
    world.run(150)
    assert [world.cdr(uuid).included_s for uuid in (short, long)] == [2, 98]
    assert_in_order(world, 0)


def test_an_unanswered_call_gives_the_package_back(world):
    world.open_for_business(plan=PACKAGE, credit="0")
    uuid = world.call(ring_us=20 * S, outcome="busy")
    world.run(10)
    assert world.usage().included_held_s == 6
    world.run(30)
    assert world.cdr(uuid).included_s == 0
    assert_in_order(world, 0)


def test_an_unlimited_package_needs_no_balance(world):
    world.open_for_business(plan=UNLIMITED, credit="0")
    uuids = [world.call(talk_us=700 * S) for _ in range(3)]
    world.run(800)
    assert [world.cdr(uuid).included_s for uuid in uuids] == [700, 700, 700]
    assert_in_order(world, 0)


def test_a_package_is_used_up_across_a_restart_of_the_daemon(world):
    world.open_for_business(plan=PACKAGE, credit="0.50")
    uuid = world.call(talk_us=None)
    world.run(30)
    world.kill_daemon()
    world.start_daemon()
    world.run(200)
    record = world.cdr(uuid)
    assert (record.billed_s, record.included_s, record.charge_micros) == (150, 100, 500_000)
    assert_in_order(world, 500_000)


def test_rows_outside_the_package_cost_money_from_the_first_second(world):
    abroad = Rate(destination="prefix:852", rate_micros_per_min=1_200_000, in_package=False)
    world.open_for_business(rates=[CENT_A_SECOND, abroad], plan=PACKAGE, credit="1.00")
    uuid = world.call(callee="0085212345678", talk_us=10 * S)
    world.run(30)
    assert (world.cdr(uuid).included_s, world.cdr(uuid).charge_micros) == (0, 200_000)
    assert_in_order(world, 1_000_000)


def test_the_connect_fee_is_due_at_the_second_at_which_the_package_ends(world):
    fee = msgspec.structs.replace(CENT_A_SECOND, connect_fee_micros=200_000)
    world.open_for_business(rates=[fee], plan=PACKAGE, credit="0.50")
    inside = world.call(talk_us=60 * S)
    world.run(70)
    beyond = world.call(talk_us=None)
    world.run(100)
    assert world.cdr(inside).charge_micros == 0
    record = world.cdr(beyond)
    assert (record.included_s, record.billed_s, record.charge_micros) == (40, 70, 500_000)
    assert_in_order(world, 500_000)


# bands


def test_a_call_changes_its_price_at_the_edge_of_a_band(world_at):
    world = world_at("2026-11-20T07:59:31")
    world.open_for_business(rates=BANDS, plan=PEAK, credit="1.00")
    uuid = world.call(talk_us=None)  # answered 1 s later: 28 s of night, and then the day
    world.run(120)
    record = world.cdr(uuid)
    assert (record.billed_s, record.charge_micros) == (64, 1_000_000)
    assert "usage 28 s at 0.60/min 0.28 + usage peak 36 s at 1.20/min 0.72" in record.explanation
    assert_in_order(world, 1_000_000)


def test_a_call_that_rings_across_an_edge_was_held_for_at_the_dearer_price(world_at):
    world = world_at("2026-11-20T07:59:50")
    world.open_for_business(rates=BANDS, plan=PEAK, credit="0.10")
    uuid = world.call(ring_us=15 * S, talk_us=None)
    world.run(5)
    (hold,) = world.holds()
    assert hold.amount_micros == hold.granted_s * 20_000
    world.run(60)
    record = world.cdr(uuid)
    assert (record.billed_s, record.charge_micros) == (5, 100_000)
    assert record.explanation.endswith("1.20/min, 1/1: 5 s -> 5 s = 0.10")
    assert_in_order(world, 100_000)


# fees and increments


def test_a_connect_fee_that_cannot_be_paid_starts_no_call(world):
    fee = msgspec.structs.replace(CENT_A_SECOND, connect_fee_micros=200_000)
    world.open_for_business(rates=[fee], credit="0.20")
    refused = world.call()
    world.run(5)
    assert world.cdr(refused).refusal == "no_credit"
    world.topup("acme", 30_000, "pay-2")
    uuid = world.call(talk_us=None)
    world.run(20)
    assert (world.cdr(uuid).billed_s, world.cdr(uuid).charge_micros) == (3, 230_000)
    assert_in_order(world, 230_000)


def test_a_connected_call_has_one_price_however_long_and_an_unanswered_one_none(world):
    per_call = Rate(rate_micros_per_min=0, per_call_micros=2_000_000)
    world.open_for_business(rates=[per_call], credit="4.50")
    short, long = world.call(talk_us=1), world.call(talk_us=1_000 * S)
    busy = world.call(outcome="busy")
    world.run(1_100)
    charges = [world.cdr(uuid).charge_micros for uuid in (short, long, busy)]
    assert charges == [2_000_000, 2_000_000, 0]
    refused = world.call()
    world.run(5)
    assert world.cdr(refused).refusal == "no_credit"
    assert_in_order(world, 4_500_000)


def test_by_60_60_a_call_ends_with_the_last_whole_minute_that_credit_buys(world):
    by_minute = msgspec.structs.replace(CENT_A_SECOND, first_increment_s=60, next_increment_s=60)
    world.open_for_business(rates=[by_minute], credit="1.79")
    uuid = world.call(talk_us=None)
    world.run(200)
    record = world.cdr(uuid)
    assert (record.billed_s, record.charge_micros) == (120, 1_200_000)
    assert 119_900_000 <= record.duration_us <= 120_000_000
    refused = world.call()
    world.run(5)
    assert world.cdr(refused).refusal == "no_credit"
    assert_in_order(world, 1_790_000)


def test_a_package_and_increments_share_the_minute_they_meet_in(world):
    by_minute = msgspec.structs.replace(CENT_A_SECOND, first_increment_s=60, next_increment_s=60)
    world.open_for_business(rates=[by_minute], plan=PACKAGE, credit="1.00")
    uuid = world.call(talk_us=61 * S)
    world.run(100)
    record = world.cdr(uuid)
    assert (record.billed_s, record.included_s, record.charge_micros) == (120, 100, 200_000)
    assert_in_order(world, 1_000_000)


# levels


def test_reaching_a_level_brings_the_month_s_calls_to_it_by_one_entry(world):
    world.open_for_business(rates=CHEAPER_FROM_2_MIN, plan=Plan(levels=BY_MINUTES), credit="9")
    for talk_s in (50, 40, 35, 20):
        world.call(talk_us=talk_s * S)
        world.run(60)
    assert [record.charge_micros for record in world.cdrs()] == [500_000, 400_000, 350_000, 100_000]
    (adjustment,) = world.entries(EntryKind.ADJUSTMENT)
    assert adjustment.amount_micros == 625_000
    assert adjustment.note == (
        "std v1: the month reached 2 minutes: 3 calls at that level 0.625 "
        "- charged so far 1.25 = -0.625"
    )
    assert (world.usage().billed_s, world.usage().calls) == (145, 4)
    assert_in_order(world, 9_000_000)


def test_a_call_under_way_when_the_level_is_reached_is_adjusted_when_it_ends(world):
    world.open_for_business(rates=CHEAPER_FROM_2_MIN, plan=Plan(levels=BY_MINUTES), credit="9")
    world.call(talk_us=130 * S)
    under_way = world.call(talk_us=200 * S)
    world.run(250)
    assert world.cdr(under_way).charge_micros == 2_000_000
    first, second = world.entries(EntryKind.ADJUSTMENT)
    assert (first.amount_micros, second.amount_micros) == (650_000, 1_000_000)
    assert "during this call: at that level 1.00 - charged 2.00 = -1.00" in second.note
    assert world.account().balance_micros == 9_000_000 - 330 * 5_000
    assert_in_order(world, 9_000_000)


def test_levels_of_calls_count_connected_ones(world):
    rates = [
        Rate(rate_micros_per_min=0, per_call_micros=2_000_000),
        Rate(rate_micros_per_min=0, per_call_micros=1_800_000, level_from=3),
    ]
    plan = Plan(levels=Levels(LevelUnit.CALLS, LevelMode.VOLUME))
    world.open_for_business(rates=rates, plan=plan, credit="20")
    for outcome in ("answer", "busy", "answer", "answer", "answer"):
        world.call(outcome=outcome, talk_us=5 * S)
        world.run(20)
    assert world.account().balance_micros == 20_000_000 - 4 * 1_800_000
    assert len(world.entries(EntryKind.ADJUSTMENT)) == 1
    assert_in_order(world, 20_000_000)


def test_what_a_dearer_level_asks_beyond_the_credit_is_not_posted_and_said(world):
    dearer = (CENT_A_SECOND, Rate(rate_micros_per_min=1_200_000, level_from=1))
    world.open_for_business(rates=dearer, plan=Plan(levels=BY_MINUTES), credit="0.90")
    world.call(talk_us=70 * S)
    world.run(100)
    (adjustment,) = world.entries(EntryKind.ADJUSTMENT)
    assert adjustment.amount_micros == -200_000
    assert adjustment.note.endswith("= 0.70; only 0.20 of it, no more credit is free")
    assert world.account().balance_micros == 0
    assert_in_order(world, 900_000)


def test_a_version_that_takes_over_in_mid_month_leaves_earlier_calls_theirs(world):
    world.open_for_business(rates=CHEAPER_FROM_2_MIN, plan=Plan(levels=BY_MINUTES), credit="9")
    world.call(talk_us=90 * S)
    world.run(100)
    with world.db.write() as conn:
        world.add_tariff(conn, [Rate(rate_micros_per_min=60_000)], Plan(levels=BY_MINUTES))
    world.daemon.book.refresh()
    world.call(talk_us=60 * S)
    world.run(100)
    assert [record.charge_micros for record in world.cdrs()] == [900_000, 60_000]
    assert world.entries(EntryKind.ADJUSTMENT) == []


def test_graduated_a_call_goes_on_at_the_next_price_when_the_level_is_reached(world):
    plan = Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.GRADUATED))
    world.open_for_business(rates=CHEAPER_FROM_2_MIN, plan=plan, credit="1.50")
    world.call(talk_us=100 * S)
    world.run(110)
    uuid = world.call(talk_us=None)
    world.run(200)
    record = world.cdr(uuid)
    assert "usage 20 s at 0.60/min 0.20 + usage level 2 60 s at 0.30/min 0.30" in record.explanation
    assert (record.billed_s, world.account().balance_micros) == (80, 0)
    assert_in_order(world, 1_500_000)


# the month


def test_a_new_month_brings_a_new_package_and_new_levels(world_at):
    world = world_at("2026-11-30T23:58:00")
    plan = Plan(included_s=100, levels=BY_MINUTES)
    world.open_for_business(rates=CHEAPER_FROM_2_MIN, plan=plan, credit="0")
    across = world.call(talk_us=None)
    world.run(115)
    late = world.call(ring_us=S, talk_us=None)
    world.run(10)
    assert world.cdr(across).month == "2026-11"
    assert world.cdr(late).refusal == "no_credit"
    new = world.call(talk_us=None)
    world.run(150)
    assert (world.cdr(new).month, world.cdr(new).included_s) == ("2026-12", 100)
    assert world.usage(month="2026-11").included_s == 100
    assert world.usage(month="2026-12").included_s == 100


def test_a_call_over_midnight_counts_for_the_month_it_began_in(world_at):
    world = world_at("2026-11-30T23:59:30")
    world.open_for_business(plan=PACKAGE, credit="1.00")
    uuid = world.call(talk_us=120 * S)
    world.run(200)
    assert (world.cdr(uuid).included_s, world.cdr(uuid).charge_micros) == (100, 200_000)
    assert world.usage(month="2026-11").billed_s == 120
    assert world.usage(month="2026-12").billed_s == 0


# 400 numbers


def test_a_400_call_is_priced_by_the_kind_of_its_target(world):
    centre = Rate(callee_kind="call_centre", rate_micros_per_min=60_000)
    world.open_for_business(rates=[CENT_A_SECOND, centre], credit="1.00")
    uuid = world.call_400(talk_us=10 * S)
    world.run(30)
    assert world.cdr(uuid).charge_micros == 10_000
    assert world.cdr(uuid).rated_callee_kind == "call_centre"

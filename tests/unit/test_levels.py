"""Levels of a month's volume, and packages: which row prices, and what an adjustment says."""

from __future__ import annotations

import msgspec
import pytest

from fsbilling.errors import InputError
from fsbilling.numbering.region import UNKNOWN_REGION
from fsbilling.rating import tariff as tariff_module
from fsbilling.rating.charge import PartKind, explain
from fsbilling.rating.month import (
    Adjustment,
    Settled,
    Talk,
    add_to_volume,
    at_level,
    unadjusted,
    volume_adjustment,
)
from fsbilling.rating.party import Party
from fsbilling.rating.plan import UNLIMITED_S, Band, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.price import affordable_s, covered_s, price
from fsbilling.rating.rate import Rate
from fsbilling.rating.tariff import Tariff, Volume
from fsbilling.rating.terms import Terms

S = 1_000_000
HOUR_S = 3_600
SOMEBODY = Party("8613800138000", UNKNOWN_REGION)
ABROAD = Party("12025550123", UNKNOWN_REGION)

ROWS = [
    Rate(rate_id=1, rate_micros_per_min=200_000),
    Rate(rate_id=2, rate_micros_per_min=180_000, level_from=50),
    Rate(rate_id=3, rate_micros_per_min=160_000, level_from=100),
]


def tariff(of: LevelUnit, mode: LevelMode, rows=ROWS) -> Tariff:
    return Tariff("std", 1, rows, Plan(levels=Levels(of, mode)))


def terms(volume: Volume, of=LevelUnit.MINUTES, mode=LevelMode.VOLUME, rows=ROWS) -> Terms:
    found = tariff(of, mode, rows).terms(SOMEBODY, SOMEBODY, 0, volume)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("billed_s", "row"),
    [(0, 1), (50 * 60 - 1, 1), (50 * 60, 2), (100 * 60 - 1, 2), (100 * 60, 3), (10**9, 3)],
)
def test_the_level_at_the_start_prices_the_whole_call(billed_s, row):
    found = terms(Volume(billed_s, 10**6))
    assert (found.rate.rate_id, found.others, found.used_s) == (row, (), 0)


@pytest.mark.parametrize("mode", LevelMode)
@pytest.mark.parametrize(("calls", "row"), [(0, 1), (49, 1), (50, 2), (99, 2), (100, 3)])
def test_levels_of_calls_are_counted_in_calls(calls, row, mode):
    found = terms(Volume(10**9, calls), LevelUnit.CALLS, mode)
    assert (found.rate.rate_id, found.others, found.used_s) == (row, (), 0)


def test_a_graduated_call_goes_on_at_the_next_level():
    found = terms(Volume(49 * 60 + 30, 0), mode=LevelMode.GRADUATED)
    assert [row.rate_id for row in (found.rate, *found.others)] == [1, 2, 3]
    charge = price(found, 0, 60 * S)
    assert [(part.rate.rate_id, part.seconds, part.amount_micros) for part in charge.parts] == [
        (1, 30, 100_000),
        (2, 30, 90_000),
    ]
    later = terms(Volume(50 * 60, 0), mode=LevelMode.GRADUATED)
    assert [row.rate_id for row in (later.rate, *later.others)] == [2, 3]
    assert price(later, 0, 60 * S).amount_micros == 180_000
    assert affordable_s(found, 0, 100_000, HOUR_S) == 30
    assert affordable_s(found, 0, 103_000, HOUR_S) == 31


def test_a_part_that_begins_where_a_level_ends_has_no_empty_part_before_it():
    found = terms(Volume(49 * 60 + 30, 0), mode=LevelMode.GRADUATED)
    charge = price(found, 0, 60 * S, 30)
    assert [part.seconds for part in charge.parts] == [30, 30]


def test_each_band_has_levels_of_its_own():
    plan = Plan(bands=(Band("all"),), levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))
    rows = [*ROWS, Rate(rate_id=9, band="all", rate_micros_per_min=1)]
    found = Tariff("std", 1, rows, plan).terms(SOMEBODY, SOMEBODY, 0, Volume(60 * 60, 0))
    assert found is not None
    assert [row.rate_id for row in (found.rate, *found.others)] == [9, 2]
    assert price(found, 0, 60 * S).amount_micros == 1


def test_calls_at_one_level_share_their_terms_and_those_at_others_do_not():
    shared = tariff(LevelUnit.MINUTES, LevelMode.VOLUME)

    def at(billed_s: int) -> Terms | None:
        return shared.terms(SOMEBODY, SOMEBODY, 0, Volume(billed_s))

    assert at(0) is at(60)
    assert at(0) is not at(3_000)
    graduated = tariff(LevelUnit.MINUTES, LevelMode.GRADUATED)
    one, other = (graduated.terms(SOMEBODY, SOMEBODY, 0, Volume(s)) for s in (0, 1))
    assert one is not None
    assert other is not None
    assert (one.used_s, other.used_s) == (0, 1)


DAY_US = 86_400 * S
BY_BAND = Plan(
    bands=(Band("day", (), ((480, 1_200),)),),
    levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME),
)


def test_rows_of_no_band_store_no_edges():
    found = Tariff("std", 1, ROWS, BY_BAND).terms(SOMEBODY, SOMEBODY, 0)
    assert found is not None
    assert found.edges == ()


@pytest.mark.parametrize(
    ("rows", "plan"), [(ROWS, Plan(levels=BY_BAND.levels)), (ROWS[:1], BY_BAND)]
)
def test_calls_that_no_band_concerns_share_their_terms_from_day_to_day(rows, plan):
    shared = Tariff("std", 1, rows, plan)
    assert shared.terms(SOMEBODY, SOMEBODY, 0) is shared.terms(SOMEBODY, SOMEBODY, DAY_US)


def test_a_match_without_further_levels_shares_its_terms_at_any_volume():
    graduated = tariff(LevelUnit.MINUTES, LevelMode.GRADUATED, ROWS[:1])
    one, other = (graduated.terms(SOMEBODY, SOMEBODY, 0, Volume(s)) for s in (0, 59))
    assert one is other


def test_terms_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(tariff_module, "MAX_TERMS", 3)
    graduated = tariff(LevelUnit.MINUTES, LevelMode.GRADUATED)
    for billed_s in range(10):
        found = graduated.terms(SOMEBODY, SOMEBODY, 0, Volume(billed_s))
        assert found is not None
        assert found.used_s == billed_s
        assert len(graduated._terms) <= 3


def test_a_tariff_without_levels_does_not_ask_for_the_volume():
    plain = Tariff("std", 1, ROWS[:1])
    assert plain.terms(SOMEBODY, SOMEBODY, 0) is plain.terms(SOMEBODY, SOMEBODY, 0, Volume(9, 9))
    assert plain.level_at(Volume(10**6, 10**6)) == 0
    assert Tariff("std", 1, ROWS).level_at(Volume(10**6, 10**6)) == 0


def test_no_row_gives_no_terms():
    rows = [Rate(destination="prefix:86", rate_micros_per_min=1)]
    assert Tariff("std", 1, rows).terms(SOMEBODY, ABROAD, 0) is None


def test_the_plans_precision_is_the_terms():
    rough = Tariff("std", 1, ROWS[:1], Plan(precision_micros=10_000))
    found = rough.terms(SOMEBODY, SOMEBODY, 0)
    assert found is not None
    assert found.precision_micros == 10_000


def test_the_plans_zones_are_the_tariffs():
    rows = [Rate(destination="zone:capital", rate_micros_per_min=1)]
    zoned = Tariff("std", 1, rows, Plan(zones={"capital": ("prefix:1202",)}))
    found = zoned.terms(SOMEBODY, ABROAD, 0)
    assert found == Terms(tariff="std", version=1, rate=rows[0])


def settled(*seconds: int, price_micros: int = 200_000) -> list[Settled]:
    return [
        Settled(Talk(SOMEBODY, SOMEBODY, 0, talked_s * S), 0, talked_s * price_micros // 60)
        for talked_s in seconds
    ]


def test_reaching_a_level_gives_back_the_difference_for_all_calls_before():
    calls = settled(1_500, 1_500)
    got = volume_adjustment(
        tariff(LevelUnit.MINUTES, LevelMode.VOLUME), calls, Volume(1_500, 1), Volume(3_000, 2)
    )
    assert got == Adjustment(
        50,
        2,
        -1_000_000,
        "std v1: the month reached 50 minutes: 2 calls at that level 9.00 "
        "- charged so far 10.00 = -1.00",
    )


def test_a_second_adjustment_takes_the_first_into_account():
    calls = settled(3_000, 3_000)
    first = Adjustment(50, 1, -1_000_000, "")
    got = volume_adjustment(
        tariff(LevelUnit.MINUTES, LevelMode.VOLUME),
        calls,
        Volume(3_000, 1),
        Volume(6_000, 2),
        [first],
    )
    assert got is not None
    assert got.amount_micros == 16_000_000 - (20_000_000 - 1_000_000)


def test_a_level_may_cost_more_and_the_adjustment_is_then_charged():
    rows = [ROWS[0], Rate(rate_micros_per_min=300_000, level_from=50)]
    got = volume_adjustment(
        tariff(LevelUnit.MINUTES, LevelMode.VOLUME, rows),
        settled(3_000),
        Volume(),
        Volume(3_000, 1),
    )
    assert got is not None
    assert got.amount_micros == 5_000_000


def test_included_seconds_stay_included_when_a_level_is_reached():
    call = Settled(Talk(SOMEBODY, SOMEBODY, 0, 3_000 * S), 600, 8_000_000)
    got = volume_adjustment(
        tariff(LevelUnit.MINUTES, LevelMode.VOLUME), [call], Volume(), Volume(3_000, 1)
    )
    assert got is not None
    assert got.amount_micros == 40 * 180_000 - 8_000_000


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        (LevelMode.VOLUME, 0, 2_999),
        (LevelMode.VOLUME, 3_000, 5_999),
        (LevelMode.GRADUATED, 0, 6_000),
    ],
)
def test_without_reaching_a_volume_level_there_is_no_adjustment(mode, before, after):
    levels = tariff(LevelUnit.MINUTES, mode)
    assert volume_adjustment(levels, settled(60), Volume(before), Volume(after)) is None
    plain = Tariff("std", 1, ROWS[:1])
    assert volume_adjustment(plain, settled(60), Volume(before), Volume(after)) is None


def test_an_adjustment_looks_back_on_each_call_in_its_own_band():
    rows = [*ROWS, Rate(band="day", rate_micros_per_min=1_000_000)]
    by_night, by_day = 20 * 3_600 * S, 4 * 3_600 * S  # 04:00 and 12:00 in Shanghai
    calls = [
        Settled(Talk(SOMEBODY, SOMEBODY, by_night, 3_000 * S), 0, 10_000_000),
        Settled(Talk(SOMEBODY, SOMEBODY, by_day, 60 * S), 0, 1_000_000),
    ]
    got = volume_adjustment(Tariff("std", 1, rows, BY_BAND), calls, Volume(60, 1), Volume(3_060, 2))
    assert got is not None
    assert got.amount_micros == -1_000_000


def test_a_call_that_the_tariff_has_no_row_for_is_a_fault():
    rows = [msgspec.structs.replace(row, destination="prefix:86") for row in ROWS]
    abroad = [Settled(Talk(SOMEBODY, ABROAD, 0, S), 0, 0)]
    with pytest.raises(InputError, match="std v1 has no row for a call"):
        volume_adjustment(
            tariff(LevelUnit.MINUTES, LevelMode.VOLUME, rows), abroad, Volume(), Volume(3_000, 1)
        )


@pytest.mark.parametrize(
    ("billed_s", "level", "due_micros"), [(0, 0, 10_000_000), (3_000, 50, 9_000_000)]
)
def test_a_month_comes_to_the_level_it_is_at_whatever_was_posted(billed_s, level, due_micros):
    calls = settled(1_500, 1_500)
    levels = tariff(LevelUnit.MINUTES, LevelMode.VOLUME)
    for adjusted_micros in (-1_000_000, 0, 7):
        got = at_level(levels, calls, Volume(billed_s, 2), adjusted_micros)
        assert (got.level, got.calls) == (level, 2)
        assert got.amount_micros == due_micros - 10_000_000 - adjusted_micros


@pytest.mark.parametrize("levels", [None, Levels(LevelUnit.MINUTES, LevelMode.GRADUATED)])
def test_a_tariff_that_looks_back_on_no_call_takes_back_what_was_adjusted(levels):
    got = at_level(Tariff("std", 7, ROWS[:1], Plan(levels=levels)), settled(60), Volume(60), -5)
    assert got == unadjusted("std", 7, 1, -5)
    assert got == Adjustment(
        0,
        1,
        5,
        "std v7: no level changes its 1 calls of the month: adjusted so far -0.000005, taken back",
    )


@pytest.mark.parametrize(
    ("asked_micros", "comes_to_micros"),
    [(0, 0), (7, 7), (8, 8), (9, 8), (10, 8), (11, 9), (20, 18)],
)
def test_of_a_call_of_8_that_was_asked_10_the_2_stay_waived(asked_micros, comes_to_micros):
    call = Settled(Talk(SOMEBODY, SOMEBODY, 0, S), 0, 8, 2)
    assert call.comes_to_micros(asked_micros) == comes_to_micros


def test_a_call_of_which_nothing_was_waived_comes_to_what_is_asked():
    call = Settled(Talk(SOMEBODY, SOMEBODY, 0, S), 0, 8)
    assert [call.comes_to_micros(asked) for asked in (0, 7, 8, 9, 100)] == [0, 7, 8, 9, 100]


@pytest.mark.parametrize(
    ("charge_micros", "amount_micros"),
    # At the level the call is asked 9.00, and was asked 10.00.
    [(10_000_000, -1_000_000), (9_500_000, -500_000), (9_000_000, 0), (100, 0)],
)
def test_a_cheaper_level_gives_back_no_more_of_a_call_than_was_paid(charge_micros, amount_micros):
    call = Settled(
        Talk(SOMEBODY, SOMEBODY, 0, 3_000 * S), 0, charge_micros, 10_000_000 - charge_micros
    )
    got = at_level(tariff(LevelUnit.MINUTES, LevelMode.VOLUME), [call], Volume(3_000, 1), 0)
    assert got.amount_micros == amount_micros


def test_only_volume_levels_look_back():
    plans = [Plan(), *(Plan(levels=Levels(LevelUnit.MINUTES, mode)) for mode in LevelMode)]
    assert [plan.looks_back for plan in plans] == [False, True, False]


def test_only_billed_calls_count_for_the_volume():
    found = terms(Volume())
    once = add_to_volume(Volume(5, 1), price(found, 0, S))
    assert once == Volume(6, 2)
    assert add_to_volume(once, price(found, 0, 0)) == once


PACKAGE = Terms(
    tariff="std",
    version=1,
    rate=Rate(
        rate_micros_per_min=60_000,
        connect_fee_micros=7,
        per_call_micros=100,
        min_charge_micros=5_000,
        first_increment_s=6,
        next_increment_s=6,
    ),
)


def test_a_call_within_the_package_pays_the_price_per_call_only():
    charge = price(PACKAGE, 0, 60 * S, 60)
    assert [(part.kind, part.amount_micros, part.seconds) for part in charge.parts] == [
        (PartKind.INCLUDED, 0, 60),
        (PartKind.PER_CALL, 100, 0),
    ]
    assert (charge.billed_s, charge.included_s, charge.amount_micros) == (60, 60, 100)


def test_money_begins_at_the_second_at_which_the_package_ends():
    charge = price(PACKAGE, 0, 60 * S, 59)
    assert [(part.kind, part.amount_micros, part.seconds) for part in charge.parts] == [
        (PartKind.INCLUDED, 0, 59),
        (PartKind.PER_CALL, 100, 0),
        (PartKind.CONNECT_FEE, 7, 0),
        (PartKind.USAGE, 1_000, 1),
        (PartKind.MINIMUM, 3_893, 0),
    ]
    assert charge.amount_micros == 5_000
    assert affordable_s(PACKAGE, 0, 4_999, HOUR_S, 59) == 54
    assert affordable_s(PACKAGE, 0, 5_000, HOUR_S, 59) == 60
    assert affordable_s(PACKAGE, 0, 99, HOUR_S, 59) == 0
    assert affordable_s(PACKAGE, 0, 100, HOUR_S, 3) == 0
    assert affordable_s(PACKAGE, 0, 100, HOUR_S, 6) == 6
    assert affordable_s(PACKAGE, 0, 100, HOUR_S, 59) == 54
    assert covered_s(PACKAGE, 0, price(PACKAGE, 0, S, 59), HOUR_S) == 6


def test_a_package_without_end_lasts_to_the_limit():
    free = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=10**12))
    assert affordable_s(free, 0, 0, HOUR_S, UNLIMITED_S) == HOUR_S
    assert price(free, 0, HOUR_S * S, UNLIMITED_S).amount_micros == 0


def test_a_row_outside_the_package_is_paid_from_the_first_second():
    abroad = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=60_000, in_package=False))
    charge = price(abroad, 0, 60 * S, 60)
    assert (charge.included_s, charge.amount_micros) == (0, 60_000)
    assert affordable_s(abroad, 0, 30_000, HOUR_S, 60) == 30


def test_seconds_that_are_not_there_pay_for_nothing():
    assert price(PACKAGE, 0, 60 * S, -5) == price(PACKAGE, 0, 60 * S)


def test_the_explanation_tells_what_the_package_paid_for():
    assert explain(PACKAGE, price(PACKAGE, 0, 60 * S, 60)).endswith(
        "60 s -> 60 s: 60 s included 0.00 + per call 0.0001 = 0.0001"
    )
    assert explain(PACKAGE, price(PACKAGE, 0, 60 * S, 59)).endswith(
        "60 s included".replace("60", "59")
        + " 0.00 + per call 0.0001 + connect fee 0.000007 + usage 1 s at 0.06/min 0.001"
        " + minimum 0.003893 = 0.005"
    )


def test_the_explanation_names_levels_relations_and_kinds():
    found = terms(Volume(49 * 60 + 30, 0), mode=LevelMode.GRADUATED)
    assert explain(found, price(found, 0, 60 * S)) == (
        "std v1 row 1: caller *, callee *: 0.20/min, 1/1: 60 s -> 60 s: "
        "usage 30 s at 0.20/min 0.10 + usage level 50 30 s at 0.18/min 0.09 = 0.19"
    )
    rate = Rate(
        rate_micros_per_min=0,
        rate_micros_per_hour=12_000_000,
        callee_kind="mobile",
        relation="elsewhere",
        level_from=50,
    )
    hourly = Terms(tariff="std", version=1, rate=rate)
    assert explain(hourly, price(hourly, 0, 60 * S)) == (
        "std v1: caller *, callee *, callee kind mobile, relation elsewhere, level 50: "
        "12.00/h, 1/1: 60 s -> 60 s = 0.20"
    )


def test_parts_that_add_up_need_no_rounding():
    rows = [Rate(rate_micros_per_min=20), Rate(rate_micros_per_min=20, level_from=1)]
    found = terms(Volume(), mode=LevelMode.GRADUATED, rows=rows)
    # 61 s of 1/3 micro-unit: 20.333; the parts are 20 and 0. Add 1 s: 20.667, parts 20 and 1.
    two_thirds = price(found, 0, 62 * S)
    assert [part.amount_micros for part in two_thirds.parts] == [20, 1]


@pytest.mark.parametrize("bound", [{}, {"min_charge_micros": 1}, {"max_charge_micros": 1}])
def test_rounding_is_a_part_of_its_own_and_neither_minimum_nor_cap(bound):
    rows = [Rate(rate_micros_per_min=10, level_from=level, **bound) for level in (0, 1)]
    begun = terms(Volume(57), mode=LevelMode.GRADUATED, rows=rows)
    halves = price(begun, 0, 6 * S)  # 3 s each: 0.5 and 0.5, rounded up to 1 and 1
    assert [(part.kind, part.amount_micros) for part in halves.parts] == [
        (PartKind.USAGE, 1),
        (PartKind.USAGE, 1),
        (PartKind.ROUNDING, -1),
    ]
    assert explain(begun, halves).endswith("- rounding 0.000001 = 0.000001")

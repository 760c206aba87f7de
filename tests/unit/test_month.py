"""A month call by call: what a hold waived, what is missing to the minimum, fees of months."""

from __future__ import annotations

import msgspec
import pytest

from fsbilling.numbering.region import UNKNOWN_REGION
from fsbilling.rating.month import (
    RunningMonth,
    Talk,
    fees_micros,
    span_months,
    top_up_micros,
)
from fsbilling.rating.party import Party
from fsbilling.rating.plan import PLAIN, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.tariff import Tariff, Volume

S = 1_000_000
SOMEBODY = Party("8613800138000", UNKNOWN_REGION)
ABROAD = Party("12025550123", UNKNOWN_REGION)
FIVE_MIN = Talk(SOMEBODY, SOMEBODY, 0, 300 * S)

AT_20_FEN = [Rate(destination="prefix:86", rate_micros_per_min=200_000)]
DEARER = [*AT_20_FEN, Rate(destination="prefix:86", rate_micros_per_min=300_000, level_from=10)]
PLAN = Plan(included_s=360, month_fee_micros=30, minimum_spend_micros=100)


def at_levels(mode: LevelMode) -> RunningMonth:
    return RunningMonth(Tariff("std", 1, DEARER, Plan(levels=Levels(LevelUnit.MINUTES, mode))))


def test_a_new_month_has_nothing_but_its_fees():
    month = RunningMonth(Tariff("std", 1, AT_20_FEN, PLAN))
    assert (month.volume, month.included_s, month.usage_micros) == (Volume(), 0, 0)
    assert (month.fee_micros, month.top_up_micros, month.adjustments) == (30, 70, [])


def test_each_call_takes_what_the_package_has_left():
    month = RunningMonth(Tariff("std", 1, AT_20_FEN, PLAN))
    charges = [month.add(FIVE_MIN) for _ in range(3)]
    assert [charge and charge.included_s for charge in charges] == [300, 60, 0]
    assert (month.included_s, month.usage_micros) == (360, 800_000 + 1_000_000)
    assert (month.volume, month.top_up_micros) == (Volume(900, 3), 0)


def test_a_call_without_a_row_leaves_the_month_as_it_was():
    month = RunningMonth(Tariff("std", 1, AT_20_FEN, PLAN))
    assert month.add(Talk(SOMEBODY, ABROAD, 0, 300 * S)) is None
    assert (month.volume, month.included_s, month.usage_micros) == (Volume(), 0, 0)


@pytest.mark.parametrize(
    ("limit_micros", "usage_micros"),
    [(None, 1_000_000), (0, 0), (1, 1), (999_999, 999_999), (1_000_000, 1_000_000), (10**9, S)],
)
def test_what_a_call_costs_beyond_its_limit_is_waived(limit_micros, usage_micros):
    month = RunningMonth(Tariff("std", 1, AT_20_FEN))
    charge = month.add(FIVE_MIN, limit_micros)
    assert charge is not None
    assert (charge.amount_micros, month.usage_micros) == (1_000_000, usage_micros)


def test_a_level_does_not_ask_for_what_was_waived():
    month = at_levels(LevelMode.VOLUME)
    month.add(FIVE_MIN, 400_000)
    month.add(FIVE_MIN)
    assert [(each.level, each.amount_micros) for each in month.adjustments] == [(10, 1_000_000)]
    # All 10 minutes at 0.30, but for the 0.60 of the first call that its hold did not cover.
    assert month.usage_micros == 3_000_000 - 600_000
    month.add(FIVE_MIN)
    assert len(month.adjustments) == 1
    assert month.usage_micros == 4_500_000 - 600_000


@pytest.mark.parametrize(
    ("limit_micros", "comes_to_micros"),
    # Five minutes at 0.20, and at 0.10 from ten minutes on.
    [(None, 500_000), (900_000, 500_000), (500_001, 500_000), (500_000, 500_000), (400_000,) * 2],
)
def test_a_cheaper_level_gives_back_no_more_than_was_paid(limit_micros, comes_to_micros):
    cheaper = msgspec.structs.replace(DEARER[1], rate_micros_per_min=100_000)
    plan = Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))
    month = RunningMonth(Tariff("std", 1, [DEARER[0], cheaper], plan))
    month.add(FIVE_MIN, limit_micros)
    month.add(FIVE_MIN)
    assert month.usage_micros == comes_to_micros + 500_000


def test_a_level_leaves_included_seconds_included():
    plan = Plan(included_s=60, levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))
    month = RunningMonth(Tariff("std", 1, DEARER, plan))
    month.add(FIVE_MIN)
    month.add(FIVE_MIN)
    assert month.usage_micros == 9 * 300_000


def test_graduated_levels_adjust_nothing():
    month = at_levels(LevelMode.GRADUATED)
    for _ in range(3):
        month.add(FIVE_MIN)
    assert (month.usage_micros, month.adjustments) == (10 * 200_000 + 5 * 300_000, [])


@pytest.mark.parametrize(
    ("usage_micros", "missing_micros"), [(-10, 80), (0, 70), (69, 1), (70, 0), (71, 0), (200, 0)]
)
def test_the_base_fee_and_the_usage_count_for_the_minimum_spend(usage_micros, missing_micros):
    assert top_up_micros(PLAN, usage_micros) == missing_micros


def test_a_plan_that_says_nothing_includes_nothing_and_asks_for_nothing():
    assert (PLAIN.included_s, PLAIN.month_fee_micros, PLAIN.minimum_spend_micros) == (0, 0, 0)


def test_a_plan_without_a_minimum_spend_is_short_of_nothing():
    assert top_up_micros(Plan(month_fee_micros=30), 0) == 0


@pytest.mark.parametrize(
    ("months", "span"),
    [
        ((), 0),
        (("2026-11",), 1),
        (("2026-11", "2026-12"), 2),
        (("2027-02", "2026-11"), 4),
        (("2026-11", "2028-11", "2027-01"), 25),
    ],
)
def test_a_span_of_months_has_its_first_and_its_last(months, span):
    assert span_months(months) == span


@pytest.mark.parametrize(
    ("usage_micros", "fees"),
    [
        ({}, 0),
        ({"2026-11": 0}, 100),
        ({"2026-11": 50}, 50),
        ({"2026-11": 500}, 30),
        ({"2026-11": 500, "2026-12": 60}, 30 + 40),
        # December and January had no usage, and are due whole.
        ({"2027-02": 69, "2026-11": 500}, 30 + 100 + 100 + 31),
    ],
)
def test_fees_are_due_for_every_month_from_the_first_to_the_last(usage_micros, fees):
    assert fees_micros(PLAN, usage_micros) == fees

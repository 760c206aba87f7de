"""What a row may ask: the bounds of its prices, increments, grace and level."""

from __future__ import annotations

import msgspec
import pytest

from fsbilling.rating.rate import Rate, rate_faults

MILLION = 10**12  # in micro-units

AMOUNTS = (
    "rate_micros_per_min",
    "rate_micros_per_hour",
    "connect_fee_micros",
    "per_call_micros",
    "min_charge_micros",
    "max_charge_micros",
)
COUNTS = (
    ("first_increment_s", 1, 86_400, " seconds"),
    ("next_increment_s", 1, 86_400, " seconds"),
    ("grace_s", 0, 3_600, " seconds"),
    ("level_from", 0, 10**9, ""),
)


def faults(**fields: int) -> list[tuple[str, str]]:
    return list(rate_faults(msgspec.structs.replace(Rate(rate_micros_per_min=0), **fields)))


@pytest.mark.parametrize("field", AMOUNTS)
def test_no_price_is_negative_or_above_a_million(field):
    assert faults(**{field: MILLION}) == faults(**{field: 0}) == []
    for micros in (-1, MILLION + 1):
        assert (field, "must be from 0 to 1000000") in faults(**{field: micros})


@pytest.mark.parametrize(("field", "least", "most", "unit"), COUNTS)
def test_no_increment_grace_or_level_is_out_of_its_bounds(field, least, most, unit):
    assert faults(**{field: least}) == faults(**{field: most}) == []
    for count in (least - 1, most + 1):
        assert faults(**{field: count}) == [(field, f"must be from {least} to {most}{unit}")]


@pytest.mark.parametrize(
    ("minimum", "maximum", "told"), [(5, 4, True), (5, 5, False), (5, 0, False), (0, 1, False)]
)
def test_no_maximum_is_below_its_minimum(minimum, maximum, told):
    found = faults(min_charge_micros=minimum, max_charge_micros=maximum)
    below = [("max_charge_micros", "must not be below the minimum charge (0: no maximum)")]
    assert found == (below if told else [])


def test_a_price_is_per_minute_or_per_hour():
    assert faults(rate_micros_per_min=1, rate_micros_per_hour=1) == [
        ("rate_micros_per_hour", "give a price per minute or per hour, not both")
    ]


def test_an_hour_costs_the_same_whichever_way_it_is_written():
    assert Rate(rate_micros_per_min=200_000).hour_micros == 12_000_000
    assert Rate(rate_micros_per_min=0, rate_micros_per_hour=12_000_000).hour_micros == 12_000_000


def test_a_row_that_says_nothing_more_asks_nothing_more():
    assert Rate(rate_micros_per_min=60) == Rate(
        rate_id=0,
        origin="*",
        destination="*",
        callee_kind="*",
        relation="*",
        band="*",
        level_from=0,
        rate_micros_per_min=60,
        rate_micros_per_hour=0,
        connect_fee_micros=0,
        per_call_micros=0,
        first_increment_s=1,
        next_increment_s=1,
        grace_s=0,
        min_charge_micros=0,
        max_charge_micros=0,
        in_package=True,
        note="",
    )

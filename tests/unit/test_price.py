"""What a call costs, to the micro-unit, and how long credit lasts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbilling.money import format_micros, parse_micros
from fsbilling.rating.price import (
    Charge,
    Part,
    PartKind,
    affordable_s,
    covered_s,
    price,
)
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_csv import parse
from fsbilling.rating.terms import Terms

S = 1_000_000
ANSWERED_US = 1_795_190_400 * S
HOUR_S = 3_600


def terms(price_per_min=150_000, **fields) -> Terms:
    return Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=price_per_min, **fields))


def charge(duration_us, **fields) -> Charge:
    return price(terms(**fields), ANSWERED_US, duration_us)


def amounts(got: Charge) -> list[tuple[PartKind, int]]:
    return [(part.kind, part.amount_micros) for part in got.parts]


@pytest.mark.parametrize(
    ("duration_us", "billed_s"),
    [(1, 1), (S, 1), (S + 1, 2), (59 * S + 999_999, 60), (60 * S, 60)],
)
def test_a_duration_is_rounded_up_to_whole_seconds(duration_us, billed_s):
    assert charge(duration_us).billed_s == billed_s


@pytest.mark.parametrize(
    ("first", "following", "talked_s", "billed_s"),
    [
        (1, 1, 61, 61),
        (6, 6, 1, 6),
        (6, 6, 6, 6),
        (6, 6, 61, 66),
        (30, 6, 1, 30),
        (30, 6, 30, 30),
        (30, 6, 31, 36),
        (60, 60, 60, 60),
        (60, 60, 61, 120),
        (60, 1, 61, 61),
    ],
)
def test_increments_are_counted_from_the_answer(first, following, talked_s, billed_s):
    got = charge(talked_s * S, first_increment_s=first, next_increment_s=following)
    assert (got.talked_s, got.billed_s) == (talked_s, billed_s)


@pytest.mark.parametrize(
    ("talked_s", "price_per_min", "amount_micros"),
    [
        (1, 200_000, 3_333),  # 3333.33
        (2, 200_000, 6_667),  # 6666.67
        (3, 10, 1),  # 0.5: half goes up
        (2, 10, 0),  # 0.33
        (60, 200_000, 200_000),
        (600, 200_000, 2_000_000),  # 10 min at 0.20 = 2.00
        (3_000, 180_000, 9_000_000),  # 50 min at 0.18 = 9.00
        (6_000, 160_000, 16_000_000),  # 100 min at 0.16 = 16.00
    ],
)
def test_the_charge_is_rounded_once_half_up(talked_s, price_per_min, amount_micros):
    assert charge(talked_s * S, price_per_min=price_per_min).amount_micros == amount_micros


@pytest.mark.parametrize("duration_us", [0, -1, -5 * S])
def test_a_call_that_was_never_answered_costs_nothing(duration_us):
    got = charge(
        duration_us, connect_fee_micros=100_000, per_call_micros=1, min_charge_micros=500_000
    )
    assert (got.talked_s, got.billed_s, got.included_s, got.amount_micros) == (0, 0, 0, 0)
    assert got.parts == ()


def test_a_call_shorter_than_grace_costs_nothing():
    fields = {
        "grace_s": 3,
        "connect_fee_micros": 100_000,
        "per_call_micros": 100_000,
        "min_charge_micros": 500_000,
    }
    got = charge(3 * S - 1, **fields)
    assert (got.talked_s, got.billed_s, got.included_s, got.amount_micros) == (3, 0, 0, 0)
    assert got.parts == ()
    assert charge(3 * S, **fields).amount_micros == 500_000


def test_a_call_beyond_grace_pays_for_all_of_its_seconds():
    assert charge(10 * S, grace_s=6).billed_s == 10


def test_the_parts_say_what_the_charge_is_made_of():
    fee = (PartKind.CONNECT_FEE, 100_000)
    assert amounts(charge(60 * S)) == [(PartKind.USAGE, 150_000)]
    with_fee = {"connect_fee_micros": 100_000}
    assert amounts(charge(60 * S, **with_fee)) == [fee, (PartKind.USAGE, 150_000)]
    assert amounts(charge(60 * S, **with_fee, min_charge_micros=300_000)) == [
        fee,
        (PartKind.USAGE, 150_000),
        (PartKind.MINIMUM, 50_000),
    ]
    assert amounts(charge(120 * S, **with_fee, max_charge_micros=300_000)) == [
        fee,
        (PartKind.USAGE, 300_000),
        (PartKind.CAP, -100_000),
    ]
    assert amounts(charge(60 * S, **with_fee, per_call_micros=7)) == [
        (PartKind.PER_CALL, 7),
        fee,
        (PartKind.USAGE, 150_000),
    ]


def test_usage_tells_its_seconds_and_its_row():
    got = charge(61 * S, first_increment_s=6, next_increment_s=6)
    assert got.parts == (Part(PartKind.USAGE, 165_000, 66, got.rate),)
    assert got.rate.rate_micros_per_min == 150_000


def test_a_free_rate_still_lists_its_usage():
    assert amounts(charge(60 * S, price_per_min=0)) == [(PartKind.USAGE, 0)]


def test_a_call_at_exactly_the_minimum_or_maximum_has_no_part_for_it():
    fields = {"min_charge_micros": 150_000, "max_charge_micros": 150_000}
    assert amounts(charge(60 * S, **fields)) == [(PartKind.USAGE, 150_000)]


def test_a_price_per_hour_is_exact_where_no_price_per_minute_is():
    by_hour = {"price_per_min": 0, "rate_micros_per_hour": 10_000_000}
    assert charge(3_600 * S, **by_hour).amount_micros == 10_000_000
    assert charge(60 * S, **by_hour).amount_micros == 166_667
    assert affordable_s(terms(**by_hour), ANSWERED_US, 166_666, HOUR_S) == 59
    assert affordable_s(terms(**by_hour), ANSWERED_US, 166_667, HOUR_S) == 60


def test_every_connected_call_pays_the_price_per_call():
    per_call = {"price_per_min": 0, "per_call_micros": 2_000_000}
    assert charge(1, **per_call).amount_micros == 2_000_000
    assert charge(HOUR_S * S, **per_call).amount_micros == 2_000_000
    assert affordable_s(terms(**per_call), ANSWERED_US, 1_999_999, HOUR_S) == 0
    assert affordable_s(terms(**per_call), ANSWERED_US, 2_000_000, HOUR_S) == HOUR_S


def test_a_connect_fee_above_the_maximum_is_capped_too():
    got = charge(1, connect_fee_micros=500_000, max_charge_micros=200_000)
    assert got.amount_micros == 200_000


def test_a_maximum_below_the_minimum_still_caps():
    # No import lets such a row in; a price that fell as the call goes on would break metering.
    got = charge(1, min_charge_micros=500_000, max_charge_micros=200_000)
    assert got.amount_micros == 200_000


@pytest.mark.parametrize(
    ("credit_micros", "seconds"),
    [(0, 0), (2_499, 0), (2_500, 1), (149_999, 59), (150_000, 60), (10**12, HOUR_S)],
)
def test_credit_buys_whole_seconds(credit_micros, seconds):
    assert affordable_s(terms(), ANSWERED_US, credit_micros, HOUR_S) == seconds


def test_rounding_never_grants_a_second_that_would_not_be_paid():
    # 1 s at 0.20 is 3333.33, 2 s are 6666.67 and rounded up to 6667.
    assert affordable_s(terms(200_000), ANSWERED_US, 3_333, HOUR_S) == 1
    assert affordable_s(terms(200_000), ANSWERED_US, 6_666, HOUR_S) == 1
    assert affordable_s(terms(200_000), ANSWERED_US, 6_667, HOUR_S) == 2


@pytest.mark.parametrize(("credit_micros", "seconds"), [(149_999, 0), (150_000, 60), (299_999, 60)])
def test_credit_buys_whole_increments(credit_micros, seconds):
    by_minute = terms(first_increment_s=60, next_increment_s=60)
    assert affordable_s(by_minute, ANSWERED_US, credit_micros, HOUR_S) == seconds


@pytest.mark.parametrize(("credit_micros", "seconds"), [(99_999, 0), (100_000, 0), (102_500, 1)])
def test_the_connect_fee_comes_off_the_credit_first(credit_micros, seconds):
    with_fee = terms(connect_fee_micros=100_000)
    assert affordable_s(with_fee, ANSWERED_US, credit_micros, HOUR_S) == seconds


def test_without_credit_the_grace_remains():
    assert affordable_s(terms(grace_s=6), ANSWERED_US, 0, HOUR_S) == 5
    assert affordable_s(terms(grace_s=6), ANSWERED_US, 2_500, HOUR_S) == 5
    assert affordable_s(terms(grace_s=6), ANSWERED_US, 0, 3) == 3
    assert affordable_s(terms(grace_s=6), ANSWERED_US, 0, 6) == 5


@pytest.mark.parametrize("fields", [{}, {"grace_s": 6}, {"price_per_min": 0}])
def test_debt_buys_nothing(fields):
    assert affordable_s(terms(**fields), ANSWERED_US, -1, HOUR_S) == 0


def test_a_maximum_that_is_not_reached_changes_nothing():
    assert charge(61 * S, max_charge_micros=5_000_000).amount_micros == 152_500


def test_credit_is_compared_with_the_rounded_charge():
    rough = Terms(
        tariff="std",
        version=1,
        rate=Rate(rate_micros_per_min=150_000),
        precision_micros=10_000,
    )
    # 61 s are 0.1525 and round to 0.15; 62 s are 0.155 and round to 0.16.
    assert affordable_s(rough, ANSWERED_US, 150_000, HOUR_S) == 61
    assert affordable_s(rough, ANSWERED_US, 159_999, HOUR_S) == 61
    assert affordable_s(rough, ANSWERED_US, 160_000, HOUR_S) == 65
    assert affordable_s(rough, ANSWERED_US, 9_999, HOUR_S) == 1


def test_a_maximum_that_rounds_up_beyond_the_credit_is_not_reached():
    rate = Rate(rate_micros_per_min=150_000, max_charge_micros=5_000)
    capped = Terms(tariff="std", version=1, rate=rate, precision_micros=10_000)
    # 2 s ask the maximum, and half of the precision rounds up.
    assert affordable_s(capped, ANSWERED_US, 9_999, HOUR_S) == 1
    assert affordable_s(capped, ANSWERED_US, 10_000, HOUR_S) == HOUR_S


@pytest.mark.parametrize(
    ("per_hour", "seconds"), [(1, 1_799), (7, 257), (1_799, 1), (1_800, 0), (3_600, 0)]
)
@pytest.mark.parametrize("more_s", [1, HOUR_S])
def test_without_credit_seconds_last_until_they_round_to_something(per_hour, seconds, more_s):
    by_hour = terms(0, rate_micros_per_hour=per_hour)
    got = affordable_s(by_hour, ANSWERED_US, 0, seconds + more_s)
    assert got == seconds
    assert isinstance(got, int)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"per_call_micros": 4_999}, 10),
        ({"per_call_micros": 5_000}, 0),
        ({"connect_fee_micros": 3_999}, 11),
        ({"connect_fee_micros": 4_000}, 10),
        ({"connect_fee_micros": 5_000}, 10),
        ({"min_charge_micros": 4_999}, 14),
        ({"min_charge_micros": 5_000}, 10),
    ],
)
def test_a_fee_that_rounds_to_nothing_is_afforded_without_credit(fields, seconds):
    """0.005 is rounded to 0.01, what is below it to nothing; 10 s are included."""
    rate = Rate(rate_micros_per_min=60_000, **fields)
    by_fen = Terms(tariff="std", version=1, rate=rate, precision_micros=10_000)
    assert affordable_s(by_fen, ANSWERED_US, 0, HOUR_S, 10) == seconds


@pytest.mark.parametrize("limit_s", [0, -1])
def test_nothing_fits_into_no_time(limit_s):
    assert affordable_s(terms(0), ANSWERED_US, 10**9, limit_s) == 0


def test_credit_below_the_minimum_charge_buys_nothing():
    with_minimum = terms(min_charge_micros=300_000)
    assert affordable_s(with_minimum, ANSWERED_US, 299_999, HOUR_S) == 0
    assert affordable_s(with_minimum, ANSWERED_US, 300_000, HOUR_S) == 120


def test_a_call_at_its_maximum_charge_goes_on_to_the_limit():
    capped = terms(max_charge_micros=300_000)
    assert affordable_s(capped, ANSWERED_US, 299_999, HOUR_S) == 119
    assert affordable_s(capped, ANSWERED_US, 300_000, HOUR_S) == HOUR_S


def test_a_free_call_goes_on_to_the_limit():
    assert affordable_s(terms(0), ANSWERED_US, 0, HOUR_S) == HOUR_S
    assert affordable_s(terms(0, connect_fee_micros=1), ANSWERED_US, 0, HOUR_S) == 0
    assert affordable_s(terms(0, connect_fee_micros=1), ANSWERED_US, 1, HOUR_S) == HOUR_S


@pytest.mark.parametrize(("seconds", "covered"), [(0, 0), (1, 60), (60, 60), (61, 120)])
def test_a_second_covers_its_increment_to_the_end(seconds, covered):
    by_minute = terms(first_increment_s=60, next_increment_s=60)
    paid = price(by_minute, ANSWERED_US, seconds * S)
    assert covered_s(by_minute, ANSWERED_US, paid, HOUR_S) == covered


def test_what_is_covered_ends_at_the_limit():
    by_minute = terms(first_increment_s=60, next_increment_s=60)
    paid = price(by_minute, ANSWERED_US, 61 * S)
    assert covered_s(by_minute, ANSWERED_US, paid, 100) == 100
    capped = terms(max_charge_micros=1)
    assert covered_s(capped, ANSWERED_US, price(capped, ANSWERED_US, S), HOUR_S) == HOUR_S


def test_a_minimum_charge_covers_all_that_it_buys():
    at_least = terms(min_charge_micros=300_000)
    assert covered_s(at_least, ANSWERED_US, price(at_least, ANSWERED_US, S), HOUR_S) == 120


def documented_charges() -> list[tuple[str, ...]]:
    """Rows of the table in docs/rates.md: price, increments, other, talk, billed, charge."""
    page = (Path(__file__).parents[2] / "docs" / "rates.md").read_text(encoding="utf-8")
    table = page.split("| price | increments | other | talk | billed | charge |\n")[1]
    rows = table.split("\n\n")[0].splitlines()[1:]
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows]


@pytest.mark.parametrize("example", documented_charges())
def test_the_documented_charges_are_true(example):
    price_per_min, increments, other, talk, billed, amount = example
    header = "price_per_min,first_increment_s,next_increment_s"
    row = f"{price_per_min},{increments.replace('/', ',')}"
    if other:
        column, value = other.split()
        header, row = f"{header},{column.strip('`')}", f"{row},{value}"
    [rate] = parse(f"{header}\n{row}\n".encode())
    duration_us = parse_micros(talk.removesuffix(" s"))
    got = price(Terms(tariff="std", version=1, rate=rate), ANSWERED_US, duration_us)
    assert f"{got.billed_s} s" == billed
    assert format_micros(got.amount_micros) == amount

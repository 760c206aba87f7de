"""Why a call costs what it does, in one line that adds up."""

from __future__ import annotations

from fsbilling.rating.price import explain, price
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms

S = 1_000_000


def line(duration_us, **fields) -> str:
    rate = Rate(**{"rate_micros_per_min": 150_000, **fields})
    terms = Terms(tariff="std-400", version=3, rate=rate)
    return explain(terms, price(terms, 0, duration_us))


def test_it_names_the_tariff_the_version_the_row_and_the_place():
    assert line(
        61 * S,
        rate_id=12,
        origin="area:0755",
        first_increment_s=6,
        next_increment_s=6,
        note="深圳",
    ) == (
        "std-400 v3 row 12 (深圳): caller area:0755, callee *: 0.15/min, 6/6: 61 s -> 66 s = 0.165"
    )


def test_a_row_that_is_not_stored_has_no_number():
    assert line(S) == "std-400 v3: caller *, callee *: 0.15/min, 1/1: 1 s -> 1 s = 0.0025"


def test_every_part_is_listed_and_they_add_up():
    assert line(60 * S, connect_fee_micros=100_000, max_charge_micros=200_000).endswith(
        "60 s -> 60 s: connect fee 0.10 + usage 0.15 - cap 0.05 = 0.20"
    )
    assert line(60 * S, min_charge_micros=200_000).endswith(
        "60 s -> 60 s: usage 0.15 + minimum 0.05 = 0.20"
    )


def test_a_call_within_grace_says_so_and_not_its_rounded_seconds():
    assert line(2_500_000, grace_s=3).endswith("1/1: under 3 s of grace, free")


def test_a_call_without_talk_says_so():
    assert line(0, connect_fee_micros=100_000).endswith("no talk, free")


def test_a_part_of_nothing_is_added_and_not_taken_away():
    assert line(60 * S, rate_micros_per_min=0, connect_fee_micros=100_000).endswith(
        "connect fee 0.10 + usage 0.00 = 0.10"
    )


def test_one_included_second_is_told():
    terms = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=60_000))
    assert explain(terms, price(terms, 0, 2 * S, 1)) == (
        "std v1: caller *, callee *: 0.06/min, 1/1: 2 s -> 2 s: "
        "1 s included 0.00 + usage 1 s at 0.06/min 0.001 = 0.001"
    )

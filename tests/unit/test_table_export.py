"""Rate tables written as CSV files, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbilling.rating.rate import Rate
from fsbilling.rating.table_csv import parse, write

CONTRIB = Path(__file__).parents[2] / "contrib"


@pytest.mark.parametrize(
    ("price_and_increment", "note"),
    [("0.15,60", "=1+1"), ("0.15,60", "深\u3000圳"), ("0.15,60", '"a, ""b"""')],
)
def test_a_note_comes_back_as_it_is(price_and_increment, note):
    text = f"price_per_min,next_increment_s,note\n{price_and_increment},{note}\n"
    rates = parse(text.encode())
    assert parse(write(rates).encode()) == rates
    assert rates[0].note == (note if '"' not in note else 'a, "b"')


def test_an_export_shows_every_value_and_no_id():
    rate = Rate(
        rate_id=7, origin="area:0755", rate_micros_per_min=123_456, max_charge_micros=9_000_000
    )
    assert write([rate]) == (
        "origin,destination,price_per_min,connect_fee,first_increment_s,next_increment_s,"
        "grace_s,min_charge,max_charge,note\n"
        "area:0755,*,0.123456,0.00,1,1,0,0.00,9.00,\n"
    )


def test_an_export_takes_rates_one_by_one():
    rates = [Rate(rate_micros_per_min=1), Rate(rate_micros_per_min=1, band="night")]
    assert write(iter(rates)) == write(rates)


def test_an_export_has_the_columns_that_some_row_uses():
    rates = [
        Rate(rate_micros_per_min=1),
        Rate(rate_micros_per_min=1, in_package=False, relation="same_city", callee_kind="400"),
    ]
    header, first, second = write(rates).splitlines()
    assert header == (
        "origin,destination,callee_kind,relation,price_per_min,connect_fee,first_increment_s,"
        "next_increment_s,grace_s,min_charge,max_charge,in_package,note"
    )
    assert first == "*,*,*,*,0.000001,0.00,1,1,0,0.00,0.00,yes,"
    assert second == "*,*,400,same_city,0.000001,0.00,1,1,0,0.00,0.00,no,"
    assert parse(write(rates).encode()) == rates


@pytest.mark.parametrize("name", ["rates-400.csv", "rates-outbound.csv"])
def test_the_sample_tables_are_as_an_export_would_write_them(name):
    data = (CONTRIB / name).read_bytes()
    assert write(parse(data)).encode() == data

"""Money is read and written exactly, or refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbilling.money import MAX_MICROS, divide_half_up, format_micros, parse_micros


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0.15", 150_000),
        ("12", 12_000_000),
        ("-3.5", -3_500_000),
        ("0.000001", 1),
        (" 1.50 ", 1_500_000),
        ("1.0000000", 1_000_000),
        ("1000000000", MAX_MICROS),
    ],
)
def test_an_amount_is_read_exactly(text, micros):
    assert parse_micros(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", "x", "1,5", "1e6", "1e999999", "1_000", "１２", "0x10", "NaN", "inf", ".5", "5.", "--1"],
)
def test_what_is_no_plain_amount_is_refused(text):
    with pytest.raises(ValueError, match="is not an amount"):
        parse_micros(text)


def test_a_seventh_decimal_is_refused_and_not_rounded():
    with pytest.raises(ValueError, match="more than six decimals"):
        parse_micros("0.1234567")


def test_an_amount_beyond_reason_is_refused():
    with pytest.raises(ValueError, match="out of range"):
        parse_micros("1000000000.000001")


@given(st.integers(-MAX_MICROS, MAX_MICROS))
def test_what_is_written_reads_back(micros):
    assert parse_micros(format_micros(micros)) == micros


@pytest.mark.parametrize(
    ("micros", "text"),
    [(150_000, "0.15"), (3_333, "0.003333"), (5_000_000, "5.00"), (-1, "-0.000001")],
)
def test_an_amount_is_written_with_two_decimals_or_as_many_as_it_has(micros, text):
    assert format_micros(micros) == text


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**9))
def test_halves_are_rounded_away_from_zero(numerator, denominator):
    exact = Fraction(numerator, denominator)
    rounded = divide_half_up(numerator, denominator)
    assert abs(rounded - exact) <= Fraction(1, 2)
    if abs(rounded - exact) == Fraction(1, 2):
        assert abs(rounded) > abs(exact)

"""The engine against a slow, obvious second implementation in fractions; tables there and back."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsbilling.money import format_micros
from fsbilling.rating.faults import TableFaults
from fsbilling.rating.match import parse_match
from fsbilling.rating.price import affordable_s, covered_s, explain, price
from fsbilling.rating.rate import Rate, rate_faults
from fsbilling.rating.table_csv import parse, write
from fsbilling.rating.terms import Terms

S = 1_000_000
LIMIT_S = 400

amounts = st.one_of(st.just(0), st.integers(0, 100), st.integers(0, 5 * S))
increments = st.one_of(st.sampled_from([1, 6, 30, 60]), st.integers(1, 100))


@st.composite
def rates(draw) -> Rate:
    minimum = draw(amounts)
    maximum = draw(st.one_of(st.just(0), amounts.map(lambda more: minimum + more)))
    letters = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
    rate = Rate(
        origin=draw(matches),
        destination=draw(matches),
        rate_micros_per_min=draw(amounts),
        connect_fee_micros=draw(amounts),
        first_increment_s=draw(increments),
        next_increment_s=draw(increments),
        grace_s=draw(st.one_of(st.just(0), st.integers(0, 30))),
        min_charge_micros=minimum,
        max_charge_micros=maximum,
        note=draw(st.text(letters, max_size=20)).strip(),
    )
    assert not list(rate_faults(rate))
    return rate


matches = st.one_of(
    st.just("*"),
    st.from_regex(
        r"prefix:[1-9][0-9]{0,14}", fullmatch=True, alphabet=st.characters(codec="ascii")
    ),
    st.sampled_from(["area:0755", "area:010", "province:广东", "province:内蒙古"]),
)
terms = rates().map(lambda rate: Terms(tariff="t", version=1, rate=rate))


def oracle_micros(rate: Rate, duration: Fraction) -> int:
    """The price of `duration` seconds, told the way a contract would tell it."""
    if duration <= 0 or duration < rate.grace_s:
        return 0
    billed = Fraction(rate.first_increment_s)
    while billed < math.ceil(duration):
        billed += rate.next_increment_s
    charge = rate.connect_fee_micros + billed * rate.rate_micros_per_min / 60
    charge = max(charge, Fraction(rate.min_charge_micros))
    if rate.max_charge_micros:
        charge = min(charge, Fraction(rate.max_charge_micros))
    return math.floor(charge + Fraction(1, 2))


@given(terms, st.integers(-S, LIMIT_S * S))
def test_price_is_what_the_fractions_say(terms, duration_us):
    charge = price(terms, 0, duration_us)
    assert charge.amount_micros == oracle_micros(terms.rate, Fraction(duration_us, S))
    assert charge.amount_micros == sum(part.amount_micros for part in charge.parts)
    assert charge.billed_s >= charge.talked_s or charge.billed_s == 0


@given(terms, st.integers(0, LIMIT_S * S), st.integers(0, 60 * S))
def test_a_longer_call_never_costs_less(terms, duration_us, more_us):
    longer = price(terms, 0, duration_us + more_us)
    assert longer.amount_micros >= price(terms, 0, duration_us).amount_micros


def slow_affordable_s(rate: Rate, credit_micros: int, limit_s: int) -> int:
    affordable = [
        n for n in range(limit_s + 1) if oracle_micros(rate, Fraction(n)) <= credit_micros
    ]
    return max(affordable, default=0)


@settings(max_examples=300)
@given(terms, st.one_of(st.integers(-1, 100), st.integers(0, 10 * S)), st.integers(0, 200))
def test_affordable_is_the_largest_number_of_seconds_within_the_credit(
    terms, credit_micros, limit_s
):
    expected = slow_affordable_s(terms.rate, credit_micros, limit_s)
    assert affordable_s(terms, 0, credit_micros, limit_s) == expected


@settings(max_examples=300)
@given(terms, st.integers(0, LIMIT_S))
def test_credit_of_exactly_a_price_affords_it_and_one_micro_less_does_not(terms, seconds):
    cost_micros = price(terms, 0, seconds * S).amount_micros
    assert affordable_s(terms, 0, cost_micros, LIMIT_S) >= seconds
    if cost_micros:
        assert affordable_s(terms, 0, cost_micros - 1, LIMIT_S) < seconds


@given(terms, st.integers(0, LIMIT_S), st.integers(0, LIMIT_S))
def test_covered_seconds_cost_nothing_more_and_the_next_one_does(terms, seconds, limit_s):
    paid_micros = price(terms, 0, seconds * S).amount_micros
    end_s = covered_s(terms, 0, seconds, limit_s)
    assert min(seconds, limit_s) <= end_s <= limit_s
    assert price(terms, 0, end_s * S).amount_micros <= paid_micros
    if end_s < limit_s:
        assert price(terms, 0, (end_s + 1) * S).amount_micros > paid_micros


@given(rates(), st.integers(10**9, 10**12), st.integers(0, 86_400))
def test_large_prices_stay_exact_over_a_day(rate, rate_micros_per_min, seconds):
    dear = msgspec.structs.replace(rate, rate_micros_per_min=rate_micros_per_min)
    terms = Terms(tariff="t", version=1, rate=dear)
    amount_micros = price(terms, 0, seconds * S).amount_micros
    assert amount_micros == oracle_micros(dear, Fraction(seconds))
    assert amount_micros < 2**63


@given(terms, st.integers(0, LIMIT_S * S))
def test_an_explanation_is_one_line_that_ends_in_the_charge(terms, duration_us):
    charge = price(terms, 0, duration_us)
    line = explain(terms, charge)
    assert len(line.splitlines()) == 1
    if charge.billed_s:
        assert line.endswith(f" = {format_micros(charge.amount_micros)}")
    else:
        assert line.endswith("free")


@given(terms)
def test_terms_survive_being_stored_as_json(terms):
    assert msgspec.json.decode(msgspec.json.encode(terms), type=Terms) == terms


@given(
    st.lists(rates(), max_size=8, unique_by=lambda rate: (rate.origin, rate.destination)),
    st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_a_table_exported_and_imported_again_changes_nothing(table, encoding):
    text = write(table)
    again = parse(text.encode(encoding))
    assert again == table
    assert write(again) == text


def sound_rates(data: bytes) -> list[Rate]:
    """Read a file that may be faulty; any other exception than the faults' own fails the test."""
    try:
        return parse(data)
    except TableFaults:
        return []


cells = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "*", "0.15", "1e999999", "NaN", "-1", "00", '"', '"\n', "area:0755", "１"]
    ),
)


@given(st.lists(st.lists(cells, min_size=3, max_size=4), max_size=5))
@example([["*", "1e999999", "1"]])
def test_no_cell_does_more_than_be_named_as_a_fault(rows):
    lines = "\n".join(",".join(row) for row in rows)
    text = f"origin,price_per_min,grace_s\n{lines}\n"
    for rate in sound_rates(text.encode("utf-8", "surrogatepass")):
        assert parse_match(rate.origin) == rate.origin
        assert not list(rate_faults(rate))


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_named_as_a_fault(data):
    sound_rates(data)
    sound_rates(b"price_per_min,note\n" + data)

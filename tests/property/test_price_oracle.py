"""The engine against a slow, obvious second implementation: fractions, second by second."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbilling.money import format_micros
from fsbilling.numbering.region import UNKNOWN_REGION
from fsbilling.rating.charge import PartKind
from fsbilling.rating.party import Party
from fsbilling.rating.plan import UNLIMITED_S, Band, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.price import affordable_s, covered_s, explain, price
from fsbilling.rating.rate import Rate, rate_faults
from fsbilling.rating.schedule import Calendar
from fsbilling.rating.tariff import Tariff, Volume
from fsbilling.rating.terms import Terms

S = 1_000_000
LIMIT_S = 400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SOMEBODY = Party("8613800138000", UNKNOWN_REGION)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CALENDAR = Calendar(
    holidays=frozenset({date(2026, 10, 1), date(2026, 10, 25)}),
    workdays=frozenset({date(2026, 10, 10)}),
)

# Moments at which something turns: midnight into and out of a holiday, a swapped Saturday, the
# clock put forward and back, and a plain noon.
TURNS = (
    ("Asia/Shanghai", "2026-11-23T12:00:00+08:00"),
    ("Asia/Shanghai", "2026-10-01T00:00:00+08:00"),
    ("Asia/Shanghai", "2026-10-10T00:00:00+08:00"),
    ("Asia/Shanghai", "2026-10-11T00:00:00+08:00"),
    ("Europe/Berlin", "2026-10-25T01:00:00+00:00"),
    ("Europe/Berlin", "2026-03-29T01:00:00+00:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00+00:00"),
)

amounts = st.one_of(st.just(0), st.integers(0, 100), st.integers(0, 5 * S))
increments = st.one_of(st.sampled_from([1, 6, 30, 60]), st.integers(1, 100))
days = st.one_of(
    st.just([]),
    st.just([]),
    st.lists(st.sampled_from([*WEEKDAYS, "workday", "restday", "holiday"]), max_size=3),
)


def spans(turn: str, zone: str):
    """Hours that begin and end within minutes of a turn, so that calls cross their edges."""
    wall = datetime.fromisoformat(turn).astimezone(ZoneInfo(zone))
    near = [(wall.hour * 60 + wall.minute + offset) % 1_440 for offset in range(-7, 8)]
    pairs = st.lists(
        st.sampled_from([*near, 0, 120, 150, 180, 1_440]), min_size=2, max_size=2, unique=True
    )
    return st.lists(pairs.map(lambda pair: (min(pair), max(pair))), max_size=3)


@st.composite
def rates(draw, band: str = "*", level_from: int = 0) -> Rate:
    minimum = draw(amounts)
    per_hour = draw(st.booleans())
    rate_micros = draw(amounts)
    rate = Rate(
        band=band,
        level_from=level_from,
        rate_micros_per_min=0 if per_hour else rate_micros,
        rate_micros_per_hour=rate_micros if per_hour else 0,
        connect_fee_micros=draw(amounts),
        per_call_micros=draw(amounts),
        first_increment_s=draw(increments),
        next_increment_s=draw(increments),
        grace_s=draw(st.one_of(st.just(0), st.integers(0, 30))),
        min_charge_micros=minimum,
        max_charge_micros=draw(st.one_of(st.just(0), amounts.map(lambda more: minimum + more))),
        in_package=draw(st.sampled_from([True, True, False])),
    )
    assert not list(rate_faults(rate))
    return rate


class Case(msgspec.Struct, frozen=True):
    """A tariff, and a call that starts under it."""

    plan: Plan
    rows: tuple[Rate, ...]
    volume: Volume
    answered_us: int
    included_s: int

    @property
    def terms(self) -> Terms:
        tariff = Tariff("t", 1, self.rows, self.plan, CALENDAR)
        terms = tariff.terms(SOMEBODY, SOMEBODY, self.answered_us - 20 * S, self.volume)
        assert terms is not None
        return msgspec.json.decode(msgspec.json.encode(terms), type=Terms)


@st.composite
def cases(draw) -> Case:
    zone, turn = draw(st.sampled_from(TURNS))
    names = draw(st.sampled_from(["", "a", "ab", "ab"]))
    bands = tuple(Band(name, tuple(draw(days)), tuple(draw(spans(turn, zone)))) for name in names)
    levels = draw(
        st.one_of(
            st.none(),
            st.builds(Levels, st.sampled_from(LevelUnit), st.sampled_from(LevelMode)),
        )
    )
    starts = st.just([]) if levels is None else st.lists(st.integers(1, 9), max_size=3, unique=True)
    plan = Plan(
        time_zone=zone,
        bands=bands,
        levels=levels,
        precision_micros=draw(st.sampled_from([1, 1, 100, 10_000])),
    )
    rows = [
        draw(rates(band, level_from))
        for band in ["*", *draw(st.sampled_from([names, names, names[:1], ""]))]
        for level_from in [0, *draw(starts)]
    ]
    rows = [
        msgspec.structs.replace(
            row,
            max_charge_micros=-(-row.max_charge_micros // plan.precision_micros)
            * plan.precision_micros,
        )
        for row in rows
    ]
    turn_us = int(datetime.fromisoformat(turn).timestamp()) * S
    return Case(
        plan=plan,
        rows=tuple(draw(st.permutations(rows))),
        volume=Volume(draw(st.integers(0, 600)), draw(st.integers(0, 10))),
        answered_us=turn_us + draw(st.integers(-LIMIT_S * S, LIMIT_S * S)),
        included_s=draw(st.one_of(st.just(0), st.integers(-1, LIMIT_S), st.just(UNLIMITED_S))),
    )


def oracle_band(plan: Plan, at_us: int) -> str:
    """Read the wall clock and the calendar, as a person would."""
    wall = (EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(plan.time_zone))
    today = wall.date()
    names = {WEEKDAYS[wall.weekday()]}
    if today in CALENDAR.holidays:
        names |= {"restday", "holiday"}
    elif wall.weekday() >= 5 and today not in CALENDAR.workdays:
        names |= {"restday"}
    else:
        names |= {"workday"}
    minute = wall.hour * 60 + wall.minute
    for band in plan.bands:
        in_day = not band.days or names & set(band.days)
        in_hours = not band.spans_min or any(a <= minute < b for a, b in band.spans_min)
        if in_day and in_hours:
            return band.name
    return "*"


def oracle_row(case: Case, second: int) -> Rate:
    """Which row prices one second of the call."""
    band = oracle_band(case.plan, case.answered_us + second * S)
    rows = [row for row in case.rows if row.band == band]
    rows = rows or [row for row in case.rows if row.band == "*"]
    levels = case.plan.levels
    if levels is None:
        [row] = rows
        return row
    if levels.of is LevelUnit.CALLS:
        reached = Fraction(case.volume.calls)
    elif levels.mode is LevelMode.VOLUME:
        reached = Fraction(case.volume.billed_s, 60)
    else:
        reached = Fraction(case.volume.billed_s + second, 60)
    return max((row for row in rows if row.level_from <= reached), key=lambda row: row.level_from)


def oracle_prices(case: Case, seconds: int) -> list[Fraction]:
    """What each second costs by itself."""
    prices = []
    for second in range(seconds):
        row = oracle_row(case, second)
        prices.append(
            Fraction(row.rate_micros_per_min, 60) + Fraction(row.rate_micros_per_hour, 3_600)
        )
    return prices


def oracle_micros(case: Case, start: Rate, prices: list[Fraction], duration: Fraction) -> int:
    """The price of `duration` seconds, told the way a contract would tell it."""
    if duration <= 0 or duration < start.grace_s:
        return 0
    billed = start.first_increment_s
    while billed < math.ceil(duration):
        billed += start.next_increment_s
    included = min(max(case.included_s, 0), billed) if start.in_package else 0
    charge = Fraction(start.per_call_micros)
    if billed > included:
        charge += start.connect_fee_micros + sum(prices[included:billed])
        charge = max(charge, Fraction(start.min_charge_micros))
    if start.max_charge_micros:
        charge = min(charge, Fraction(start.max_charge_micros))
    precision = case.plan.precision_micros
    return math.floor(charge / precision + Fraction(1, 2)) * precision


@settings(max_examples=150, deadline=None)
@given(cases(), st.lists(st.integers(-S, LIMIT_S * S), min_size=1, max_size=8))
def test_price_is_what_the_fractions_say(case, durations_us):
    terms = case.terms
    start = oracle_row(case, 0)
    prices = oracle_prices(case, LIMIT_S + 100)
    for duration_us in durations_us:
        charge = price(terms, case.answered_us, duration_us, case.included_s)
        expected = oracle_micros(case, start, prices, Fraction(duration_us, S))
        assert charge.amount_micros == expected
        assert charge.rate == start
        assert charge.amount_micros == sum(part.amount_micros for part in charge.parts)
        assert charge.billed_s >= charge.talked_s or charge.billed_s == 0
        timed = (PartKind.USAGE, PartKind.INCLUDED)
        assert charge.billed_s == sum(p.seconds for p in charge.parts if p.kind in timed)
        assert all(part.seconds > 0 for part in charge.parts if part.kind in timed)
        for one, other in pairwise([p for p in charge.parts if p.kind is PartKind.USAGE]):
            assert one.rate is not other.rate


@settings(max_examples=100, deadline=None)
@given(cases(), st.lists(st.integers(0, LIMIT_S * S), min_size=2, max_size=8))
def test_a_longer_call_never_costs_less(case, durations_us):
    terms = case.terms
    costs = [
        price(terms, case.answered_us, duration_us, case.included_s).amount_micros
        for duration_us in sorted(durations_us)
    ]
    assert costs == sorted(costs)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, LIMIT_S), st.integers(0, LIMIT_S))
def test_more_included_seconds_never_cost_more(case, seconds, more_s):
    terms = case.terms
    costs = [
        price(terms, case.answered_us, seconds * S, max(case.included_s, 0) + more).amount_micros
        for more in (0, more_s)
    ]
    assert costs[0] >= costs[1]


@settings(max_examples=150, deadline=None)
@given(
    cases(),
    st.lists(st.one_of(st.integers(-1, 100), st.integers(0, 10 * S)), min_size=1, max_size=6),
    st.integers(-1, 200),
)
def test_affordable_is_the_largest_number_of_seconds_within_the_credit(case, some_micros, limit_s):
    terms = case.terms
    start = oracle_row(case, 0)
    prices = oracle_prices(case, 300)
    costs = [oracle_micros(case, start, prices, Fraction(n)) for n in range(limit_s + 1)]
    for credit_micros in [*some_micros, *costs[::37], *(cost - 1 for cost in costs[::41])]:
        expected = max((n for n, cost in enumerate(costs) if cost <= credit_micros), default=0)
        got = affordable_s(terms, case.answered_us, credit_micros, limit_s, case.included_s)
        assert got == expected
        assert isinstance(got, int)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, LIMIT_S), st.integers(0, LIMIT_S))
def test_covered_seconds_cost_nothing_more_and_the_next_one_does(case, seconds, limit_s):
    terms, at_us = case.terms, case.answered_us
    paid = price(terms, at_us, seconds * S, case.included_s)
    paid_micros, included_s = paid.amount_micros, paid.included_s
    end_s = covered_s(terms, at_us, paid, limit_s)
    assert min(seconds, limit_s) <= end_s <= limit_s
    assert price(terms, at_us, end_s * S, included_s).amount_micros <= paid_micros
    if end_s < limit_s:
        assert price(terms, at_us, (end_s + 1) * S, included_s).amount_micros > paid_micros


@settings(deadline=None)
@given(rates(), st.integers(10**9, 10**12), st.integers(0, 86_400))
def test_large_prices_stay_exact_over_a_day(rate, rate_micros_per_min, seconds):
    dear = msgspec.structs.replace(
        rate, rate_micros_per_min=rate_micros_per_min, rate_micros_per_hour=0
    )
    case = Case(Plan(), (dear,), Volume(), 0, 0)
    prices = [Fraction(rate_micros_per_min, 60)] * (seconds + 200)
    amount_micros = price(case.terms, 0, seconds * S).amount_micros
    assert amount_micros == oracle_micros(case, dear, prices, Fraction(seconds))
    assert amount_micros < 2**63


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, LIMIT_S * S))
def test_an_explanation_is_one_line_that_ends_in_the_charge_and_adds_up(case, duration_us):
    terms = case.terms
    charge = price(terms, case.answered_us, duration_us, case.included_s)
    line = explain(terms, charge)
    assert len(line.splitlines()) == 1
    if charge.billed_s:
        assert line.endswith(f" = {format_micros(charge.amount_micros)}")
        total = list(accumulate(part.amount_micros for part in charge.parts))[-1]
        assert total == charge.amount_micros
    else:
        assert line.endswith("free")


@settings(deadline=None)
@given(cases())
def test_terms_survive_being_stored_as_json(case):
    tariff = Tariff("t", 1, case.rows, case.plan, CALENDAR)
    terms = tariff.terms(SOMEBODY, SOMEBODY, case.answered_us, case.volume)
    assert msgspec.json.decode(msgspec.json.encode(terms), type=Terms) == terms

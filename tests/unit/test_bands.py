"""Time bands: which is in force when, and how a call that crosses their edges is split."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from fsbilling.numbering.region import UNKNOWN_REGION
from fsbilling.rating.charge import explain
from fsbilling.rating.party import Party
from fsbilling.rating.plan import Band, Plan
from fsbilling.rating.price import affordable_s, covered_s, price
from fsbilling.rating.rate import Rate
from fsbilling.rating.schedule import LAYOUT_DAYS, NO_CALENDAR, Calendar, Schedule, band_at
from fsbilling.rating.tariff import Tariff
from fsbilling.rating.terms import Terms

S = 1_000_000
SOMEBODY = Party("8613800138000", UNKNOWN_REGION)

PEAK = Band("peak", ("workday",), ((8 * 60, 20 * 60),))
NIGHT = Band("night", (), ((22 * 60, 24 * 60), (0, 6 * 60)))
CHINA_2026 = Calendar(
    holidays=frozenset(date(2026, 10, day) for day in range(1, 8)),
    workdays=frozenset({date(2026, 10, 10)}),
)


def us(text: str, zone: str = "Asia/Shanghai", fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(moment.timestamp()) * S


def band(plan: Plan, text: str, calendar: Calendar = NO_CALENDAR, fold: int = 0) -> str:
    at_us = us(text, plan.time_zone, fold)
    return band_at(Schedule(plan, calendar).edges(at_us), at_us)


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("2026-11-23 07:59:59", "*"),  # a Monday
        ("2026-11-23 08:00:00", "peak"),
        ("2026-11-23 19:59:59", "peak"),
        ("2026-11-23 20:00:00", "*"),
        ("2026-11-23 21:59:59", "*"),
        ("2026-11-23 22:00:00", "night"),
        ("2026-11-24 05:59:59", "night"),
        ("2026-11-24 06:00:00", "*"),
        ("2026-11-21 12:00:00", "*"),  # a Saturday
    ],
)
def test_a_band_is_in_force_from_its_first_second_to_its_last(moment, name):
    assert band(Plan(bands=(PEAK, NIGHT)), moment) == name


@pytest.mark.parametrize(
    ("moment", "days"),
    [
        ("2026-10-09 12:00", {"fri", "workday"}),
        ("2026-10-10 12:00", {"sat", "workday"}),  # worked for the holiday
        ("2026-10-11 12:00", {"sun", "restday"}),
        ("2026-10-01 12:00", {"thu", "restday", "holiday"}),
        ("2026-10-03 12:00", {"sat", "restday", "holiday"}),
    ],
)
def test_days_heed_the_official_calendar(moment, days):
    for day in ("mon", "thu", "fri", "sat", "sun", "workday", "restday", "holiday"):
        plan = Plan(bands=(Band("it", (day,)),))
        assert (band(plan, moment, CHINA_2026) == "it") == (day in days)


def test_a_plans_own_days_have_the_last_word():
    plan = Plan(
        bands=(Band("work", ("workday",)), Band("off", ("holiday",))),
        holidays=(date(2026, 10, 10), date(2026, 11, 23)),
        workdays=(date(2026, 10, 1), date(2026, 11, 22)),
    )
    assert band(plan, "2026-10-10 12:00", CHINA_2026) == "off"
    assert band(plan, "2026-11-23 12:00", CHINA_2026) == "off"
    assert band(plan, "2026-10-01 12:00", CHINA_2026) == "work"
    assert band(plan, "2026-11-22 12:00", CHINA_2026) == "work"
    assert band(plan, "2026-10-02 12:00", CHINA_2026) == "off"


def test_the_first_band_that_holds_is_in_force():
    both = (Band("a", ("mon",)), Band("b", ()))
    assert band(Plan(bands=both), "2026-11-23 12:00") == "a"
    assert band(Plan(bands=both[::-1]), "2026-11-23 12:00") == "b"
    assert band(Plan(bands=both), "2026-11-24 12:00") == "b"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    "day", ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-25", "2026-11-01", "2026-10-04"]
)
def test_bands_follow_the_wall_clock_through_its_changes(zone, day):
    """Every minute of three days, against the wall clock of the standard library."""
    plan = Plan(
        time_zone=zone,
        bands=(
            Band("small", (), ((105, 150),)),
            Band("night", (), ((0, 180),)),
            Band("sun", ("sun",)),
        ),
    )
    start_us = us(f"{day} 00:00", zone) - 86_400 * S
    edges = Schedule(plan).edges(start_us)
    for minute in range(3 * 1_440):
        at_us = start_us + minute * 60 * S
        wall = datetime.fromtimestamp(at_us // S, tz=ZoneInfo(zone))
        of_day = wall.hour * 60 + wall.minute
        expected = "*"
        if 105 <= of_day < 150:
            expected = "small"
        elif of_day < 180:
            expected = "night"
        elif wall.weekday() == 6:
            expected = "sun"
        assert band_at(edges, at_us) == expected, wall


def test_the_edge_of_a_clock_change_is_exact_to_the_second():
    plan = Plan(time_zone="Europe/Berlin", bands=(Band("two", (), ((120, 180),)),))
    schedule = Schedule(plan)
    put_back = us("2026-10-25 00:00", "UTC") // S
    # 02:00 to 03:00 comes twice: from 00:00 UTC to 02:00 UTC.
    assert (put_back, "two") in schedule.edges(put_back * S)
    assert (put_back + 7_200, "*") in schedule.edges(put_back * S)
    put_forward = us("2026-03-29 00:00", "UTC") // S
    # 02:00 to 03:00 does not come at all.
    edges = schedule.edges(put_forward * S)
    assert edges[0] == (put_forward, "*")
    assert edges[1] == (put_forward + 86_400, "two")


def test_edges_are_exact_where_local_time_is_off_by_seconds():
    plan = Plan(time_zone="Africa/Monrovia", bands=(Band("early", (), ((0, 480),)),))
    midnight = us("1971-06-01 00:00", "Africa/Monrovia")  # at 44 minutes and 30 seconds from UTC
    assert (midnight // S, "early") in Schedule(plan).edges(midnight)


def test_bands_are_laid_out_for_more_than_a_week():
    at_us = us("2026-11-23 23:59:59")
    edges = Schedule(Plan(bands=(PEAK,))).edges(at_us)
    assert LAYOUT_DAYS == 9
    assert edges[0][0] <= at_us // S
    assert edges[-1][0] >= at_us // S + 7 * 86_400
    assert edges[-1][0] < edges[0][0] + LAYOUT_DAYS * 86_400
    assert len(edges) == len(set(edges))


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Shanghai", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
)
def test_a_clock_beyond_the_calendars_end_has_the_bands_of_its_last_days(zone):
    year_33658_us = 10**18
    edges = Schedule(Plan(bands=(PEAK, NIGHT), time_zone=zone)).edges(year_33658_us)
    assert edges[0][0] == us("9999-12-21", "UTC") // S
    assert band_at(edges, year_33658_us) == edges[-1][1]


def test_a_layout_is_worked_out_once_a_day(monkeypatch):
    schedule = Schedule(Plan(bands=(PEAK,)))
    first = schedule.edges(us("2026-11-23 12:00"))
    assert schedule.edges(us("2026-11-23 13:00")) is first
    monkeypatch.setattr("fsbilling.rating.schedule.MAX_LAYOUTS", 2)
    for day in range(24, 29):
        schedule.edges(us(f"2026-11-{day} 12:00"))
        assert len(schedule._layouts) <= 2
    assert schedule.edges(us("2026-11-23 12:00")) == first


PLAN = Plan(bands=(PEAK,))
ROWS = [
    Rate(rate_id=1, rate_micros_per_min=120_000),
    Rate(rate_id=2, band="peak", rate_micros_per_min=300_000),
]


def terms(text: str, rows=ROWS, plan=PLAN) -> Terms:
    found = Tariff("std", 1, rows, plan).terms(SOMEBODY, SOMEBODY, us(text))
    assert found is not None
    return found


def test_a_call_that_crosses_an_edge_is_split_at_the_second():
    start = "2026-11-23 19:59:30"
    charge = price(terms(start), us(start), 60 * S)
    assert [(part.rate.rate_id, part.seconds, part.amount_micros) for part in charge.parts] == [
        (2, 30, 150_000),
        (1, 30, 60_000),
    ]
    assert charge.amount_micros == 210_000
    assert charge.rate.rate_id == 2


def test_a_tariff_heeds_the_official_calendar():
    tariff = Tariff("std", 1, ROWS, PLAN, CHINA_2026)
    days = ("09-30", "10-01", "10-10")  # a Wednesday, the holiday, a Saturday worked for it
    found = [tariff.terms(SOMEBODY, SOMEBODY, us(f"2026-{day} 12:00")) for day in days]
    assert [terms and terms.rate.band for terms in found] == ["peak", "*", "peak"]


def test_a_second_belongs_to_the_band_of_its_beginning():
    # Answered half a second into 19:59:29: the 31st second begins at 19:59:59.5, in the peak.
    answered_us = us("2026-11-23 19:59:29") + S // 2
    charge = price(terms("2026-11-23 19:59:29"), answered_us, 60 * S)
    assert [part.seconds for part in charge.parts] == [31, 29]


def test_a_call_begins_in_the_band_of_its_answer_however_many_came_before():
    late = terms("2026-11-23 12:00")
    for day, row in (("24 12:00", 2), ("24 21:00", 1), ("25 12:00", 2), ("28 12:00", 1)):
        charge = price(late, us(f"2026-11-{day}"), 60 * S)
        assert [(part.rate.rate_id, part.seconds) for part in charge.parts] == [(row, 60)]
        assert charge.rate.rate_id == row


def test_a_band_without_rows_of_its_own_has_those_of_any_band():
    by_hand = Terms(
        tariff="std",
        version=1,
        rate=ROWS[1],
        others=(ROWS[0],),
        edges=((0, "peak"), (60, "evening"), (120, "peak")),
    )
    charge = price(by_hand, 0, 150 * S)
    assert [(part.rate.rate_id, part.seconds) for part in charge.parts] == [
        (2, 60),
        (1, 60),
        (2, 30),
    ]
    before_all = price(by_hand, -30 * S, 60 * S)
    assert [(part.rate.rate_id, part.seconds) for part in before_all.parts] == [(2, 60)]


def test_included_seconds_that_last_across_an_edge_leave_the_rest_to_the_band_they_end_in():
    start = "2026-11-23 19:59:30"
    for included_s, parts in ((40, [(1, 20)]), (30, [(1, 30)]), (29, [(2, 1), (1, 30)])):
        charge = price(terms(start), us(start), 60 * S, included_s)
        paid = [(part.rate.rate_id, part.seconds) for part in charge.parts if part.rate]
        assert paid == parts


def test_increments_are_anchored_at_the_answer_and_priced_second_by_second():
    rows = [msgspec.structs.replace(row, first_increment_s=60, next_increment_s=60) for row in ROWS]
    start = "2026-11-23 19:59:50"
    charge = price(terms(start, rows), us(start), 5 * S)
    assert [part.seconds for part in charge.parts] == [10, 50]
    assert charge.amount_micros == 50_000 + 100_000


def test_fees_and_increments_are_those_of_the_answers_band():
    rows = [
        msgspec.structs.replace(ROWS[0], connect_fee_micros=1, next_increment_s=6),
        msgspec.structs.replace(ROWS[1], connect_fee_micros=2),
    ]
    ringing = terms("2026-11-23 07:59:50", rows)
    assert ringing.rate.rate_id == 1
    answered = price(ringing, us("2026-11-23 08:00:00"), 60 * S)
    assert answered.rate.rate_id == 2
    assert answered.amount_micros == 300_000 + 2
    assert answered.billed_s == 60
    assert price(ringing, us("2026-11-23 07:59:59"), 3 * S).billed_s == 7


def test_a_call_over_nights_and_a_weekend_is_priced_from_its_terms_alone():
    start = "2026-11-20 19:00"  # a Friday
    stored = msgspec.json.decode(msgspec.json.encode(terms(start)), type=Terms)
    duration_us = us("2026-11-23 09:00") - us(start)
    charge = price(stored, us(start), duration_us)
    assert [part.seconds for part in charge.parts] == [3_600, 60 * 3_600, 3_600]
    assert charge.amount_micros == 18_000_000 + 60 * 60 * 120_000 + 18_000_000
    assert len(msgspec.json.encode(stored)) < 700


def test_a_call_without_end_stays_in_the_last_band_that_was_laid_out():
    start = "2026-11-23 12:00"
    month_us = 30 * 86_400 * S
    charge = price(terms(start), us(start), month_us)
    assert sum(part.seconds for part in charge.parts) == 30 * 86_400


def test_credit_ends_at_the_right_second_across_an_edge():
    start = "2026-11-23 19:59:30"
    live = terms(start)
    assert affordable_s(live, us(start), 150_000, 3_600) == 30
    assert affordable_s(live, us(start), 149_999, 3_600) == 29
    assert affordable_s(live, us(start), 151_999, 3_600) == 30
    assert affordable_s(live, us(start), 152_000, 3_600) == 31
    assert covered_s(live, us(start), price(live, us(start), 30 * S), 3_600) == 30


THREE_BANDS = Terms(
    tariff="std",
    version=1,
    rate=Rate(band="early", rate_micros_per_min=60_000),
    others=(
        Rate(band="free", rate_micros_per_min=0),
        Rate(band="late", rate_micros_per_min=600_000),
    ),
    edges=((0, "early"), (10, "free"), (20, "late")),
)


@pytest.mark.parametrize(
    ("credit_micros", "included_s", "seconds"),
    [
        (9_999, 0, 9),
        (10_000, 0, 20),
        (19_999, 0, 20),
        (35_000, 0, 22),
        (32_000, 3, 22),
        (25_000, 15, 22),
        (9_999, 15, 20),
    ],
)
def test_credit_is_followed_through_every_band(credit_micros, included_s, seconds):
    assert affordable_s(THREE_BANDS, 0, credit_micros, 3_600, included_s) == seconds


def test_rows_without_bands_have_no_edges_to_store():
    rows = [Rate(rate_micros_per_min=1, destination="prefix:1"), *ROWS]
    found = Tariff("std", 1, rows, PLAN).terms(
        SOMEBODY, Party("12025550123", UNKNOWN_REGION), us("2026-11-23 12:00")
    )
    assert found == Terms(tariff="std", version=1, rate=rows[0])


def test_bands_that_a_match_does_not_price_leave_no_edge():
    plan = Plan(bands=(PEAK, NIGHT))
    found = terms("2026-11-23 12:00", plan=plan)
    assert {name for _, name in found.edges} == {"peak", "*"}
    assert all(a[1] != b[1] for a, b in zip(found.edges, found.edges[1:], strict=False))


def test_bands_that_cover_all_time_need_no_row_for_the_rest():
    plan = Plan(bands=(PEAK, Band("off")))
    rows = [
        Rate(rate_id=1, band="off", rate_micros_per_min=120_000),
        Rate(rate_id=2, band="peak", rate_micros_per_min=300_000),
    ]
    assert plan.covers_all_time()
    start = "2026-11-23 19:59:30"
    assert price(terms(start, rows, plan), us(start), 60 * S).amount_micros == 210_000
    alone = terms(start, rows[:1], Plan(bands=(Band("off"),)))
    assert price(alone, us(start), 60 * S).amount_micros == 120_000


@pytest.mark.parametrize(
    "bands",
    [
        (PEAK,),
        (PEAK, NIGHT),
        (Band("w", ("workday",)), Band("h", ("holiday",))),
        (Band("w", ("workday",)), Band("h", ("holiday",)), Band("s", ("sun",))),
        (Band("w", ("workday",)), Band("h", ("holiday",)), Band("s", ("sat",))),
        (Band("w", ("workday",)), Band("h", ("sat", "sun")), Band("s", ("holiday",), ((0, 5),))),
        (Band("day", (), ((0, 1_439),)),),
        (Band("day", (), ((1, 1_440),)),),
        (Band("week", ("mon", "tue", "wed", "thu", "fri", "sat")),),
    ],
)
def test_a_gap_between_bands_is_seen(bands):
    assert not Plan(bands=bands).covers_all_time()


@pytest.mark.parametrize(
    "bands",
    [
        (Band("w", ("workday",)), Band("r", ("restday",))),
        (Band("a", (), ((0, 720),)), Band("b", (), ((720, 1_440),))),
        (Band("week", ("mon", "tue", "wed", "thu", "fri", "sat", "sun")),),
    ],
)
def test_bands_without_a_gap_are_seen(bands):
    assert Plan(bands=bands).covers_all_time()


def test_terms_of_one_day_and_band_are_shared_and_those_of_others_are_not():
    tariff = Tariff("std", 1, ROWS, PLAN)
    morning = tariff.terms(SOMEBODY, SOMEBODY, us("2026-11-23 09:00"))
    assert tariff.terms(SOMEBODY, SOMEBODY, us("2026-11-23 19:00")) is morning
    evening = tariff.terms(SOMEBODY, SOMEBODY, us("2026-11-23 21:00"))
    assert morning is not None
    assert evening is not None
    assert (morning.rate.rate_id, evening.rate.rate_id) == (2, 1)
    tomorrow = tariff.terms(SOMEBODY, SOMEBODY, us("2026-11-24 09:00"))
    assert tomorrow is not None
    assert tomorrow.edges[0][0] - morning.edges[0][0] == timedelta(days=1).total_seconds()


def test_the_explanation_names_the_bands_and_adds_up():
    start = "2026-11-23 19:59:30"
    live = terms(start)
    assert explain(live, price(live, us(start), 60 * S)) == (
        "std v1 row 2: caller *, callee *, band peak: 0.30/min, 1/1: 60 s -> 60 s: "
        "usage peak 30 s at 0.30/min 0.15 + usage 30 s at 0.12/min 0.06 = 0.21"
    )

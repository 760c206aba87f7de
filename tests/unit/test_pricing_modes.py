"""The price tables that the field publishes, each to the fen."""

from __future__ import annotations

from datetime import datetime

import pytest

from fsbilling.money import format_micros
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.rating import plan_file
from fsbilling.rating.month import MonthBill, Talk, bill_month
from fsbilling.rating.party import Party
from fsbilling.rating.table_csv import parse
from fsbilling.rating.tariff import Tariff

S = 1_000_000
MIN = 60
START_US = int(datetime.fromisoformat("2026-11-02T10:00:00+08:00").timestamp()) * S

SHENZHEN = Party("8675583765566", Region("0755", "深圳", "广东"), "landline")
GUANGZHOU = Party("8613800020000", Region("020", "广州", "广东"), "mobile")
BEIJING = Party("861065001234", Region("010", "北京", "北京"), "landline")
OWNER = Party("4001234567", UNKNOWN_REGION, "400")


def tariff(rows: str, plan: str = "") -> Tariff:
    read = plan_file.parse(plan.encode())
    return Tariff("published", 1, parse(rows.encode(), read), read)


def month(priced: Tariff, *seconds: int, origin=GUANGZHOU, destination=BEIJING) -> MonthBill:
    talks = [
        Talk(origin, destination, START_US + place * 3_600 * S, talked_s * S)
        for place, talked_s in enumerate(seconds)
    ]
    return bill_month(priced, talks)


def yuan(bill: MonthBill) -> str:
    return format_micros(bill.total_micros)


@pytest.mark.parametrize(
    ("increment_s", "talked_s", "total"),
    [
        (1, 61, "0.1525"),
        (6, 61, "0.165"),
        (60, 61, "0.30"),
        (1, 60, "0.15"),
        (6, 60, "0.15"),
        (60, 60, "0.15"),
        (1, 1, "0.0025"),
        (6, 1, "0.015"),
        (60, 1, "0.15"),
    ],
)
def test_per_minute_by_duration(increment_s, talked_s, total):
    rows = f"price_per_min,first_increment_s,next_increment_s\n0.15,{increment_s},{increment_s}\n"
    assert yuan(month(tariff(rows), talked_s)) == total


BY_VOLUME = "level_from,price_per_min\n0,0.20\n50,0.18\n100,0.16\n"
VOLUME_OF_MINUTES = '[levels]\nof = "minutes"\nmode = "volume"\n'


@pytest.mark.parametrize(
    ("minutes", "total"),
    [(10, "2.00"), (49, "9.80"), (50, "9.00"), (99, "17.82"), (100, "16.00"), (150, "24.00")],
)
@pytest.mark.parametrize("call_min", [1, 5, 7])
def test_per_minute_by_volume(minutes, total, call_min):
    calls = [call_min * MIN] * (minutes // call_min) + [minutes % call_min * MIN]
    assert yuan(month(tariff(BY_VOLUME, VOLUME_OF_MINUTES), *calls)) == total


def test_each_level_reached_is_one_explained_adjustment():
    bill = month(tariff(BY_VOLUME, VOLUME_OF_MINUTES), *[MIN] * 100)
    assert [(each.level, each.calls, each.amount_micros) for each in bill.adjustments] == [
        (50, 50, -1_000_000),
        (100, 100, -2_000_000),
    ]
    assert bill.adjustments[1].explanation == (
        "published v1: the month reached 100 minutes: 100 calls at that level 16.00 "
        "- charged so far 18.00 = -2.00"
    )
    assert [charge.amount_micros for charge in bill.charges[48:52]] == [
        200_000,
        200_000,
        180_000,
        180_000,
    ]


def test_per_minute_by_graduated_levels():
    graduated = tariff(BY_VOLUME, VOLUME_OF_MINUTES.replace("volume", "graduated"))
    assert yuan(month(graduated, 150 * MIN)) == "27.00"  # 50 x 0.20 + 50 x 0.18 + 50 x 0.16
    assert yuan(month(graduated, *[MIN] * 150)) == "27.00"
    assert yuan(month(graduated, *[7 * MIN] * 21, 3 * MIN)) == "27.00"
    [charge] = month(graduated, 150 * MIN).charges
    assert [(part.rate.level_from, part.seconds) for part in charge.parts] == [
        (0, 3_000),
        (50, 3_000),
        (100, 3_000),
    ]
    assert month(graduated, *[MIN] * 150).adjustments == ()


def test_a_call_without_a_row_is_left_out_of_its_month():
    rows = "destination,price_per_min\nprefix:8675,0.20\n"
    talks = [Talk(GUANGZHOU, callee, START_US, MIN * S) for callee in (SHENZHEN, BEIJING, SHENZHEN)]
    bill = bill_month(tariff(rows), talks)
    assert [charge and charge.amount_micros for charge in bill.charges] == [200_000, None, 200_000]
    assert (bill.volume.calls, bill.total_micros) == (2, 400_000)


def test_per_hour():
    assert yuan(month(tariff("price_per_hour\n10\n"), 3_600)) == "10.00"
    assert yuan(month(tariff("price_per_hour\n10\n"), 5_400)) == "15.00"
    by_hour = "price_per_hour,first_increment_s,next_increment_s\n10,3600,3600\n"
    assert yuan(month(tariff(by_hour), 3_601)) == "20.00"


BASIC = "[package]\nminutes = 100\n[month]\nfee = 300\n"
PREMIUM = "[package]\nunlimited = true\n[month]\nfee = 500\n"


@pytest.mark.parametrize(
    ("minutes", "total"), [(0, "300.00"), (100, "300.00"), (101, "300.15"), (200, "315.00")]
)
def test_the_basic_package(minutes, total):
    priced = tariff("price_per_min\n0.15\n", BASIC)
    assert yuan(month(priced, minutes * MIN)) == total
    assert yuan(month(priced, *[MIN] * minutes)) == total


def test_a_package_ends_in_the_middle_of_a_call_at_its_second():
    bill = month(tariff("price_per_min\n0.15\n", BASIC), 99 * MIN + 30, 50)
    assert [charge.included_s for charge in bill.charges] == [5_970, 30]
    assert bill.charges[1].amount_micros == 50_000
    assert bill.included_s == 6_000


def test_the_premium_package_has_no_end():
    bill = month(tariff("price_per_min\n0.15\n", PREMIUM), *[86_400] * 31)
    assert yuan(bill) == "500.00"
    assert bill.volume.billed_s == 31 * 86_400


PER_CALL = "level_from,price_per_min,per_call\n0,0,2.00\n50,0,1.80\n100,0,1.50\n"


@pytest.mark.parametrize(
    ("calls", "total"),
    [(10, "20.00"), (49, "98.00"), (50, "90.00"), (99, "178.20"), (100, "150.00")],
)
def test_per_connected_call_by_volume(calls, total):
    priced = tariff(PER_CALL, '[levels]\nof = "calls"\nmode = "volume"\n')
    unanswered = [0] * 20
    assert yuan(month(priced, *unanswered, *[30] * calls)) == total


def test_per_connected_call_by_graduated_levels():
    priced = tariff(PER_CALL, '[levels]\nof = "calls"\nmode = "graduated"\n')
    assert yuan(month(priced, *[30] * 100)) == "190.00"  # 50 x 2.00 + 50 x 1.80
    assert yuan(month(priced, *[30] * 101)) == "191.50"


@pytest.mark.parametrize(
    ("base", "minutes", "per_min", "per_call", "total"),
    [
        # 40 calls of 2 minutes: 80 minutes, of which 50 are included.
        ("200", 50, "0.18", "2.50", "305.40"),  # 200 + 30 x 0.18 + 40 x 2.50
        ("400", 150, "0.16", "2.20", "488.00"),  # 400 + 0 + 40 x 2.20
    ],
)
def test_hybrid(base, minutes, per_min, per_call, total):
    plan = f"[package]\nminutes = {minutes}\n[month]\nfee = {base}\n"
    priced = tariff(f"price_per_min,per_call\n{per_min},{per_call}\n", plan)
    assert yuan(month(priced, *[120] * 40)) == total


def test_hybrid_beyond_its_package():
    plan = "[package]\nminutes = 150\n[month]\nfee = 400\n"
    priced = tariff("price_per_min,per_call\n0.16,2.20\n", plan)
    assert yuan(month(priced, *[600] * 20)) == "452.00"  # 400 + 50 x 0.16 + 20 x 2.20


@pytest.mark.parametrize(
    ("minutes", "total"), [(0, "100.00"), (200, "100.00"), (400, "110.00"), (1_000, "200.00")]
)
def test_base_fee_plus_usage_and_minimum_spend(minutes, total):
    priced = tariff("price_per_min\n0.15\n", "[month]\nfee = 50\nminimum_spend = 100\n")
    bill = month(priced, minutes * MIN)
    assert yuan(bill) == total
    assert bill.fee_micros == 50 * S
    assert bill.top_up_micros == max(50 * S - minutes * 150_000, 0)


def test_by_region_local_and_long_distance():
    rows = "relation,price_per_min\nsame_city,0.06\nsame_province,0.10\nelsewhere,0.15\n"
    priced = tariff(rows)
    for origin, destination, total in (
        (SHENZHEN, SHENZHEN, "0.06"),
        (SHENZHEN, GUANGZHOU, "0.10"),
        (SHENZHEN, BEIJING, "0.15"),
        (OWNER, BEIJING, "0.15"),
    ):
        assert yuan(month(priced, MIN, origin=origin, destination=destination)) == total


def test_400_shared_cost_by_region_and_kind_of_target():
    rows = (
        "origin,callee_kind,price_per_min\n"
        "*,*,0.20\n*,landline,0.15\n*,call_centre,0.10\nprovince:广东,mobile,0.18\n"
    )
    priced = tariff(rows)
    for caller, kind, total in (
        (BEIJING, "landline", "0.15"),
        (BEIJING, "mobile", "0.20"),
        (BEIJING, "call_centre", "0.10"),
        (SHENZHEN, "mobile", "0.18"),
        (SHENZHEN, "landline", "0.15"),
        (BEIJING, "", "0.20"),
    ):
        target = Party(OWNER.digits, UNKNOWN_REGION, kind)
        assert yuan(month(priced, MIN, origin=caller, destination=target)) == total


def test_a_precision_of_a_fen_rounds_each_call_once():
    priced = tariff("price_per_min\n0.15\n", 'precision = "0.01"\n')
    assert yuan(month(priced, 61)) == "0.15"  # 0.1525
    assert yuan(month(priced, 62)) == "0.16"  # 0.155: half goes up
    [charge] = month(priced, 62).charges
    assert [(str(part.kind), part.amount_micros) for part in charge.parts] == [
        ("usage", 155_000),
        ("rounding", 5_000),
    ]


def test_a_call_that_no_row_prices_is_told_and_counts_for_nothing():
    bill = month(tariff("destination,price_per_min\nprefix:86,0.15\n"), MIN, destination=OWNER)
    assert bill.charges == (None,)
    assert (bill.volume.calls, bill.total_micros) == (0, 0)

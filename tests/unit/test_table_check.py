"""Whether sound rows make a sound table, and what the refusal says."""

from __future__ import annotations

import pytest
from refusal import refused

from fsbilling.rating import table_check
from fsbilling.rating.plan import Band, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.table_csv import parse

PLAN = Plan(
    bands=(Band("peak", ("workday",)), Band("off", ("restday",))),
    zones={"delta": ("area:0755", "area:020"), "south": ("area:0755", "province:广西")},
    levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME),
    precision_micros=10_000,
)
GAPS = Plan(bands=(Band("peak", ("workday",)), Band("night", (), ((0, 360),))))


def faults(text: str, plan: Plan = PLAN) -> list[str]:
    return refused(text, plan)


def sound(text: str, plan: Plan = PLAN) -> bool:
    return bool(parse(text.encode(), plan))


def test_rows_of_one_match_may_differ_in_band_and_level():
    text = "band,level_from,price_per_min\n*,0,1\n*,50,2\npeak,0,3\npeak,50,4\noff,0,5\n"
    assert sound(text)


def test_ties_name_both_lines_and_what_they_share():
    text = (
        "destination,callee_kind,relation,band,level_from,price_per_min\n"
        "area:010,mobile,same_city,*,0,1\n"
        "area:010,mobile,same_city,peak,0,1\n"
        "area:010,mobile,same_city,peak,50,1\n"
        "area:010,mobile,same_city,peak,50,2\n"
        "area:010,mobile,same_city,*,0,2\n"
    )
    assert faults(text) == [
        (
            "line 5: this row is from * to area:010, mobile, same_city, band peak, level 50, "
            "the same as line 4: they tie"
        ),
        "line 6: this row is from * to area:010, mobile, same_city, the same as line 2: they tie",
    ]


def test_three_rows_that_tie_all_name_the_first():
    assert [line[:6] for line in faults("price_per_min\n1\n2\n3\n")] == ["line 3", "line 4"]
    assert faults("price_per_min\n1\n2\n3\n")[1].endswith("the same as line 2: they tie")


def test_names_that_the_plan_does_not_know_are_named():
    text = (
        "origin,destination,band,level_from,price_per_min\n"
        "zone:x,zone:delta,*,0,1\nzone:delta,zone:y,*,0,1\n*,*,*,0,1\n*,*,evening,0,1\n"
    )
    assert faults(text) == [
        "line 2, column origin: the plan has no zone x",
        "line 3, column destination: the plan has no zone y",
        "line 5, column band: the plan has no band evening",
    ]


def test_levels_need_a_plan_that_says_what_they_are_of():
    assert faults("level_from,price_per_min\n0,1\n50,1\n", Plan()) == [
        "line 3, column level_from: the plan does not say what levels are of"
    ]


def test_zones_of_one_column_that_share_a_member_tie():
    text = "destination,price_per_min\nzone:delta,1\nzone:delta,2\n*,1\nzone:south,1\n"
    assert faults(text)[1:] == [
        (
            "line 5, column destination: area:0755 is in zone:south and in zone:delta of line 2: "
            "they tie"
        ),
    ]
    assert sound("origin,destination,price_per_min\nzone:delta,zone:south,1\n")
    assert faults("origin,price_per_min\nzone:south,1\nzone:delta,1\n") == [
        "line 3, column origin: area:0755 is in zone:delta and in zone:south of line 2: they tie",
    ]


def test_a_band_that_has_no_row_from_level_0_leaves_calls_without_a_price():
    text = "band,level_from,price_per_min\n*,0,1\npeak,100,1\npeak,50,1\n"
    assert faults(text) == ["line 4, column level_from: no row from * to * from level 0 on"]
    assert faults("level_from,price_per_min\n50,1\n") == [
        "line 2, column level_from: no row from * to * from level 0 on"
    ]


def test_rows_that_tie_above_level_0_leave_calls_without_a_price_too():
    assert faults("level_from,price_per_min\n50,1\n50,2\n") == [
        "line 2, column level_from: no row from * to * from level 0 on",
        "line 3: this row is from * to *, level 50, the same as line 2: they tie",
    ]


@pytest.mark.parametrize(
    ("plan", "rows"),
    [(PLAN, "peak,1\n"), (PLAN, "off,1\n"), (GAPS, "peak,1\nnight,1\n")],
)
def test_bands_that_leave_time_without_a_price_are_named(plan, rows):
    assert faults(f"band,price_per_min\n{rows}", plan) == [
        (
            "line 2, column band: from * to *: no row with band * for the time that is in none of "
            "the bands priced"
        )
    ]


@pytest.mark.parametrize(
    ("plan", "rows"),
    [(PLAN, "peak,1\noff,1\n"), (PLAN, "*,1\n"), (GAPS, "peak,1\n*,1\n")],
)
def test_bands_that_leave_no_time_without_a_price_are_sound(plan, rows):
    assert sound(f"band,price_per_min\n{rows}", plan)


def test_a_maximum_that_would_be_rounded_up_is_refused():
    assert faults("price_per_min,max_charge\n1,0.305\n") == [
        "line 2, column max_charge: must be a multiple of the plan's precision, 0.01"
    ]
    assert sound("price_per_min,max_charge\n1,0.31\n")


def test_the_rows_of_one_match_are_bounded(monkeypatch):
    monkeypatch.setattr(table_check, "MAX_ROWS_OF_A_MATCH", 2)
    head = "destination,level_from,price_per_min\n"
    assert sound(head + "*,0,1\n*,1,1\narea:010,0,1\n")
    assert faults(head + "*,2,1\n*,1,1\n*,0,1\n") == ["line 4: more than 2 rows from * to *"]


def test_a_row_out_of_range_is_no_tie_as_well():
    assert faults("price_per_min,grace_s\n1,0\n1,3601\n") == [
        "line 3, column grace_s: must be from 0 to 3600 seconds"
    ]


def test_faults_come_in_the_files_order():
    text = "band,price_per_min\n*,1\nevening,1\n*,x\n*,2\n"
    assert [line[:6] for line in faults(text)] == ["line 3", "line 4", "line 5"]

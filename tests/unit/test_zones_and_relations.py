"""Zones, kinds of callee and the relation of the two ends: which row wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbilling.errors import InputError
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.rating import table as table_module
from fsbilling.rating.party import Party, relations
from fsbilling.rating.rate import Rate
from fsbilling.rating.table import RateTable

SHENZHEN = Party("8675583765566", Region("0755", "深圳", "广东"), "landline")
GUANGZHOU = Party("8613800020000", Region("020", "广州", "广东"), "mobile")
BEIJING = Party("861065001234", Region("010", "北京", "北京"), "landline")
HONG_KONG = Party("85223456789", UNKNOWN_REGION, "international")
HIDDEN = Party("", UNKNOWN_REGION)

ZONES = {
    "delta": ("area:0755", "area:020", "prefix:86138"),
    "south": ("province:广东", "prefix:852"),
    "china": ("prefix:86",),
    "unused": ("area:0755",),
}


def winner(rows: list[dict[str, str]], origin: Party, destination: Party) -> int | None:
    """The place in the list of the row that wins, the same in either order of the rows."""
    rates = [Rate(rate_id=place, rate_micros_per_min=0, **row) for place, row in enumerate(rows)]
    first, second = (
        RateTable(order, ZONES).rows(origin, destination) for order in (rates, rates[::-1])
    )
    assert first == second
    assert len(first) <= 1
    return first[0].rate_id if first else None


def to(*destinations: str) -> list[dict[str, str]]:
    return [{"destination": form} for form in destinations]


@pytest.mark.parametrize(
    ("forms", "callee", "won"),
    [
        (["*", "zone:delta"], SHENZHEN, 1),
        (["*", "zone:delta"], BEIJING, 0),
        (["zone:delta", "zone:south"], SHENZHEN, 0),  # an area before a province
        (["zone:delta", "area:0755"], SHENZHEN, 1),  # the member itself before its zone
        (["zone:delta", "province:广东"], SHENZHEN, 0),
        (["zone:delta", "area:020"], GUANGZHOU, 0),  # by its prefix of 5 digits
        (["zone:south", "province:广东"], GUANGZHOU, 1),
        (["zone:south", "*"], HONG_KONG, 0),
        (["zone:china", "province:广东"], GUANGZHOU, 1),
        (["zone:china", "*"], BEIJING, 0),
        (["zone:china", "prefix:86"], BEIJING, 1),
        (["zone:south"], BEIJING, None),
    ],
)
def test_a_zone_stands_just_below_its_member_that_matches(forms, callee, won):
    assert winner(to(*forms), BEIJING, callee) == won


def test_zones_match_the_caller_too():
    rows = [{"origin": "zone:delta"}, {"origin": "province:广东"}, {"origin": "*"}]
    assert winner(rows, SHENZHEN, HIDDEN) == 0
    assert winner(rows[1:], SHENZHEN, HIDDEN) == 0
    assert winner(rows, HIDDEN, SHENZHEN) == 2


def test_two_zones_of_one_column_that_share_a_member_tie():
    rows = [Rate(destination=form, rate_micros_per_min=0) for form in ("zone:delta", "zone:unused")]
    with pytest.raises(
        InputError, match="two rates tie: area:0755 is in zone:delta and in zone:unused"
    ):
        RateTable(rows, ZONES)
    apart = [
        Rate(destination="zone:delta", rate_micros_per_min=0),
        Rate(origin="zone:unused", destination="zone:delta", rate_micros_per_min=0),
    ]
    assert RateTable(apart, ZONES).rows(SHENZHEN, SHENZHEN) == (apart[1],)


def test_a_zone_that_the_plan_does_not_know_matches_nobody():
    rows = [Rate(destination="zone:nowhere", rate_micros_per_min=0)]
    assert RateTable(rows).rows(SHENZHEN, SHENZHEN) == ()


@pytest.mark.parametrize(
    ("origin", "destination", "near"),
    [
        (SHENZHEN, SHENZHEN, ("same_city", "same_province", "*")),
        (SHENZHEN, GUANGZHOU, ("same_province", "*")),
        (SHENZHEN, BEIJING, ("elsewhere", "*")),
        (SHENZHEN, HONG_KONG, ("elsewhere", "*")),
        (HIDDEN, HIDDEN, ("elsewhere", "*")),
    ],
)
def test_every_two_ends_have_a_relation(origin, destination, near):
    assert relations(origin.region, destination.region) == near


def test_the_closest_relation_wins():
    rows = [{"relation": name} for name in ("*", "same_province", "same_city", "elsewhere")]
    assert winner(rows, SHENZHEN, SHENZHEN) == 2
    assert winner(rows, SHENZHEN, GUANGZHOU) == 1
    assert winner(rows, SHENZHEN, BEIJING) == 3
    assert winner(rows[:2], SHENZHEN, SHENZHEN) == 1
    assert winner(rows[:1], SHENZHEN, SHENZHEN) == 0
    assert winner(rows[2:], SHENZHEN, GUANGZHOU) is None


def test_the_kind_of_the_callee_wins_over_any_and_decides_before_the_relation():
    rows = [{"callee_kind": "mobile"}, {"relation": "same_province"}, {}]
    assert winner(rows, SHENZHEN, GUANGZHOU) == 0
    assert winner(rows, GUANGZHOU, SHENZHEN) == 1
    assert winner(rows, BEIJING, SHENZHEN) == 2
    assert winner(rows, BEIJING, HIDDEN) == 2
    assert winner(rows[:1], GUANGZHOU, SHENZHEN) is None


def test_a_kind_and_a_relation_together_win_over_each():
    rows = [{"callee_kind": "mobile"}, {"callee_kind": "mobile", "relation": "elsewhere"}]
    assert winner(rows, BEIJING, GUANGZHOU) == 1
    assert winner(rows, SHENZHEN, GUANGZHOU) == 0


def test_the_match_decides_before_kind_and_relation():
    rows = [{"callee_kind": "mobile"}, {"destination": "province:广东"}]
    assert winner(rows, BEIJING, GUANGZHOU) == 1
    rows = [{"relation": "same_province"}, {"origin": "area:0755"}]
    assert winner(rows, SHENZHEN, GUANGZHOU) == 1


def test_a_row_of_another_kind_does_not_hide_a_wider_one():
    rows = [{"destination": "area:0755", "callee_kind": "mobile"}, {}]
    assert winner(rows, BEIJING, SHENZHEN) == 1


def test_rows_of_one_match_come_by_band_and_level():
    rows = [
        Rate(band=band, level_from=level, rate_micros_per_min=0)
        for band, level in (("b", 0), ("*", 50), ("a", 0), ("*", 0))
    ]
    assert RateTable(rows).rows(SHENZHEN, BEIJING) == (rows[3], rows[1], rows[2], rows[0])
    assert RateTable(rows).levels == [0, 50]


def test_no_row_gives_no_rows():
    assert RateTable([]).rows(SHENZHEN, BEIJING) == ()


def test_rows_that_tie_in_band_and_level_are_a_fault():
    rows = [Rate(band="a", level_from=5, rate_micros_per_min=price) for price in (1, 2)]
    with pytest.raises(InputError, match=r"both from \* to \*"):
        RateTable(rows)


def test_the_bound_on_the_rows_of_one_match_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "rates.md").read_text(encoding="utf-8")
    assert f"at most {table_module.MAX_ROWS_OF_A_MATCH} of them" in page.replace("\n", " ")


def test_the_rows_of_one_match_are_bounded(monkeypatch):
    monkeypatch.setattr(table_module, "MAX_ROWS_OF_A_MATCH", 2)
    rows = [Rate(level_from=level, rate_micros_per_min=0) for level in range(3)]
    assert len(RateTable(rows[:2]).rows(SHENZHEN, BEIJING)) == 2
    with pytest.raises(InputError, match=r"more than 2 rates to \*"):
        RateTable(rows)

"""Which row prices a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbilling.errors import InputError
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.rating.rate import Rate
from fsbilling.rating.table import MATCHING_RULE, Party, RateTable

SHENZHEN = Region("0755", "深圳", "广东")
GUANGZHOU = Region("020", "广州", "广东")
BEIJING = Region("010", "北京", "北京")

SHENZHEN_LANDLINE = Party("8675583765566", SHENZHEN)
SHENZHEN_MOBILE = Party("8613800755000", SHENZHEN)
GUANGZHOU_LANDLINE = Party("862083765566", GUANGZHOU)
BEIJING_LANDLINE = Party("861065001234", BEIJING)
SERVICE_400 = Party("4001234567", UNKNOWN_REGION)
HIDDEN = Party("", UNKNOWN_REGION)
HONG_KONG = Party("85223456789", UNKNOWN_REGION)


def table(*rows: tuple[str, str]) -> RateTable:
    """Rows of (origin, destination), priced by their place in the list."""
    return RateTable(
        Rate(origin=origin, destination=destination, rate_micros_per_min=place)
        for place, (origin, destination) in enumerate(rows)
    )


def found(rates: RateTable, origin: Party, destination: Party) -> tuple[str, str] | None:
    rows = rates.rows(origin, destination)
    assert len(rows) <= 1
    return (rows[0].origin, rows[0].destination) if rows else None


@pytest.mark.parametrize(
    ("callee", "form"),
    [
        (Party("8613800755000", SHENZHEN), "prefix:861380075"),
        (Party("8613800999000", SHENZHEN), "prefix:8613800"),
        (SHENZHEN_LANDLINE, "area:0755"),
        (GUANGZHOU_LANDLINE, "province:广东"),
        (BEIJING_LANDLINE, "prefix:86"),
        (Party("8213800755000", UNKNOWN_REGION), "prefix:8"),
        (Party("12025550123", UNKNOWN_REGION), "*"),
        (HIDDEN, "*"),
    ],
)
def test_the_most_specific_match_of_the_callee_wins(callee, form):
    forms = (
        "*",
        "prefix:8",
        "prefix:86",
        "province:广东",
        "area:0755",
        "prefix:8613800",
        "prefix:861380075",
    )
    for rows in (forms, forms[::-1]):
        rates = table(*(("*", destination) for destination in rows))
        assert found(rates, BEIJING_LANDLINE, callee) == ("*", form)


def test_the_price_of_a_400_call_follows_the_callers_region():
    rates = table(("*", "*"), ("province:广东", "*"), ("area:0755", "*"))
    assert found(rates, SHENZHEN_MOBILE, SERVICE_400) == ("area:0755", "*")
    assert found(rates, GUANGZHOU_LANDLINE, SERVICE_400) == ("province:广东", "*")
    assert found(rates, BEIJING_LANDLINE, SERVICE_400) == ("*", "*")
    assert found(rates, HIDDEN, SERVICE_400) == ("*", "*")


def test_the_callee_decides_before_the_caller():
    rates = table(("prefix:8675583765566", "*"), ("*", "province:广东"))
    assert found(rates, SHENZHEN_LANDLINE, GUANGZHOU_LANDLINE) == ("*", "province:广东")


def test_among_rows_of_one_callee_the_caller_decides():
    rates = table(("*", "area:020"), ("province:广东", "area:020"), ("area:0755", "area:020"))
    assert found(rates, SHENZHEN_LANDLINE, GUANGZHOU_LANDLINE) == ("area:0755", "area:020")
    assert found(rates, GUANGZHOU_LANDLINE, GUANGZHOU_LANDLINE) == ("province:广东", "area:020")
    assert found(rates, BEIJING_LANDLINE, GUANGZHOU_LANDLINE) == ("*", "area:020")


def test_a_row_for_other_callers_does_not_hide_a_wider_one():
    rates = table(("area:010", "area:0755"), ("*", "province:广东"))
    assert found(rates, GUANGZHOU_LANDLINE, SHENZHEN_LANDLINE) == ("*", "province:广东")


def test_a_call_that_no_row_matches_has_no_rate():
    rates = table(("*", "prefix:86"), ("area:010", "*"))
    assert found(rates, SHENZHEN_LANDLINE, HONG_KONG) is None
    assert found(table(), SHENZHEN_LANDLINE, HONG_KONG) is None


def test_an_unknown_region_matches_no_area_and_no_province():
    rates = table(("*", "area:0755"), ("*", "province:广东"))
    assert found(rates, BEIJING_LANDLINE, Party("8675583765566", UNKNOWN_REGION)) is None


def test_a_prefix_longer_than_the_number_does_not_match():
    assert found(table(("*", "prefix:1103")), HIDDEN, Party("110", UNKNOWN_REGION)) is None


def test_a_lookup_tries_each_form_once_however_many_rows_there_are():
    rates = table(("*", "*"), *(("*", f"prefix:{digits}") for digits in range(8_600, 8_700)))
    tried = list(rates._destinations.forms(SHENZHEN_LANDLINE))
    assert tried == ["prefix:8675", "area:0755", "province:广东", "*"]


def test_two_rows_that_tie_are_a_fault_that_names_them():
    with pytest.raises(InputError, match=r"from area:0755 to \*"):
        table(("area:0755", "*"), ("*", "*"), ("area:0755", "*"))


def test_the_rule_is_documented_as_it_is_printed():
    page = Path(__file__).parents[2] / "docs" / "rates.md"
    quoted = page.read_text(encoding="utf-8").replace("\n> ", " ")
    assert MATCHING_RULE in quoted


@pytest.mark.parametrize(
    ("kind", "digits", "form"),
    [
        (NumberKind.SHORT, "12345", "prefix:86"),
        (NumberKind.SHORT, "95588", "prefix:8695588"),
        (NumberKind.EXTENSION, "1001", "*"),
        (NumberKind.ANONYMOUS, "", "*"),
        (NumberKind.INTERNATIONAL, "12345550123", "prefix:1"),
        (NumberKind.SERVICE_400, "4001234567", "prefix:4001234567"),
        (NumberKind.LANDLINE, "8675583765566", "prefix:86"),
    ],
)
def test_a_short_number_is_never_taken_for_a_foreign_one(kind, digits, form):
    rates = table(
        *(("*", row) for row in ("*", "prefix:1", "prefix:86", "prefix:8695588")),
        ("*", "prefix:4001234567"),
    )
    callee = Party.of(Number(digits, kind, digits), UNKNOWN_REGION)
    assert found(rates, HIDDEN, callee) == ("*", form)


@pytest.mark.parametrize(
    ("kind", "digits", "compared"),
    [
        (NumberKind.LANDLINE, "8675583765566", "8675583765566"),
        (NumberKind.SHORT, "12345", "8612345"),
        (NumberKind.EXTENSION, "1001", ""),
    ],
)
def test_a_party_keeps_its_region_and_its_kind(kind, digits, compared):
    number = Number("as dialled", kind, digits)
    assert Party.of(number, SHENZHEN) == Party(compared, SHENZHEN, kind)
    assert Party.of(number, SHENZHEN, kind="call_centre") == Party(
        compared, SHENZHEN, "call_centre"
    )
    assert len({Party.of(number, SHENZHEN), Party.of(number, SHENZHEN)}) == 1
    assert Party(compared, SHENZHEN).kind == ""

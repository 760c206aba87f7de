"""A tariff's plan as a TOML file: read, faults named with their place, written back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fsbilling.errors import InputError
from fsbilling.rating import plan_file
from fsbilling.rating.plan import PLAIN, UNLIMITED_S, Band, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.plan_file import parse, write
from fsbilling.rating.table_csv import parse as parse_table
from fsbilling.rating.table_csv import write as write_table

ROOT = Path(__file__).parents[2]

WHOLE = """
time_zone = "Europe/Berlin"
precision = 0.01
calendar = "DE"
holidays = [2026-12-31, 2026-12-24]
workdays = ["2026-12-20", 2026-12-19]

[[band]]
name = "peak"
days = ["mon-wed", "Fri", "holiday"]
hours = ["08:00-12:30", " 14:00-18:00"]

[[band]]
name = "night"
hours = ["22:00-06:00", "20:00-00:00", "00:00-24:00"]

[zones]
delta = ["0755".area, "86755"]

[levels]
of = "calls"
mode = "graduated"

[package]
minutes = 100

[month]
fee = 299.90
minimum_spend = "500"
""".replace('"0755".area', '"area:0755"')


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(InputError) as raised:
        parse(text if isinstance(text, bytes) else text.encode())
    return str(raised.value).split("\n")


def test_everything_is_read():
    assert parse(WHOLE.encode()) == Plan(
        time_zone="Europe/Berlin",
        precision_micros=10_000,
        calendar="DE",
        holidays=(date(2026, 12, 24), date(2026, 12, 31)),
        workdays=(date(2026, 12, 19), date(2026, 12, 20)),
        bands=(
            Band("peak", ("mon", "tue", "wed", "fri", "holiday"), ((480, 750), (840, 1_080))),
            Band("night", (), ((1_320, 1_440), (0, 360), (1_200, 1_440), (0, 1_440))),
        ),
        zones={"delta": ("area:0755", "prefix:86755")},
        levels=Levels(LevelUnit.CALLS, LevelMode.GRADUATED),
        included_s=6_000,
        month_fee_micros=299_900_000,
        minimum_spend_micros=500_000_000,
    )


def test_an_empty_plan_is_that_of_rows_alone():
    assert parse(b"") == PLAIN
    assert parse(b"\xef\xbb\xbf") == PLAIN
    assert parse(write(PLAIN).encode()) == PLAIN


def test_what_is_written_is_read_again():
    plan = parse(WHOLE.encode())
    assert parse(write(plan).encode()) == plan
    assert write(parse(write(plan).encode())) == write(plan)
    unlimited = Plan(included_s=UNLIMITED_S)
    assert "unlimited = true" in write(unlimited)
    assert parse(write(unlimited).encode()) == unlimited


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "time_zone = 'Mars/Olympus'",
            "time_zone: no time zone 'Mars/Olympus'; write it like Asia/Shanghai",
        ),
        (
            "time_zone = '../etc/passwd'",
            "time_zone: no time zone '../etc/passwd'; write it like Asia/Shanghai",
        ),
        ("time_zone = 8", "time_zone: Expected `str`, got `int`"),
        ("timezone = 'UTC'", "plan: Object contains unknown field `timezone`"),
        ("precision = 0.03", "precision: must be a whole part of 1, like 0.01 or 0.000001"),
        ("precision = 0", "precision: must be a whole part of 1, like 0.01 or 0.000001"),
        ("precision = 2", "precision: must be a whole part of 1, like 0.01 or 0.000001"),
        ("calendar = 'china'", "calendar: 'china' is not a country code like CN"),
        ("holidays = ['soon']", "holidays[0]: Invalid RFC3339 encoded date"),
        (
            "holidays = [2026-01-01]\nworkdays = [2026-01-01]",
            "workdays: 2026-01-01 is among the holidays too",
        ),
        (
            "[[band]]\nname = 'a b'",
            "band[0].name: 'a b' is not a name; write letters, digits, _ and -, at most 32",
        ),
        ("[[band]]", "band[0]: Object missing required field `name`"),
        ("[[band]]\nname = 'a'\n[[band]]\nname = 'a'", "band[1].name: there is a band 'a' already"),
        (
            "[[band]]\nname = 'a'\ndays = ['fun']",
            "band[0].days: 'fun' is no day; write mon-fri, or of mon, tue, wed, thu, fri, sat, sun, holiday, restday, workday",
        ),
        (
            "[[band]]\nname = 'a'\nhours = ['8-20']",
            "band[0].hours: '8-20' are no hours; write them like 08:00-20:00",
        ),
        (
            "[zones]\n'a b' = []",
            "zones.a b: 'a b' is not a name; write letters, digits, _ and -, at most 32",
        ),
        ("[zones]\na = ['*']", "zones.a[0]: a zone is made of areas, provinces and prefixes"),
        (
            "[zones]\na = ['area:010', 'zone:b']",
            "zones.a[1]: a zone is made of areas, provinces and prefixes",
        ),
        (
            "[zones]\na = ['area:10']",
            "zones.a[0]: '10' is not an area code; write it with its 0, like 0755 or 010",
        ),
        ("[levels]\nof = 'hours'\nmode = 'volume'", "levels.of: Invalid enum value 'hours'"),
        ("[package]\nminutes = -1", "package.minutes: must be from 0 to 1000000000"),
        ("[package]\nminutes = 1000000001", "package.minutes: must be from 0 to 1000000000"),
        (
            "[package]\nminutes = 1\nunlimited = true",
            "package: give minutes or unlimited, not both",
        ),
        ("[month]\nfee = '¥300'", "month.fee: '¥300' is not an amount; write it like 12.34"),
        ("[month]\nminimum_spend = -1", "month.minimum_spend: must not be negative"),
        ("[month]\nfee = 1e3", "month.fee: '1e3' is not an amount; write it like 12.34"),
    ],
)
def test_a_fault_is_named_with_its_place(text, fault):
    assert faults(text) == [fault]


def test_the_largest_package_is_still_one_with_an_end():
    assert parse(b"[package]\nminutes = 1000000000").included_s == 60_000_000_000 < UNLIMITED_S


def test_a_precision_that_is_no_amount_is_told_what_it_may_be():
    assert faults("precision = 'fine'") == [
        "precision: 'fine' is not an amount; write it like 12.34",
        "precision: must be a whole part of 1, like 0.01 or 0.000001",
    ]


def test_chinese_names_are_written_as_they_are_read():
    plan = Plan(zones={"珠三角": ("area:0755", "province:广东")})
    assert '\n"珠三角" = ["area:0755", "province:广东"]\n' in write(plan)


@pytest.mark.parametrize("word", ["fri-mon", "mon-", "-mon", "mon-workday", "workday-sun", ""])
def test_only_days_and_runs_of_weekdays_are_days(word):
    assert faults(f"[[band]]\nname = 'a'\ndays = ['{word}']")[0].startswith("band[0].days: ")


@pytest.mark.parametrize(
    "hours",
    [
        "08:00",
        "24:00-08:00",
        "08:60-09:00",
        "08:00-25:00",
        "08:00-24:01",
        "08:00-08:00",
        "08:00-09:60",
        "a8:00-09:00",
        "08:00-09:000",
    ],
)
def test_only_what_a_clock_shows_is_hours(hours):
    [fault] = faults(f"[[band]]\nname = 'a'\nhours = ['{hours}']")
    assert fault == f"band[0].hours: {hours!r} are no hours; write them like 08:00-20:00"


def test_a_file_that_is_no_toml_is_named_by_line():
    assert faults("time_zone = \n")[0].startswith("not TOML: Invalid value (at line 1")
    assert faults(b"\xff") == ["not UTF-8"]


def test_every_fault_is_told_up_to_fifty_then_a_count():
    words = ", ".join(["'x'"] * 60)
    told = faults(f"time_zone = 'x'\n[zones]\na = [{words}]")
    assert len(told) == 51
    assert told[0].startswith("time_zone")
    assert told[50] == "and 11 more"
    words = ", ".join(["'x'"] * 50)
    assert len(faults(f"[zones]\na = [{words}]")) == 50
    assert faults(f"[zones]\na = [{words}, 'x']")[50:] == ["and 1 more"]


def test_a_plan_beyond_its_bounds_is_refused(monkeypatch):
    monkeypatch.setattr(plan_file, "MAX_BANDS", 1)
    assert faults("[[band]]\nname = 'a'\n[[band]]\nname = 'b'") == ["band: at most 1"]
    assert len(parse(b"[[band]]\nname = 'a'").bands) == 1
    monkeypatch.setattr(plan_file, "MAX_BYTES", 1024 * 1024)
    assert faults(b"#" * (1024 * 1024 + 1)) == ["larger than 1 MiB"]
    assert parse(b"#" * 1024 * 1024) == PLAIN


def test_the_sample_plan_fits_its_table():
    plan = parse((ROOT / "contrib" / "rates-package.toml").read_bytes())
    data = (ROOT / "contrib" / "rates-package.csv").read_bytes()
    rates = parse_table(data, plan)
    assert write_table(rates).encode() == data
    assert {rate.band for rate in rates} == {"*", *(band.name for band in plan.bands)}


def test_the_documented_plan_is_read():
    page = (ROOT / "docs" / "rates.md").read_text(encoding="utf-8")
    written = page.split("```toml\n")[1].split("```")[0]
    plan = parse(written.encode())
    assert plan.levels is not None
    assert plan.included_s == 6_000
    assert {band.name for band in plan.bands} == {"peak", "night"}
    rows = page.split("```csv\n")[1].split("```")[0]
    assert len(parse_table(rows.encode(), plan)) == 6

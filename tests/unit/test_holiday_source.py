"""Official calendars from the installed package."""

from __future__ import annotations

from datetime import date

import pytest

from fsbilling.errors import InputError
from fsbilling.rating.schedule import NO_CALENDAR
from fsbilling.store.holiday_source import lacks_swapped_days, read_calendar


def days(text: str) -> set[date]:
    return {date.fromisoformat(f"2026-{day}") for day in text.split()}


def test_the_chinese_calendar_of_2026_is_the_state_councils():
    """国办发明电〔2025〕7号: days off, weekends within them included, and days worked instead."""
    calendar = read_calendar("CN", 2026, 2026)
    assert calendar.holidays == days(
        "01-01 01-02 01-03 "
        "02-15 02-16 02-17 02-18 02-19 02-20 02-21 02-22 02-23 "
        "04-04 04-05 04-06 05-01 05-02 05-03 05-04 05-05 06-19 06-20 06-21 "
        "09-25 09-26 09-27 10-01 10-02 10-03 10-04 10-05 10-06 10-07"
    )
    assert calendar.workdays == days("01-04 02-14 02-28 05-09 09-20 10-10")


def test_no_country_has_no_calendar_and_an_unknown_one_is_a_fault():
    assert read_calendar("", 2026, 2026) == NO_CALENDAR
    with pytest.raises(InputError, match="'QQ'"):
        read_calendar("QQ", 2026, 2026)


def test_a_year_whose_swapped_days_nobody_has_announced_is_told():
    assert not lacks_swapped_days("CN", 2026)
    assert lacks_swapped_days("CN", 2090) is False  # nor those of the years before it
    assert not lacks_swapped_days("DE", 2026)  # there are none in Germany
    assert not lacks_swapped_days("", 2026)
    known = max(day.year for day in read_calendar("CN", 2020, 2090).workdays)
    assert lacks_swapped_days("CN", known + 1)

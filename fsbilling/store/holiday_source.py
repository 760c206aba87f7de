"""Official calendars, from the installed package `holidays`: days off, swapped working days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

import holidays

from fsbilling.errors import InputError
from fsbilling.rating.schedule import NO_CALENDAR, Calendar

MAX_CALENDARS = 8
LOOK_BACK_YEARS = 3

_DAY = timedelta(days=1)


@lru_cache(maxsize=MAX_CALENDARS)
def read_calendar(country: str, first_year: int, last_year: int) -> Calendar:
    """Read the calendar of a country (`"CN"`) for some years; no country: no calendar.

    A weekend that touches a holiday is part of it, as China's notices count: National Day 2026
    is 1 to 7 October, its Saturday and Sunday included. Raises InputError for a country that
    the package does not know.

    A year whose swapped days are not yet announced (China's are in November before) has none:
    plans name them until the package does.
    """
    if not country:
        return NO_CALENDAR
    try:
        known = holidays.country_holidays(country, years=range(first_year, last_year + 1))
    except NotImplementedError:
        raise InputError(f"there is no official calendar of {country!r}") from None
    worked = {day for day in known.weekend_workdays if first_year <= day.year <= last_year}
    days_off = set(known) - worked
    weekend = set(known.weekend)
    return Calendar(frozenset(_with_weekends(days_off, worked, weekend)), frozenset(worked))


def lacks_swapped_days(country: str, year: int) -> bool:
    """Tell whether the package knows a country's swapped working days, and not yet this year's."""
    if not country:
        return False
    years = range(year - LOOK_BACK_YEARS, year + 1)
    known = {day.year for day in read_calendar(country, years[0], year).workdays}
    return bool(known) and year not in known


def _with_weekends(
    days_off: Iterable[date], worked: set[date], weekend: set[int]
) -> Iterable[date]:
    for day in days_off:
        yield day
        for step in (_DAY, -_DAY):
            near = day + step
            while near.weekday() in weekend and near not in worked:
                yield near
                near += step

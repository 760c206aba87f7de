"""What a tariff says besides its rows: time zone, bands, zones, levels, package, month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

MIN_PER_DAY: Final = 1_440
UNLIMITED_S: Final = 10**12
"""Included seconds without end: 30,000 years. Sums of it stay far below 2^63."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKDAY: Final = "workday"
RESTDAY: Final = "restday"
HOLIDAY: Final = "holiday"
DAYS: Final = frozenset({*WEEKDAYS, WORKDAY, RESTDAY, HOLIDAY})


class Band(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named part of the week.

    Attributes:
        name: What rows call it.
        days: Any of `DAYS`; empty: every day. A weekday's name is the calendar's, whatever the
            day is used for; `workday`, `restday` and `holiday` heed the official calendar.
        spans_min: From and to, in minutes of the local day, the end left out; empty: all day.
    """

    name: str
    days: tuple[str, ...] = ()
    spans_min: tuple[tuple[int, int], ...] = ()

    def holds(self, day: frozenset[str], minute: int) -> bool:
        """Tell whether it is in force on a day of these names, in this minute of it."""
        if self.days and day.isdisjoint(self.days):
            return False
        return not self.spans_min or any(since <= minute < to for since, to in self.spans_min)


class LevelUnit(StrEnum):
    """What the month's volume is counted in."""

    MINUTES = "minutes"
    CALLS = "calls"


class LevelMode(StrEnum):
    """What reaching a level changes."""

    VOLUME = "volume"
    GRADUATED = "graduated"


class Levels(msgspec.Struct, frozen=True):
    """How `Rate.level_from` is meant.

    Attributes:
        of: Minutes (of billed seconds, those of a package included) or connected calls.
        mode: `volume`: the whole month at the level reached; `graduated`: each part of the
            month at its own level.
    """

    of: LevelUnit
    mode: LevelMode


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The frame that a tariff's rows stand in; the defaults are a tariff of rows alone.

    Attributes:
        time_zone: IANA name; days, bands and months are its local time.
        precision_micros: Charges are rounded to multiples of this.
        calendar: Country code of the official calendar of holidays and swapped working days,
            such as `"CN"`; empty: none.
        holidays: Days off that this tariff adds to the calendar.
        workdays: Working days that this tariff adds, swapped weekends for instance.
        bands: The first that holds is in force.
        zones: Name to written forms of areas, provinces, prefixes.
        levels: How `level_from` is meant; None: rows have no levels.
        included_s: Seconds a month that cost nothing; `UNLIMITED_S`: without end.
        month_fee_micros: Base fee of a month.
        minimum_spend_micros: What a month costs at least, base fee included.
    """

    time_zone: str = "Asia/Shanghai"
    precision_micros: int = 1
    calendar: str = ""
    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    bands: tuple[Band, ...] = ()
    zones: dict[str, tuple[str, ...]] = {}
    levels: Levels | None = None
    included_s: int = 0
    month_fee_micros: int = 0
    minimum_spend_micros: int = 0

    @property
    def looks_back(self) -> bool:
        """Whether reaching a level changes what the month's earlier calls cost."""
        return self.levels is not None and self.levels.mode is LevelMode.VOLUME

    def band_on(self, day: frozenset[str], minute: int) -> str:
        """Give the band in force on a day of these names; `"*"` when none is."""
        for band in self.bands:
            if band.holds(day, minute):
                return band.name
        return "*"

    def covers_all_time(self) -> bool:
        """Tell whether some band is in force at every moment of every kind of day."""
        turns = {0, *(minute for band in self.bands for span in band.spans_min for minute in span)}
        return all(
            self.band_on(day, minute) != "*"
            for day in _kinds_of_day()
            for minute in turns
            if minute < MIN_PER_DAY
        )


PLAIN: Final = Plan()
"""A tariff of rows alone."""


def _kinds_of_day() -> Iterator[frozenset[str]]:
    for weekday in WEEKDAYS:
        yield frozenset({weekday, WORKDAY})
        yield frozenset({weekday, RESTDAY, HOLIDAY})
    for weekday in WEEKDAYS[5:]:
        yield frozenset({weekday, RESTDAY})

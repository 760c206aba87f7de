"""Which time band is in force when: local time, official calendar, changes of the clock."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from fsbilling.clock import US_PER_S
from fsbilling.rating.plan import (
    HOLIDAY,
    MIN_PER_DAY,
    RESTDAY,
    WEEKDAYS,
    WORKDAY,
    Plan,
)

S_PER_DAY: Final = 86_400
LAYOUT_DAYS: Final = 9
"""How far bands are laid out from the day of a call's start: at least 8 full days. What a call
talks beyond stays in the band it has reached."""
MAX_LAYOUTS: Final = 512
LAST_DAY: Final = (date.max - date(1970, 1, 2)).days - LAYOUT_DAYS
"""No calendar goes on beyond the year 9999, and a broken clock may."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Edges = tuple[tuple[int, str], ...]
"""From which second since the epoch on which band is in force."""


class Calendar(msgspec.Struct, frozen=True):
    """Official days off, and weekend days that are worked instead."""

    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()

    def amended(self, plan: Plan) -> Calendar:
        """Add a plan's own days, which have the last word."""
        days_off, worked = frozenset(plan.holidays), frozenset(plan.workdays)
        return Calendar((self.holidays - worked) | days_off, (self.workdays - days_off) | worked)

    def names(self, day: date) -> frozenset[str]:
        """Give what bands may call a day."""
        weekday = day.weekday()
        if day in self.holidays:
            return frozenset({WEEKDAYS[weekday], RESTDAY, HOLIDAY})
        weekend = weekday >= WEEKDAYS.index("sat") and day not in self.workdays
        return frozenset({WEEKDAYS[weekday], RESTDAY if weekend else WORKDAY})


NO_CALENDAR: Final = Calendar()


class Schedule:
    """A plan's bands laid out in time, by the wall clock of its zone.

    The hour that comes twice when the clock is put back is in the same bands twice; the hour
    that is left out is in none. Layouts are kept, at most `MAX_LAYOUTS` days of them.
    """

    def __init__(self, plan: Plan, calendar: Calendar = NO_CALENDAR) -> None:
        self._plan = plan
        self._zone = ZoneInfo(plan.time_zone)
        self._calendar = calendar.amended(plan)
        minutes = {minute for band in plan.bands for span in band.spans_min for minute in span}
        self._turns_min = sorted({*minutes, MIN_PER_DAY})
        self._layouts: dict[int, Edges] = {}

    def edges(self, at_us: int) -> Edges:
        """Give the bands from the start of the (UTC) day of `at_us` on, `LAYOUT_DAYS` of them."""
        day = min(at_us // US_PER_S // S_PER_DAY, LAST_DAY)
        layout = self._layouts.get(day)
        if layout is None:
            if len(self._layouts) >= MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[day] = tuple(self._lay_out(day * S_PER_DAY))
        return layout

    def _lay_out(self, start_s: int) -> Iterator[tuple[int, str]]:
        at_s, before = start_s, None
        while at_s < start_s + LAYOUT_DAYS * S_PER_DAY:
            wall = self._wall(at_s)
            minute = wall.hour * 60 + wall.minute
            band = self._plan.band_on(self._calendar.names(wall.date()), minute)
            if band != before:
                yield at_s, band
            at_s, before = self._next_turn_s(at_s, wall), band

    def _next_turn_s(self, at_s: int, wall: datetime) -> int:
        """Give the next second at which a band may begin: a turn, midnight, a clock change."""
        minute = wall.hour * 60 + wall.minute
        turn_min = self._turns_min[bisect_right(self._turns_min, minute)]
        turn_s = at_s + (turn_min - minute) * 60 - wall.second
        offset = wall.utcoffset()
        if self._wall(turn_s).utcoffset() == offset:
            return turn_s
        after = range(at_s + 1, turn_s)
        changed = bisect_left(after, x=True, key=lambda s: self._wall(s).utcoffset() != offset)
        return at_s + 1 + changed

    def _wall(self, at_s: int) -> datetime:
        return (_EPOCH + timedelta(seconds=at_s)).astimezone(self._zone)


def band_at(edges: Edges, at_us: int) -> str:
    """Give the band in force at a moment; before the first edge, the first."""
    place = bisect_right(edges, at_us, key=lambda edge: edge[0] * US_PER_S) - 1
    return edges[max(place, 0)][1]

"""One version of a tariff, ready to price: its rows, its plan, its bands laid out in time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

import msgspec

from fsbilling.rating.party import ANY, Party
from fsbilling.rating.plan import PLAIN, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.schedule import NO_CALENDAR, Calendar, Edges, Schedule, band_at
from fsbilling.rating.table import RateTable
from fsbilling.rating.terms import S_PER_LEVEL_MIN, Terms

MAX_TERMS: Final = 4_096
"""Terms kept for the calls that share them."""


class Volume(msgspec.Struct, frozen=True):
    """What an account's calls by one tariff came to in a month, of the tariff's local time.

    Attributes:
        billed_s: Their billed seconds, included ones too.
        calls: How many were billed at all: connected, and not free by grace.
    """

    billed_s: int = 0
    calls: int = 0


NO_VOLUME: Final = Volume()


class Tariff:
    """Gives calls their terms.

    Raises InputError when two rows tie.
    """

    def __init__(
        self,
        name: str,
        version: int,
        rates: Iterable[Rate],
        plan: Plan = PLAIN,
        calendar: Calendar = NO_CALENDAR,
    ) -> None:
        self.name = name
        self.version = version
        self.plan = plan
        self.schedule = Schedule(plan, calendar)
        self._table = RateTable(rates, plan.zones)
        # A call that is counted as one cannot come to a further level while it lasts.
        self._graduated = plan.levels == Levels(LevelUnit.MINUTES, LevelMode.GRADUATED)
        self._terms: dict[tuple[object, ...], Terms] = {}

    def terms(
        self, origin: Party, destination: Party, at_us: int, volume: Volume = NO_VOLUME
    ) -> Terms | None:
        """Give the terms of a call that starts at `at_us`, or None when no row matches it.

        `volume` is that of the month before this call; a plan without levels does not ask for it.
        """
        rows = self._table.rows(origin, destination)
        if not rows:
            return None
        level = self.level_at(volume)
        used_s = volume.billed_s if self._graduated and len(rows) > 1 else 0
        banded = self.plan.bands and (len(rows) > 1 or rows[0].band != ANY)
        edges = self.schedule.edges(at_us) if banded else ()
        began = (edges[0], band_at(edges, at_us)) if edges else None
        key = (rows[0].match, began, level, used_s)
        terms = self._terms.get(key)
        if terms is None:
            terms = self._lay_out(self._reached(rows, level), edges, at_us, used_s)
            if len(self._terms) >= MAX_TERMS:
                self._terms.clear()
            self._terms[key] = terms
        return terms

    def level_at(self, volume: Volume) -> int:
        """Give the highest `level_from` of any row that a volume reaches; 0 without levels."""
        if self.plan.levels is None:
            return 0
        counted = volume.billed_s // S_PER_LEVEL_MIN
        if self.plan.levels.of is LevelUnit.CALLS:
            counted = volume.calls
        levels = self._table.levels
        return levels[bisect_right(levels, counted) - 1]

    def _reached(self, rows: tuple[Rate, ...], level: int) -> tuple[Rate, ...]:
        """Drop the levels that the call cannot come to; rows are ordered by band and level."""
        current = {row.band: row.level_from for row in rows if row.level_from <= level}
        return tuple(
            row
            for row in rows
            if row.level_from == current.get(row.band)
            or (self._graduated and row.level_from > level)
        )

    def _lay_out(self, rows: tuple[Rate, ...], edges: Edges, at_us: int, used_s: int) -> Terms:
        priced = {row.band for row in rows}
        turns: list[tuple[int, str]] = []
        for at_s, band in edges:
            own = band if band in priced else ANY
            if not turns or turns[-1][1] != own:
                turns.append((at_s, own))
        terms = Terms(
            tariff=self.name,
            version=self.version,
            rate=rows[0],
            others=rows[1:],
            edges=tuple(turns) if priced != {ANY} else (),
            used_s=used_s,
            precision_micros=self.plan.precision_micros,
        )
        rate = terms.start_rate(at_us)
        others = tuple(row for row in rows if row is not rate)
        return msgspec.structs.replace(terms, rate=rate, others=others)

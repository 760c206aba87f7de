"""A tariff's plan as a TOML file beside its table of rates."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from fsbilling.errors import InputError
from fsbilling.money import MICROS_PER_UNIT, format_micros, parse_micros
from fsbilling.rating.match import ZONE, parse_match, parse_name
from fsbilling.rating.party import ANY
from fsbilling.rating.plan import (
    DAYS,
    MIN_PER_DAY,
    UNLIMITED_S,
    WEEKDAYS,
    Band,
    LevelMode,
    Levels,
    LevelUnit,
    Plan,
)

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_BANDS: Final = 50
MAX_FAULTS: Final = 50
S_PER_MIN: Final = 60
MAX_PACKAGE_MIN: Final = 10**9

_SPAN = re.compile(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")
_COUNTRY = re.compile(r"[A-Z]{2}")


class _BandTable(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    days: list[str] = []
    hours: list[str] = []


class _LevelsTable(msgspec.Struct, forbid_unknown_fields=True):
    of: LevelUnit
    mode: LevelMode


class _PackageTable(msgspec.Struct, forbid_unknown_fields=True):
    minutes: int = 0
    unlimited: bool = False


class _MonthTable(msgspec.Struct, forbid_unknown_fields=True):
    fee: str | int = 0
    minimum_spend: str | int = 0


class _PlanTable(msgspec.Struct, forbid_unknown_fields=True):
    time_zone: str = Plan().time_zone
    precision: str | int = "0.000001"
    calendar: str = ""
    holidays: list[date] = []
    workdays: list[date] = []
    band: list[_BandTable] = []
    zones: dict[str, list[str]] = {}
    levels: _LevelsTable | None = None
    package: _PackageTable = msgspec.field(default_factory=_PackageTable)
    month: _MonthTable = msgspec.field(default_factory=_MonthTable)


def parse(data: bytes) -> Plan:
    """Read a plan. Raises InputError naming every fault's place and reason, up to 50.

    Amounts may be written bare or in quotes: neither is ever a float.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
        table = msgspec.convert(tomllib.loads(text, parse_float=str), _PlanTable)
    except UnicodeDecodeError:
        raise InputError("not UTF-8") from None
    except tomllib.TOMLDecodeError as fault:
        raise InputError(f"not TOML: {fault}") from None
    except msgspec.ValidationError as fault:
        reason, _, place = str(fault).partition(" - at `$")
        raise InputError(f"{place.strip('.`') or 'plan'}: {reason}") from None
    return _Reader().plan(table)


def write(plan: Plan) -> str:
    """Write a plan so that reading it gives the same plan."""
    return "\n".join(_lines(plan)) + "\n"


class _Reader:
    """Reads values, and keeps what is wrong with them with its place."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def plan(self, table: _PlanTable) -> Plan:
        """Give the plan, or raise every fault of it."""
        levels = None if table.levels is None else Levels(table.levels.of, table.levels.mode)
        plan = Plan(
            time_zone=self._time_zone(table.time_zone),
            precision_micros=self._precision(table.precision),
            calendar=self._calendar(table.calendar),
            holidays=tuple(sorted(set(table.holidays))),
            workdays=tuple(sorted(set(table.workdays))),
            bands=self._bands(table.band),
            zones=self._zones(table.zones),
            levels=levels,
            included_s=self._included_s(table.package),
            month_fee_micros=self._amount("month.fee", table.month.fee),
            minimum_spend_micros=self._amount("month.minimum_spend", table.month.minimum_spend),
        )
        for day in sorted(set(table.holidays) & set(table.workdays)):
            self._fault("workdays", f"{day} is among the holidays too")
        if self._faults:
            more = len(self._faults) - MAX_FAULTS
            told = self._faults[:MAX_FAULTS] + ([f"and {more} more"] if more > 0 else [])
            raise InputError("\n".join(told))
        return plan

    def _fault(self, place: str, reason: object) -> None:
        self._faults.append(f"{place}: {reason}")

    def _time_zone(self, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            self._fault("time_zone", f"no time zone {name!r}; write it like Asia/Shanghai")
        return name

    def _amount(self, place: str, written: str | int) -> int:
        try:
            micros = parse_micros(str(written))
        except ValueError as fault:
            self._fault(place, fault)
            return 0
        if micros < 0:
            self._fault(place, "must not be negative")
        return micros

    def _precision(self, written: str | int) -> int:
        micros = self._amount("precision", written)
        if not 0 < micros <= MICROS_PER_UNIT or MICROS_PER_UNIT % micros:
            self._fault("precision", "must be a whole part of 1, like 0.01 or 0.000001")
        return micros

    def _calendar(self, code: str) -> str:
        if code and not _COUNTRY.fullmatch(code):
            self._fault("calendar", f"{code!r} is not a country code like CN")
        return code

    def _included_s(self, package: _PackageTable) -> int:
        if not 0 <= package.minutes <= MAX_PACKAGE_MIN:
            self._fault("package.minutes", f"must be from 0 to {MAX_PACKAGE_MIN}")
        if package.unlimited and package.minutes:
            self._fault("package", "give minutes or unlimited, not both")
        return UNLIMITED_S if package.unlimited else package.minutes * S_PER_MIN

    def _zones(self, zones: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
        return {
            self._name(f"zones.{name}", name): tuple(
                self._member(f"zones.{name}[{index}]", member)
                for index, member in enumerate(members)
            )
            for name, members in zones.items()
        }

    def _member(self, place: str, written: str) -> str:
        try:
            form = parse_match(written)
        except ValueError as fault:
            self._fault(place, fault)
            return written
        if form == ANY or form.startswith(ZONE):
            self._fault(place, "a zone is made of areas, provinces and prefixes")
        return form

    def _name(self, place: str, written: str) -> str:
        try:
            return parse_name(written)
        except ValueError as fault:
            self._fault(place, fault)
            return written

    def _bands(self, tables: list[_BandTable]) -> tuple[Band, ...]:
        bands: list[Band] = []
        for index, table in enumerate(tables):
            place = f"band[{index}]"
            name = self._name(f"{place}.name", table.name)
            if any(band.name == name for band in bands):
                self._fault(f"{place}.name", f"there is a band {name!r} already")
            days = tuple(self._days(f"{place}.days", table.days))
            bands.append(Band(name, days, tuple(self._spans(f"{place}.hours", table.hours))))
        if len(bands) > MAX_BANDS:
            self._fault("band", f"at most {MAX_BANDS}")
        return tuple(bands)

    def _days(self, place: str, written: list[str]) -> Iterator[str]:
        for word in written:
            first, dash, last = word.strip().lower().partition("-")
            if dash and first in WEEKDAYS and last in WEEKDAYS[WEEKDAYS.index(first) :]:
                yield from WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last) + 1]
            elif not dash and first in DAYS:
                yield first
            else:
                known = ", ".join((*WEEKDAYS, *sorted(DAYS.difference(WEEKDAYS))))
                self._fault(place, f"{word!r} is no day; write mon-fri, or of {known}")

    def _spans(self, place: str, written: list[str]) -> Iterator[tuple[int, int]]:
        for span in written:
            found = _SPAN.fullmatch(span.strip())
            since, until = _minutes(found) if found else (0, 0)
            if since == until or since >= MIN_PER_DAY or until > MIN_PER_DAY:
                self._fault(place, f"{span!r} are no hours; write them like 08:00-20:00")
            elif since < until:
                yield since, until
            else:  # past midnight: the end of each of the days, and their beginning
                yield since, MIN_PER_DAY
                if until:
                    yield 0, until


def _minutes(span: re.Match[str]) -> tuple[int, int]:
    """Give from and to in minutes, which may be later than any day lasts."""
    hour, minute, to_hour, to_minute = map(int, span.groups())
    return hour * 60 + minute, to_hour * 60 + to_minute


def _lines(plan: Plan) -> Iterator[str]:
    yield f"time_zone = {_quoted(plan.time_zone)}"
    yield f"precision = {_quoted(format_micros(plan.precision_micros))}"
    yield f"calendar = {_quoted(plan.calendar)}"
    yield f"holidays = [{', '.join(map(str, plan.holidays))}]"
    yield f"workdays = [{', '.join(map(str, plan.workdays))}]"
    for band in plan.bands:
        hours = [f"{_clock(since)}-{_clock(until)}" for since, until in band.spans_min]
        yield "\n[[band]]"
        yield f"name = {_quoted(band.name)}"
        yield f"days = {_quoted(band.days)}"
        yield f"hours = {_quoted(hours)}"
    if plan.zones:
        yield "\n[zones]"
        for name, members in plan.zones.items():
            yield f"{_quoted(name)} = {_quoted(members)}"
    if plan.levels:
        yield f"\n[levels]\nof = {_quoted(plan.levels.of)}\nmode = {_quoted(plan.levels.mode)}"
    if plan.included_s:
        unlimited = plan.included_s >= UNLIMITED_S
        minutes = f"minutes = {plan.included_s // S_PER_MIN}"
        yield f"\n[package]\n{'unlimited = true' if unlimited else minutes}"
    yield "\n[month]"
    yield f"fee = {_quoted(format_micros(plan.month_fee_micros))}"
    yield f"minimum_spend = {_quoted(format_micros(plan.minimum_spend_micros))}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

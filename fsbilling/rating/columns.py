"""The columns of a table of rates, whatever file it comes from: cells to a rate and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from fsbilling.money import format_micros, parse_micros
from fsbilling.rating.faults import FaultList
from fsbilling.rating.match import parse_match, parse_name
from fsbilling.rating.party import ANY, CALLEE_KINDS, RELATIONS
from fsbilling.rating.rate import Rate, rate_faults

MAX_CELL_CHARS = 200
"""Faults quote cells, so these are bounded too."""

YES: Final = "yes"
NO: Final = "no"

# Decimal reads 1.5E-01 as well, but a cell in a spreadsheet's scientific form has lost digits.
_AMOUNT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_COUNT = re.compile(r"-?[0-9]{1,10}")
# Control and invisible characters, half surrogates, line and paragraph ends.
_NOT_IN_A_LINE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        name: As the header writes it.
        field: The field of `Rate` it holds.
        read: Cell to value; raises ValueError with a sentence for a person. Ask `value` instead.
        write: Value to cell; what it writes, `read` reads back to the same value.
        always: Whether an export has the column even when every row has its default.
    """

    name: str
    field: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    always: bool = True

    def value(self, cell: str) -> Any:  # noqa: ANN401 - the type of the rate's field
        """Read a cell of bounded length; raises ValueError with a sentence for a person."""
        if len(cell) > MAX_CELL_CHARS:
            raise ValueError(f"longer than {MAX_CELL_CHARS} characters")
        return self.read(cell)


def _read_amount(cell: str) -> int:
    if not _AMOUNT.fullmatch(cell):
        raise ValueError(f"{cell!r} is not an amount; write it like 0.15")
    return parse_micros(cell)


def _read_seconds(cell: str) -> int:
    if not _COUNT.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a whole number of seconds")
    return int(cell)


def _read_level(cell: str) -> int:
    if not _COUNT.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a whole number of minutes or calls")
    return int(cell)


def _read_one_of(words: Collection[str]) -> Callable[[str], str]:
    def read(cell: str) -> str:
        word = cell.lower()
        if word not in words:
            raise ValueError(f"{cell!r} is none of {', '.join(sorted(words))}")
        return word

    return read


def _read_band(cell: str) -> str:
    return cell if cell == ANY else parse_name(cell)


def _read_flag(cell: str) -> bool:
    return _read_one_of({YES, NO})(cell) == YES


def _write_flag(value: bool) -> str:  # noqa: FBT001 - a cell's value
    return YES if value else NO


def _read_note(cell: str) -> str:
    if _NOT_IN_A_LINE.intersection(map(unicodedata.category, cell)):
        raise ValueError("a note is one line, without control or invisible characters")
    return cell


PRICE = Column("price_per_min", "rate_micros_per_min", _read_amount, format_micros)
PRICE_PER_HOUR = Column(
    "price_per_hour", "rate_micros_per_hour", _read_amount, format_micros, always=False
)
COLUMNS: Final = (
    Column("origin", "origin", parse_match, str),
    Column("destination", "destination", parse_match, str),
    Column("callee_kind", "callee_kind", _read_one_of(CALLEE_KINDS), str, always=False),
    Column("relation", "relation", _read_one_of(RELATIONS), str, always=False),
    Column("band", "band", _read_band, str, always=False),
    Column("level_from", "level_from", _read_level, str, always=False),
    PRICE,
    PRICE_PER_HOUR,
    Column("connect_fee", "connect_fee_micros", _read_amount, format_micros),
    Column("per_call", "per_call_micros", _read_amount, format_micros, always=False),
    Column("first_increment_s", "first_increment_s", _read_seconds, str),
    Column("next_increment_s", "next_increment_s", _read_seconds, str),
    Column("grace_s", "grace_s", _read_seconds, str),
    Column("min_charge", "min_charge_micros", _read_amount, format_micros),
    Column("max_charge", "max_charge_micros", _read_amount, format_micros),
    Column("in_package", "in_package", _read_flag, _write_flag, always=False),
    Column("note", "note", _read_note, str),
)
_BY_NAME: Final = {column.name: column for column in COLUMNS}
_NAME_OF: Final = {column.field: column.name for column in COLUMNS}


def read_header(line: int, cells: Sequence[str], faults: FaultList) -> list[Column]:
    """Read a header: the columns in the file's order; faults are noted, not raised."""
    names = [cell.strip().lower() for cell in cells]
    while names and not names[-1]:  # a spreadsheet leaves empty cells to the right
        names.pop()
    for name in dict.fromkeys(names):
        if name not in _BY_NAME:
            known = ", ".join(_BY_NAME)
            faults.add(line, "", f"no column {name[:MAX_CELL_CHARS]!r}; the columns are {known}")
        elif names.count(name) > 1:
            faults.add(line, name, "this column is there more than once")
    if PRICE.name not in names and PRICE_PER_HOUR.name not in names:
        faults.add(line, PRICE.name, "this column is missing")
    return [_BY_NAME[name] for name in names if name in _BY_NAME]


def read_row(
    line: int, cells: Sequence[str], columns: Sequence[Column], faults: FaultList
) -> Rate | None:
    """Read one row, or note all of its faults and give None."""
    count = len(cells)
    while count > len(columns) and not cells[count - 1].strip():
        count -= 1
    if count != len(columns):
        faults.add(line, "", f"{count} cells, but the header has {len(columns)} columns")
        return None
    values: dict[str, Any] = {}
    sound = True
    for column, raw in zip(columns, cells, strict=False):
        cell = raw.strip()
        if not cell:
            continue
        try:
            values[column.field] = column.value(cell)
        except ValueError as fault:
            faults.add(line, column.name, str(fault))
            sound = False
    return _sound_rate(line, values, faults) if sound else None


def columns_used(rates: Sequence[Rate]) -> list[Column]:
    """Give the columns of an export: those of every table, and those that some row uses."""
    default = Rate(rate_micros_per_min=0)
    return [
        column
        for column in COLUMNS
        if column.always
        or any(getattr(rate, column.field) != getattr(default, column.field) for rate in rates)
    ]


def _sound_rate(line: int, values: dict[str, Any], faults: FaultList) -> Rate | None:
    if PRICE.field not in values:
        if PRICE_PER_HOUR.field not in values:
            faults.add(line, PRICE.name, "'' is not an amount; write it like 0.15")
            return None
        values[PRICE.field] = 0
    rate = Rate(**values)
    found = list(rate_faults(rate))
    for field, reason in found:
        faults.add(line, _NAME_OF[field], reason)
    return None if found else rate

"""The columns of a table of rates, whatever file it comes from: cells to a rate and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from fsbilling.money import format_micros, parse_micros
from fsbilling.rating.faults import FaultList
from fsbilling.rating.match import parse_match
from fsbilling.rating.rate import Rate, rate_faults

MAX_CELL_CHARS = 200
"""Faults quote cells, so these are bounded too."""

# Decimal reads 1.5E-01 as well, but a cell in a spreadsheet's scientific form has lost digits.
_AMOUNT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_SECONDS = re.compile(r"-?[0-9]{1,9}")
# Control and invisible characters, half surrogates, line and paragraph ends.
_NOT_IN_A_LINE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        name: As the header writes it.
        field: The field of `Rate` it holds.
        read: Cell to value; raises ValueError with a sentence for a person. Ask `value` instead.
        write: Value to cell; what it writes, `read` reads back to the same value.
    """

    name: str
    field: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]

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
    if not _SECONDS.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a whole number of seconds")
    return int(cell)


def _read_note(cell: str) -> str:
    if not cell.isprintable() and _NOT_IN_A_LINE.intersection(map(unicodedata.category, cell)):
        raise ValueError("a note is one line, without control or invisible characters")
    return cell


PRICE = Column("price_per_min", "rate_micros_per_min", _read_amount, format_micros)
COLUMNS: Final = (
    Column("origin", "origin", parse_match, str),
    Column("destination", "destination", parse_match, str),
    PRICE,
    Column("connect_fee", "connect_fee_micros", _read_amount, format_micros),
    Column("first_increment_s", "first_increment_s", _read_seconds, str),
    Column("next_increment_s", "next_increment_s", _read_seconds, str),
    Column("grace_s", "grace_s", _read_seconds, str),
    Column("min_charge", "min_charge_micros", _read_amount, format_micros),
    Column("max_charge", "max_charge_micros", _read_amount, format_micros),
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
    if PRICE.name not in names:
        faults.add(line, PRICE.name, "this column is missing")
    return [_BY_NAME[name] for name in names if name in _BY_NAME]


def read_row(
    line: int, cells: Sequence[str], columns: Sequence[Column], faults: FaultList
) -> Rate | None:
    """Read one row, or note all of its faults and give None."""
    if len(cells) < len(columns) or any(map(str.strip, cells[len(columns) :])):
        faults.add(line, "", f"{len(cells)} cells, but the header has {len(columns)} columns")
        return None
    values: dict[str, Any] = {}
    sound = True
    for column, raw in zip(columns, cells, strict=False):
        cell = raw.strip()
        if not cell and column is not PRICE:
            continue
        try:
            values[column.field] = column.value(cell)
        except ValueError as fault:
            faults.add(line, column.name, str(fault))
            sound = False
    if not sound:
        return None
    rate = Rate(**values)
    for field, reason in rate_faults(rate):
        faults.add(line, _NAME_OF[field], reason)
        sound = False
    return rate if sound else None

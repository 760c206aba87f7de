"""A table of rates as an Excel workbook: its first sheet, read as the CSV of it would be.

Cells are data: of a formula the value counts that the spreadsheet last worked out. Numbers are
read with the 15 digits that a spreadsheet keeps and shows, so 0.15 is 0.15.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import python_calamine as calamine

from fsbilling.rating.columns import COLUMNS
from fsbilling.rating.faults import FaultList, TableFault, TableFaults
from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_rows import read_rows
from fsbilling.rating.workbook_parts import UnsoundWorkbook, sound_workbook

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_COLUMNS: Final = 2 * len(COLUMNS)

_SIGNIFICANT_DIGITS: Final = 15


def parse(data: bytes, plan: Plan = PLAIN) -> list[Rate]:
    """Read an .xlsx workbook's first sheet.

    `table_rows.read_rows` says what a table is. Raises TableFaults with every fault.
    """
    if len(data) > MAX_BYTES:
        raise _unreadable(f"larger than {MAX_BYTES >> 20} MiB")
    faults = FaultList()
    return read_rows(_rows(_first_sheet(data)), plan, faults)


def _first_sheet(data: bytes) -> calamine.CalamineSheet:
    try:
        book = calamine.load_workbook(io.BytesIO(sound_workbook(data)))
        for sheet in book.sheets_metadata:
            if sheet.typ is calamine.SheetTypeEnum.WorkSheet:
                return book.get_sheet_by_name(sheet.name)
    except UnsoundWorkbook as fault:
        raise _unreadable(str(fault)) from None
    except calamine.CalamineError as fault:
        raise _unreadable(f"not a workbook that can be read: {fault}") from None
    raise _unreadable("not a workbook that can be read: it has no sheet")


def _rows(sheet: calamine.CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    if sheet.start is None:
        return
    # The library gives the empty lines before the first cell, but not the empty columns.
    missing = [""] * sheet.start[1]
    for line, cells in enumerate(sheet.iter_rows(), start=1):
        texts = missing + [_text(cell) for cell in cells]
        # A sheet stores no empty cells at a row's end.
        yield line, texts[:MAX_COLUMNS] + [""] * len(COLUMNS)


def _text(cell: object) -> str:
    """Write a cell as a CSV would; amounts in full, not in the scientific form."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return format(Decimal(f"{cell:.{_SIGNIFICANT_DIGITS}g}"), "f")
    return str(cell)


def _unreadable(reason: str) -> TableFaults:
    return TableFaults([TableFault(0, "", reason[:200])], 1)

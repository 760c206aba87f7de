"""A table of rates as an Excel workbook: its first sheet, read as the CSV of it would be.

Cells are data: of a formula the value counts that the spreadsheet last worked out. Numbers are
read with the 15 digits that a spreadsheet keeps and shows, so 0.15 is 0.15.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from fsbilling.rating.columns import COLUMNS
from fsbilling.rating.faults import FaultList, TableFault, TableFaults
from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_rows import read_rows

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 1024 * 1024 * 1024
"""A workbook is a zip file, and a small one can hold a very large sheet."""
MAX_COLUMNS: Final = 2 * len(COLUMNS)

_SIGNIFICANT_DIGITS: Final = 15
_UNREADABLE = (
    zipfile.BadZipFile,
    InvalidFileException,
    ParseError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    OSError,
    EOFError,
    NotImplementedError,
    zlib.error,
)


def parse(data: bytes, plan: Plan = PLAIN) -> list[Rate]:
    """Read an .xlsx workbook's first sheet.

    `table_rows.read_rows` says what a table is. Raises TableFaults with every fault.
    """
    if len(data) > MAX_BYTES:
        raise _unreadable(f"larger than {MAX_BYTES // 1024 // 1024} MiB")
    faults = FaultList()
    return read_rows(_rows(data), plan, faults)


def _rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise _unreadable(f"unpacks to more than {MAX_UNPACKED_BYTES // 1024 // 1024} MiB")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        for line, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            texts = [_text(cell) for cell in cells[:MAX_COLUMNS]]
            # A sheet stores no empty cells at a row's end.
            yield line, texts + [""] * (len(COLUMNS) - len(texts))
    except _UNREADABLE as fault:
        raise _unreadable(f"not a workbook that can be read: {fault}"[:200]) from None


def _text(cell: object) -> str:
    """Write a cell as a CSV would; amounts in full, not in the scientific form."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return format(Decimal(f"{cell:.{_SIGNIFICANT_DIGITS}g}"), "f")
    return str(cell)


def _unreadable(reason: str) -> TableFaults:
    return TableFaults([TableFault(0, "", reason)], 1)

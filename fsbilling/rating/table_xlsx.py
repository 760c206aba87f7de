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

import openpyxl

from fsbilling.rating.columns import COLUMNS
from fsbilling.rating.faults import FaultList, TableFault, TableFaults
from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_rows import read_rows

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 1024 * 1024 * 1024
"""A workbook is a zip file, and a small one can hold a very large sheet."""
MAX_COLUMNS: Final = 2 * len(COLUMNS)
MAX_LINES: Final = 1024 * 1024
"""As many as a spreadsheet has; a row may claim any number, and those missing before it count."""

_SIGNIFICANT_DIGITS: Final = 15
_PACKED_BY: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What zipfile and openpyxl are known to raise for a damaged, encrypted or made-up workbook.
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,  # of XML, whether Python's parser or lxml reads it
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    OSError,
    EOFError,
    RuntimeError,
)


def parse(data: bytes, plan: Plan = PLAIN) -> list[Rate]:
    """Read an .xlsx workbook's first sheet.

    `table_rows.read_rows` says what a table is. Raises TableFaults with every fault.
    """
    if len(data) > MAX_BYTES:
        raise _unreadable(f"larger than {MAX_BYTES >> 20} MiB")
    faults = FaultList()
    return read_rows(_rows(data), plan, faults)


def _rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        _check_packing(data)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        for line, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            if line > MAX_LINES:
                raise _unreadable(f"a sheet has at most {MAX_LINES} lines")
            texts = [_text(cell) for cell in cells[:MAX_COLUMNS]]
            # A sheet stores no empty cells at a row's end.
            yield line, texts + [""] * len(COLUMNS)
    except _UNREADABLE as fault:
        reason = str(fault).partition("\n")[0]
        raise _unreadable(f"not a workbook that can be read: {reason}"[:200]) from None


def _check_packing(data: bytes) -> None:
    """Refuse what would unpack to too much, or is packed as no spreadsheet packs it."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        entries = packed.infolist()
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise _unreadable(f"unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB")
    if any(entry.compress_type not in _PACKED_BY for entry in entries):
        raise _unreadable("not packed as a workbook is (stored or deflated)")


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

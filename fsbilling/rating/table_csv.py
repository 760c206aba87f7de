"""A table of rates as a CSV file (RFC 4180): what engineers edit, and what is exported.

Reading what was written gives the same rates, and writing them again the same bytes.
Cells are data: nothing is evaluated on the way in, and a note goes out as it came in.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator

from fsbilling.rating.columns import columns_used
from fsbilling.rating.faults import FaultList, TableFault, TableFaults
from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_rows import read_rows

MAX_BYTES = 64 * 1024 * 1024


def parse(data: bytes, plan: Plan = PLAIN) -> list[Rate]:
    """Read a CSV file: UTF-8 with or without a byte order mark, or else GBK.

    `table_rows.read_rows` says what a table is. Raises TableFaults with every fault.
    """
    faults = FaultList()
    return read_rows(_rows(data, faults), plan, faults)


def write(rates: Iterable[Rate]) -> str:
    """Write rates as CSV, one row each, in their order; ids are left out.

    Columns that came with bands, levels and the like are there when some row uses them.
    """
    rows = list(rates)
    columns = columns_used(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    for rate in rows:
        writer.writerow(column.write(getattr(rate, column.field)) for column in columns)
    return text.getvalue()


def _rows(data: bytes, faults: FaultList) -> Iterator[tuple[int, list[str]]]:
    """Give each row with the line it begins on: a quoted cell may span several."""
    reader = csv.reader(io.StringIO(_decode(data), newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as fault:
        faults.add(line, "", f"this is not CSV: {fault}")


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _unreadable(0, f"larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        if data.startswith(codecs.BOM_UTF8):
            reason = "the file is marked as UTF-8, but this line is not"
            raise _unreadable(_line_at(data, fault.start), reason) from None
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError as fault:
        reason = "neither UTF-8 nor GBK; save the table as CSV in UTF-8"
        raise _unreadable(_line_at(data, fault.start), reason) from None


def _unreadable(line: int, reason: str) -> TableFaults:
    return TableFaults([TableFault(line, "", reason)], 1)


def _line_at(data: bytes, offset: int) -> int:
    return data[:offset].count(b"\n") + 1

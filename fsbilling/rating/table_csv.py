"""A table of rates as a CSV file (RFC 4180): what engineers edit, and what is exported.

Reading what was written gives the same rates, and writing them again the same bytes.
Cells are data: nothing is evaluated on the way in, and a note goes out as it came in.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator

from fsbilling.rating.columns import COLUMNS, Column, read_header, read_row
from fsbilling.rating.faults import FaultList, TableFault, TableFaults
from fsbilling.rating.rate import Rate

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 500_000


def parse(data: bytes) -> list[Rate]:
    """Read a CSV file: UTF-8 with or without a byte order mark, or else GBK.

    The first line that is not empty is the header; the columns (`columns.COLUMNS`) may stand in
    any order, and only the price is required. An empty cell is the default.

    Raises TableFaults with every fault of every line: cells that cannot be read, values out of
    range, and two rows with the same origin and destination, which would tie.
    """
    faults = FaultList()
    rates: list[Rate] = []
    columns: list[Column] | None = None
    lines: dict[tuple[str, str], int] = {}
    for line, cells in _rows(data, faults):
        if not any(map(str.strip, cells)):
            continue
        if columns is None:
            columns = read_header(line, cells, faults)
            faults.raise_any()
            continue
        if len(lines) >= MAX_ROWS:
            faults.add(line, "", f"a table has at most {MAX_ROWS} rows")
            break
        rate = read_row(line, cells, columns, faults)
        if rate is None:
            continue
        earlier = lines.setdefault((rate.origin, rate.destination), line)
        if earlier != line:
            reason = f"from {rate.origin} to {rate.destination}, the same as line {earlier}"
            faults.add(line, "", f"this row is {reason}: they tie")
        rates.append(rate)
    if columns is None:
        faults.add(0, "", "there is no header; the first line names the columns")
    faults.raise_any()
    return rates


def write(rates: Iterable[Rate]) -> str:
    """Write rates as CSV with every column, one row each, in their order; ids are left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in COLUMNS)
    for rate in rates:
        writer.writerow(column.write(getattr(rate, column.field)) for column in COLUMNS)
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
        raise _unreadable(0, f"larger than {MAX_BYTES // 1024 // 1024} MiB")
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
    return data.count(b"\n", 0, offset) + 1

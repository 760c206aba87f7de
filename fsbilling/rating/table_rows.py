"""A table of rates as lines of cells, whatever file they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fsbilling.rating.columns import Column, read_header, read_row
from fsbilling.rating.faults import FaultList
from fsbilling.rating.plan import Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_check import check_table

MAX_ROWS = 500_000


def read_rows(
    lines: Iterable[tuple[int, Sequence[str]]], plan: Plan, faults: FaultList
) -> list[Rate]:
    """Read a table that stands in the frame of a plan.

    The first line that is not empty is the header; the columns (`columns.COLUMNS`) may stand in
    any order, and only a price is required. An empty cell is the default.

    Raises TableFaults with every fault of every line: cells that cannot be read, values out of
    range, names the plan does not know, and rows that tie or leave a call without a price.
    """
    rows: list[tuple[int, Rate]] = []
    columns: list[Column] | None = None
    count = 0
    for line, cells in lines:
        if not any(map(str.strip, cells)):
            continue
        if columns is None:
            columns = read_header(line, cells, faults)
            faults.raise_any()
            continue
        count += 1
        if count > MAX_ROWS:
            faults.add(line, "", f"a table has at most {MAX_ROWS} rows")
            break
        rate = read_row(line, cells, columns, faults)
        if rate is not None:
            rows.append((line, rate))
    if columns is None:
        faults.add(0, "", "there is no header; the first line names the columns")
    check_table(rows, plan, faults)
    faults.raise_any()
    return [rate for _, rate in rows]

"""A table of rates in whichever file it comes: CSV or an Excel workbook, told by its bytes."""

from __future__ import annotations

from typing import Final

from fsbilling.rating import table_csv, table_xlsx
from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate

ZIP_MAGIC: Final = b"PK\x03\x04"


def parse(data: bytes, plan: Plan = PLAIN) -> list[Rate]:
    """Read a table. Raises TableFaults (an InputError) with every fault by line and column."""
    if data.startswith(ZIP_MAGIC):
        return table_xlsx.parse(data, plan)
    return table_csv.parse(data, plan)

"""A refused table: its faults as a person reads them."""

from __future__ import annotations

import pytest

from fsbilling.rating import table_file
from fsbilling.rating.faults import MAX_FAULTS, TableFaults
from fsbilling.rating.plan import PLAIN, Plan


def refused(data: str | bytes, plan: Plan = PLAIN) -> list[str]:
    """Read a table that is refused and give what is told, line by line."""
    with pytest.raises(TableFaults) as raised:
        table_file.parse(data if isinstance(data, bytes) else data.encode(), plan)
    found = raised.value
    assert len(found.faults) == min(found.total, MAX_FAULTS)
    assert all(type(fault.line) is int for fault in found.faults)
    assert all(type(fault.column) is str for fault in found.faults)
    return str(found).split("\n")

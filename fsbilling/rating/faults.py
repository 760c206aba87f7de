"""What is wrong with a table of rates, told all at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fsbilling.errors import InputError

MAX_FAULTS = 50
"""More would scroll the first ones away; the rest are counted."""


class TableFault(msgspec.Struct, frozen=True):
    """One fault.

    Attributes:
        line: The line of the file on which the row begins, from 1; 0 for the file as a whole.
        column: The column's name; empty for the row as a whole.
        reason: A sentence for a person.
    """

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line else "file"
        return f"{place}{f', column {self.column}' if self.column else ''}: {self.reason}"


class TableFaults(InputError):  # noqa: N818 - it is a list of faults, not one error
    """A table of rates cannot be used; nothing was taken from it.

    Attributes:
        faults: The first `MAX_FAULTS` found, in the file's order.
        total: How many there are.
    """

    def __init__(self, faults: Sequence[TableFault], total: int) -> None:
        self.faults = tuple(faults)
        self.total = total
        lines = [str(fault) for fault in self.faults]
        if total > len(self.faults):
            lines.append(f"and {total - len(self.faults)} more")
        super().__init__("\n".join(lines))


class FaultList:
    """Faults as they are found: the first `MAX_FAULTS` are kept, all are counted."""

    def __init__(self) -> None:
        self._kept: list[TableFault] = []
        self._total = 0

    def add(self, line: int, column: str, reason: str) -> None:
        """Note one fault."""
        self._total += 1
        if len(self._kept) < MAX_FAULTS:
            self._kept.append(TableFault(line, column, reason))

    def raise_any(self) -> None:
        """Raise TableFaults if there was any."""
        if self._total:
            raise TableFaults(sorted(self._kept, key=lambda fault: fault.line), self._total)

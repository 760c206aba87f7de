"""One version of a tariff, ready to price calls."""

from __future__ import annotations

from collections.abc import Iterable

from fsbilling.errors import Refused
from fsbilling.rating.rate import Rate
from fsbilling.rating.table import Party, RateTable
from fsbilling.rating.terms import Terms


class Pricelist:
    """Gives calls their terms, by a version that SQL has or by a table in a file.

    Raises InputError when two rows tie.

    Attributes:
        tariff: Its name.
        version: 1, 2, 3, ...; 0 for a table that was not imported.
    """

    def __init__(self, tariff: str, version: int, rates: Iterable[Rate]) -> None:
        self.tariff = tariff
        self.version = version
        self._table = RateTable(rates)

    def terms(self, caller: Party, callee: Party) -> Terms | Refused:
        """Give the terms of a call; refused with `no_rate` when no row matches."""
        rate = self._table.find(caller, callee)
        if rate is None:
            return Refused("no_rate", f"tariff {self.tariff} has no rate for this call; add a row")
        return Terms(tariff=self.tariff, version=self.version, rate=rate)

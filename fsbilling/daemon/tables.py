"""The tables in memory that calls are priced by, read anew beside the live calls.

Nothing here may keep the loop for long: rows are taken in a few at a time, and the collector
does not look through all that is in memory while they are.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from fsbilling.billing.tariff_book import TariffBook
from fsbilling.clock import Clock
from fsbilling.numbering.region_table import RegionTable
from fsbilling.store import regions
from fsbilling.store.engine import BULK_BOUND_S, Database
from fsbilling.switch.breath import breathe

REGIONS_AT_ONCE = 500

NEVER = 1_000_000
_THRESHOLDS = gc.get_threshold()


class Tables:
    """Tariffs and regions of one daemon; `take_regions` is told of each new region table."""

    def __init__(
        self, db: Database, clock: Clock, *, take_regions: Callable[[RegionTable], None]
    ) -> None:
        self.book = TariffBook(db, breathe=breathe)
        self._db = db
        self._clock = clock
        self._take_regions = take_regions

    def refresh_tariffs(self) -> None:
        """See which versions there are, and make ready those that calls may need. StoreError."""
        self.book.refresh()
        with _young_garbage_only():
            if self.book.make_ready(self._clock.now_us()):
                _spare_the_collector()

    def load_regions(self) -> None:
        """Read half a million rows anew. Raises StoreError; the table before stays in use."""
        table = RegionTable()
        with _young_garbage_only(), self._db.read(BULK_BOUND_S) as conn:
            rows = iter(regions.load(conn))
            while chunk := list(islice(rows, REGIONS_AT_ONCE)):
                table.extend(chunk)
                breathe()
        self._take_regions(table)
        _spare_the_collector()


@contextmanager
def _young_garbage_only() -> Iterator[None]:
    """Put off the collector's look at all that is in memory while a large table grows there."""
    gc.set_threshold(*_THRESHOLDS[:2], NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*_THRESHOLDS)


def _spare_the_collector() -> None:
    """Take what is in memory now out of the collector's sight: code, settings, tables.

    All of it stays, and a look at all of it keeps every call waiting for some 60 ms. What is
    young is looked through before, so that little garbage stays with it.
    """
    gc.collect(1)
    gc.freeze()

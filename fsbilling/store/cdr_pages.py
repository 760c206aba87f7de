"""Walk through call detail records, however many there are."""

from __future__ import annotations

from collections.abc import Iterator

from fsbilling.calls.cdr import Cdr
from fsbilling.store import cdrs
from fsbilling.store.cdrs import EVERY, Selection
from fsbilling.store.engine import Database

PAGE_ROWS = 1_000


def pages(db: Database, selection: Selection = EVERY) -> Iterator[list[tuple[int, Cdr]]]:
    """Give the chosen records with their row ids, by id, a page at a time.

    A transaction for each page: a long walk must not hold one view of SQL open. Records that are
    written during the walk may be in it or not.
    """
    after_id = 0
    while True:
        with db.read() as conn:
            page = cdrs.page(conn, selection, after_id=after_id, limit=PAGE_ROWS)
        if page:
            yield page
        if len(page) < PAGE_ROWS:
            return
        after_id = page[-1][0]

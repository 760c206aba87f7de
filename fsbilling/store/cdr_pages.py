"""Walk through call detail records, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from fsbilling.calls.cdr import Cdr
from fsbilling.store import cdrs
from fsbilling.store.cdrs import EVERY, Selection
from fsbilling.store.engine import Database

PAGE_ROWS = 1_000

Progress = Callable[[int, int], None]
"""Told how many records are done, and of how many."""


def answered_pages(
    db: Database, selection: Selection, on_progress: Progress | None = None
) -> Iterator[list[tuple[int, Cdr]]]:
    """Give those of the chosen records that have a price, as `pages` does.

    Calls that were refused or never answered are left out.
    """
    selection = msgspec.structs.replace(selection, answered=True)
    with db.read() as conn:
        total = cdrs.count(conn, selection) if on_progress is not None else 0
    done = 0
    for page in pages(db, selection):
        yield page
        done += len(page)
        if on_progress is not None:
            on_progress(done, total)


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

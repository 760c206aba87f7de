"""Twin of `fsbilling.store.revisions`, as far as billing writes: a price takes another's place."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace as changed

from fsbilling.calls.cdr import PRICE_FIELDS, Cdr
from fsbilling.errors import StoreError

from .books import Transaction


def replace(conn: Transaction, corrected: Sequence[tuple[Cdr, Cdr]], at_us: int) -> None:
    for before, after in corrected:
        key = (before.switch, before.uuid)
        found = conn.books.cdrs.get(key)
        if (*key, before.revision) in conn.books.revisions:
            raise StoreError(f"memory: revision {before.revision} of {key} was replaced before")
        conn.put(conn.books.revisions, (*key, before.revision), at_us)
        if found is not None and found.revision == before.revision:
            price = {name: getattr(after, name) for name in PRICE_FIELDS}
            conn.put(conn.books.cdrs, key, changed(found, revision=after.revision, **price))

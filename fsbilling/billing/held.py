"""The holds of some calls, read a few at a time: live calls wait for none of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsbilling.billing.breath import BREATH_CALLS
from fsbilling.store import holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold


def read_holds(db: Database, switch: str, uuids: Sequence[str]) -> Iterator[Hold]:
    """Give the holds that these calls have; some may be settled by now. Raises StoreError."""
    for start in range(0, len(uuids), BREATH_CALLS):
        with db.read() as conn:
            held = holds.among(conn, switch, uuids[start : start + BREATH_CALLS])
        yield from held

"""What calls cost before they were corrected: every price that a CDR ever had is kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from fsbilling.calls.cdr import PRICE_FIELDS, Cdr
from fsbilling.store.schema import cdr as cdr_table
from fsbilling.store.schema import cdr_revision as table
from fsbilling.store.text import clean


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A price that a call had until it was corrected; the fields are those of a `Cdr`.

    Attributes:
        revision: 0 for the price it was settled at.
        replaced_us: When the next one took its place.
    """

    revision: int
    billed_s: int
    included_s: int
    charge_micros: int
    waived_micros: int
    tariff: str
    tariff_version: int
    rate_id: int
    price_micros_per_min: int
    explanation: str
    replaced_us: int


_KEY = ("switch", "uuid", "revision")
_KEEP = insert(table)
# The moment tells PostgreSQL the month.
_REPLACE = (
    update(cdr_table)
    .where(*(cdr_table.c[name] == bindparam(f"of_{name}") for name in (*_KEY, "created_us")))
    .values({name: bindparam(name) for name in ("revision", *PRICE_FIELDS)})
)


def replace(conn: Connection, corrected: Sequence[tuple[Cdr, Cdr]], at_us: int) -> None:
    """Put each record's new price in the place of its old one, and keep the old one.

    The new record's revision is the next one. Lock the account first. Raises StoreError when a
    record has been corrected meanwhile: a revision is replaced once (DESIGN rule 4).
    """
    kept, new = [], []
    for before, after in corrected:
        key = {name: getattr(before, name) for name in _KEY}
        price = {name: getattr(before, name) for name in PRICE_FIELDS}
        kept.append({**key, **price, "replaced_us": at_us})
        price = {name: getattr(after, name) for name in PRICE_FIELDS}
        of_key = {f"of_{name}": value for name, value in key.items()}
        of_key["of_created_us"] = before.created_us
        new.append({**of_key, **price, "revision": after.revision})
    if kept:
        conn.execute(_KEEP, kept)
        conn.execute(_REPLACE, new)


def history(conn: Connection, switch: str, uuid: str) -> list[Revision]:
    """Give the prices that a call had before the one it has, the first one first."""
    query = select(table).filter_by(switch=clean(switch), uuid=clean(uuid))
    rows = conn.execute(query.order_by(table.c.revision))
    return [msgspec.convert(row._mapping, Revision, strict=False) for row in rows]  # noqa: SLF001

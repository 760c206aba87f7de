"""The region table in SQL: one at a time, replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
import psycopg
from sqlalchemy import Connection, delete, insert, select, text

from fsbilling.errors import StoreError
from fsbilling.numbering.number import Number
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.numbering.region_table import prefixes
from fsbilling.store.schema import region, region_source

BATCH = 10_000

READ_BATCH = 500
"""Rows that come off SQL at a time: a daemon lets calls have their turn between two fetches."""

IMPORT_TIMEOUT_S = 120
"""Deleting and adding half a million rows takes longer than a live call's statement may."""

_COPY = "COPY region (prefix, area_code, city, province) FROM STDIN"
_INSERT = "INSERT INTO region (prefix, area_code, city, province) VALUES (?, ?, ?, ?)"

_ROWS = select(region.c.prefix, region.c.area_code, region.c.city, region.c.province)


class RegionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the table in force is.

    Attributes:
        source: What it was imported from.
        as_of: The date of the data themselves: `"2023-12"`, or a day.
        imported_us: When.
        landline_rows: How many area codes it has.
        mobile_rows: How many mobile segments.
    """

    source: str
    as_of: str
    imported_us: int
    landline_rows: int
    mobile_rows: int


def replace_all(
    conn: Connection,
    rows: Sequence[tuple[str, Region]],
    *,
    source: str,
    as_of: str,
    at_us: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> RegionStatus:
    """Put these rows in the place of all there are; a prefix must not come twice.

    Readers see the old table until the transaction commits. `on_progress(done, total)` is called
    after every `BATCH` rows and must not wait: on SQLite nobody else can write meanwhile.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text(f"SET LOCAL statement_timeout = '{IMPORT_TIMEOUT_S}s'"))
        # Of two imports at a time the second waits; who reads does not.
        conn.execute(text("LOCK TABLE region IN SHARE ROW EXCLUSIVE MODE"))
    conn.execute(delete(region))
    conn.execute(delete(region_source))
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        _add(conn, [(prefix, at.area_code, at.city, at.province) for prefix, at in batch])
        if on_progress is not None:
            on_progress(start + len(batch), len(rows))
    landline_rows = sum(prefix.startswith("0") for prefix, _ in rows)
    status = RegionStatus(
        source=source,
        as_of=as_of,
        imported_us=at_us,
        landline_rows=landline_rows,
        mobile_rows=len(rows) - landline_rows,
    )
    conn.execute(insert(region_source), msgspec.structs.asdict(status))
    return status


def _add(conn: Connection, rows: list[tuple[str, ...]]) -> None:
    """Insert by the driver's fastest way; SQLAlchemy's own takes several times as long."""
    if conn.dialect.name == "postgresql":
        _copy(conn, rows)
    else:
        conn.exec_driver_sql(_INSERT, rows)


def _copy(conn: Connection, rows: list[tuple[str, ...]]) -> None:
    cursor: Any = conn.connection.cursor()  # psycopg's own: DB-API knows no COPY
    try:
        with cursor, cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as fault:
        raise StoreError(f"the database says: {fault}") from fault


def load(conn: Connection) -> Iterator[tuple[str, Region]]:
    """Yield every row, fetched a batch at a time, so that a caller may pause in between.

    Rows of one place share one Region.
    """
    known: dict[tuple[str, str, str], Region] = {}
    batches = conn.execute(_ROWS.execution_options(yield_per=READ_BATCH)).partitions()
    for prefix, *place in chain.from_iterable(batches):
        key = tuple(place)
        home = known.get(key)
        if home is None:
            home = known[key] = Region(*key)
        yield prefix, home


def find(conn: Connection, number: Number) -> Region:
    """Look one number up without loading the table; `UNKNOWN_REGION` when it is not there."""
    candidates = prefixes(number)
    rows = conn.execute(_ROWS.where(region.c.prefix.in_(candidates)))
    homes = {prefix: Region(*place) for prefix, *place in rows}
    return next((homes[prefix] for prefix in candidates if prefix in homes), UNKNOWN_REGION)


def status(conn: Connection) -> RegionStatus | None:
    """Where the table in force came from and how old it is; None before the first import."""
    row = conn.execute(select(region_source)).mappings().first()
    if row is None:
        return None
    return RegionStatus(**{name: row[name] for name in RegionStatus.__struct_fields__})

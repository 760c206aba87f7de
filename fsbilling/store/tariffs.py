"""Tariffs in SQL: named sets of rates, in versions that take effect at a moment.

A version is never changed: live calls and old CDRs go on pointing at it. Of two versions that
are valid from the same moment the one imported later counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store.insert import insert_once
from fsbilling.store.schema import rate, tariff, tariff_version
from fsbilling.store.text import clean

IMPORT_BATCH = 2000

READ_BATCH = 200
"""Rows that come off SQL at a time: a daemon lets calls have their turn between two fetches."""

# Not the plan: the list is read every few seconds, and zones may be long.
_LISTED = [column for column in tariff_version.c if column.name != "plan"]
_RATE_FIELDS = tuple(name for name in Rate.__struct_fields__ if name != "rate_id")


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One import of a tariff.

    Attributes:
        version_id: The row's key.
        tariff: The tariff's name.
        version: 1, 2, 3, ... within the tariff.
        valid_from_us: New calls from this moment on are priced by it.
        rows: How many rates it has.
        source: The file it came from.
        imported_us: When.
    """

    version_id: int
    tariff: str
    version: int
    valid_from_us: int
    rows: int
    source: str
    imported_us: int


def import_version(
    conn: Connection,
    name: str,
    rates: Sequence[Rate],
    *,
    valid_from_us: int,
    source: str,
    at_us: int,
    plan: Plan = PLAIN,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Add a version of tariff `name`, all of it or (when the transaction fails) nothing.

    `on_progress(done, total)` is called after every `IMPORT_BATCH` rows; it must not wait: on
    SQLite nobody else can write meanwhile. Returns the `version_id`.
    """
    insert_once(conn, tariff, {"name": name, "created_us": at_us})
    # Two imports of one tariff at a time take their numbers one after the other.
    conn.execute(select(tariff).filter_by(name=name).with_for_update())
    last = select(func.coalesce(func.max(tariff_version.c.version), 0)).filter_by(tariff=name)
    new_version = {
        "tariff": name,
        "version": conn.execute(last).scalar_one() + 1,
        "valid_from_us": valid_from_us,
        "row_count": len(rates),
        "source": clean(source),
        "imported_us": at_us,
        "plan": msgspec.json.encode(plan).decode(),
    }
    added = conn.execute(insert(tariff_version).returning(tariff_version.c.id), new_version)
    version_id: int = added.scalar_one()
    done = 0
    for start in range(0, len(rates), IMPORT_BATCH):
        batch = rates[start : start + IMPORT_BATCH]
        conn.execute(insert(rate), [_row(each, version_id) for each in batch])
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(rates))
    return version_id


def versions(conn: Connection, name: str | None = None) -> list[Version]:
    """Every version, of one tariff or of all, oldest first."""
    query = select(*_LISTED).order_by(tariff_version.c.tariff, tariff_version.c.version)
    if name is not None:
        query = query.where(tariff_version.c.tariff == clean(name))
    return [_version(row) for row in conn.execute(query)]


def version_at(conn: Connection, name: str, at_us: int) -> Version | None:
    """The version that prices a call that starts at `at_us`."""
    query = (
        select(*_LISTED)
        .where(tariff_version.c.tariff == clean(name), tariff_version.c.valid_from_us <= at_us)
        .order_by(tariff_version.c.valid_from_us.desc(), tariff_version.c.version.desc())
        .limit(1)
    )
    row = conn.execute(query).first()
    return None if row is None else _version(row)


def plan(conn: Connection, version: Version) -> Plan:
    """Give the frame that a version's rates stand in."""
    query = select(tariff_version.c.plan).where(tariff_version.c.id == version.version_id)
    return msgspec.json.decode(conn.execute(query).scalar_one(), type=Plan)


def plans(conn: Connection, name: str) -> Iterator[Plan]:
    """Give the plans of all versions of a tariff, the oldest first."""
    query = select(tariff_version.c.plan).where(tariff_version.c.tariff == clean(name))
    for encoded in conn.execute(query.order_by(tariff_version.c.version)).scalars():
        yield msgspec.json.decode(encoded, type=Plan)


def rates(conn: Connection, version: Version) -> list[Rate]:
    """Every rate of a version, in the order of the file."""
    return list(each_rate(conn, version))


def each_rate(conn: Connection, version: Version) -> Iterator[Rate]:
    """The same one by one, as they come off SQL."""
    columns = [rate.c.id, *(rate.c[name] for name in _RATE_FIELDS)]
    query = select(*columns).where(rate.c.version_id == version.version_id).order_by(rate.c.id)
    with conn.execute(query.execution_options(yield_per=READ_BATCH)) as rows:
        for row in rows:
            yield Rate(rate_id=row[0], **dict(zip(_RATE_FIELDS, row[1:], strict=True)))


def _row(each: Rate, version_id: int) -> dict[str, Any]:
    row = {name: getattr(each, name) for name in _RATE_FIELDS}
    return row | {"version_id": version_id, "note": clean(each.note)}


def _version(row: Row[Any]) -> Version:
    return Version(
        version_id=row.id,
        tariff=row.tariff,
        version=row.version,
        valid_from_us=row.valid_from_us,
        rows=row.row_count,
        source=row.source,
        imported_us=row.imported_us,
    )

"""Twin of `fsbilling.store.tariffs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from fsbilling.rating.plan import PLAIN, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store.tariffs import Version

from .books import Transaction


def import_version(
    conn: Transaction,
    name: str,
    rates: Sequence[Rate],
    *,
    valid_from_us: int,
    source: str,
    at_us: int,
    plan: Plan = PLAIN,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    known = conn.books.versions
    version = Version(
        version_id=len(known) + 1,
        tariff=name,
        version=len(versions(conn, name)) + 1,
        valid_from_us=valid_from_us,
        rows=len(rates),
        source=source,
        imported_us=at_us,
    )
    first_id = sum(each.rows for each, _, _ in known.values()) + 1
    rows = tuple(replace(rate, rate_id=first_id + row) for row, rate in enumerate(rates))
    conn.put(known, version.version_id, (version, plan, rows))
    if on_progress is not None:
        on_progress(len(rates), len(rates))
    return version.version_id


def versions(conn: Transaction, name: str | None = None) -> list[Version]:
    found = (version for version, _, _ in conn.books.versions.values())
    return sorted(
        (version for version in found if name in (None, version.tariff)),
        key=lambda version: (version.tariff, version.version),
    )


def plan(conn: Transaction, version: Version) -> Plan:
    return conn.books.versions[version.version_id][1]


def plans(conn: Transaction, name: str) -> Iterator[Plan]:
    for version in versions(conn, name):
        yield plan(conn, version)


def rates(conn: Transaction, version: Version) -> list[Rate]:
    return list(each_rate(conn, version))


def each_rate(conn: Transaction, version: Version) -> Iterator[Rate]:
    return iter(conn.books.versions[version.version_id][2])

"""INSERT that leaves an existing row alone: how "once" is said in SQL (DESIGN rule 4)."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from fsbilling.store.prepared import Prepared


def insert_once(conn: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert `row` unless one with the same key stands; say whether it was inserted."""
    return _insert_once(conn.dialect.name, table, tuple(row)).change(conn, row) == 1


@cache
def _insert_once(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return Prepared(insert(table).values(values).on_conflict_do_nothing().inline())

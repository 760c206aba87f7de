"""INSERT that leaves an existing row alone: how "once" is said in SQL (DESIGN rule 4)."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from fsbilling.store.prepared import Prepared

Insertion = postgresql.Insert | sqlite.Insert


def insert_once(conn: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert `row` unless one with the same key stands; say whether it was inserted."""
    return _insert_once(conn.dialect.name, table, tuple(row)).change(conn, row) == 1


def number_once(conn: Connection, table: Table, row: dict[str, Any]) -> int | None:
    """Do the same where the database numbers the rows: the new one's `id`, None when one stands."""
    numbered = _number_once(conn.dialect.name, table, tuple(row)).first(conn, row)
    return None if numbered is None else int(numbered.id)


@cache
def _insert_once(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(_insertion(dialect, table, columns).inline())


@cache
def _number_once(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(_insertion(dialect, table, columns).returning(table.c.id))


def _insertion(dialect: str, table: Table, columns: tuple[str, ...]) -> Insertion:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return insert(table).values(values).on_conflict_do_nothing()

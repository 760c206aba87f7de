"""INSERT that leaves an existing row alone: how "once" is said in SQL (DESIGN rule 4)."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from fsbilling.store.prepared import Prepared

Insertion = postgresql.Insert | sqlite.Insert


def insert_once(
    conn: Connection, table: Table, row: dict[str, Any], unless: ColumnElement[bool] | None = None
) -> bool:
    """Insert `row` unless one with the same key stands; say whether it was inserted.

    `unless` is a condition of its own, whose parameters are columns of the row.
    """
    return _insert_once(conn.dialect.name, table, tuple(row), unless).change(conn, row) == 1


def number_once(conn: Connection, table: Table, row: dict[str, Any]) -> int | None:
    """Do the same where the database numbers the rows: the new one's `id`, None when one stands."""
    numbered = _number_once(conn.dialect.name, table, tuple(row)).first(conn, row)
    return None if numbered is None else int(numbered.id)


@cache
def _insert_once(
    dialect: str, table: Table, columns: tuple[str, ...], unless: ColumnElement[bool] | None
) -> Prepared:
    return Prepared(_insertion(dialect, table, columns, unless).inline())


@cache
def _number_once(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(_insertion(dialect, table, columns).returning(table.c.id))


def _insertion(
    dialect: str,
    table: Table,
    columns: tuple[str, ...],
    unless: ColumnElement[bool] | None = None,
) -> Insertion:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    values = {name: bindparam(name, type_=table.c[name].type) for name in columns}
    if unless is None:
        return insert(table).values(values).on_conflict_do_nothing()
    row = select(*values.values()).where(~unless)
    return insert(table).from_select(columns, row).on_conflict_do_nothing()

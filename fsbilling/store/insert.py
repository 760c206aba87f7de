"""INSERT that leaves an existing row alone: how "once" is said in SQL (DESIGN rule 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Table, bindparam, select
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


def add_up(
    conn: Connection, table: Table, row: dict[str, Any], *, key: Sequence[str], add: Sequence[str]
) -> None:
    """Insert `row`, or add its columns `add` to those of the row that has its `key`, later."""
    _add_up(conn.dialect.name, table, tuple(row), tuple(key), tuple(add)).later(conn, row)


@cache
def _add_up(
    dialect: str,
    table: Table,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    add: tuple[str, ...],
) -> Prepared:
    row = _insert(dialect, table).values(_bound(table, columns))
    sums = {name: table.c[name] + row.excluded[name] for name in add}
    return Prepared(row.on_conflict_do_update(index_elements=key, set_=sums).inline())


@cache
def _insert_once(
    dialect: str, table: Table, columns: tuple[str, ...], unless: ColumnElement[bool] | None
) -> Prepared:
    return Prepared(insertion(dialect, table, columns, unless).inline())


@cache
def _number_once(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(insertion(dialect, table, columns).returning(table.c.id))


def insertion(
    dialect: str,
    table: Table,
    columns: tuple[str, ...],
    unless: ColumnElement[bool] | None = None,
) -> Insertion:
    """Give the statement that does it; its parameters are the columns."""
    values = _bound(table, columns)
    if unless is None:
        return _insert(dialect, table).values(values).on_conflict_do_nothing()
    row = select(*values.values()).where(~unless)
    return _insert(dialect, table).from_select(columns, row).on_conflict_do_nothing()


def _insert(dialect: str, table: Table) -> Insertion:
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)


def _bound(table: Table, columns: Iterable[str]) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(name, type_=table.c[name].type) for name in columns}

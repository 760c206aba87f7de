"""INSERT that leaves an existing row alone: how "once" is said in SQL (DESIGN rule 4)."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert


def insert_once(conn: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert `row` unless one with the same key stands; say whether it was inserted."""
    return conn.execute(_insert_once(conn.dialect.name, table), row).rowcount == 1


def number_once(conn: Connection, table: Table, row: dict[str, Any]) -> int | None:
    """Do the same where the database numbers the rows: the new one's `id`, None when one stands."""
    number: int | None = conn.execute(_number_once(conn.dialect.name, table), row).scalar()
    return number


@cache
def _number_once(dialect: str, table: Table) -> ReturningInsert[Any]:
    return _insert_once(dialect, table).returning(table.c.id)


@cache
def _insert_once(dialect: str, table: Table) -> Insert:
    once: Insert = (
        postgresql.insert(table).on_conflict_do_nothing()
        if dialect == "postgresql"
        else sqlite.insert(table).on_conflict_do_nothing()
    )
    return once.inline().execution_options(preserve_rowcount=True)

"""INSERT that leaves an existing row alone: how "once" is said in SQL (DESIGN rule 4)."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_once(conn: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert `row` unless one with the same key stands; say whether it was inserted."""
    return conn.execute(_insert_once(conn.dialect.name, table), row).rowcount == 1


@cache
def _insert_once(dialect: str, table: Table) -> Insert:
    once: Insert = (
        postgresql.insert(table).on_conflict_do_nothing()
        if dialect == "postgresql"
        else sqlite.insert(table).on_conflict_do_nothing()
    )
    return once.inline().execution_options(preserve_rowcount=True)

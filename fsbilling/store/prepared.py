"""Statements that run for every call: compiled once, then handed to the driver as text.

SQLAlchemy finds the compiled form of a statement again at each execution, and makes a result
object that can do far more than is asked here: most of what a call cost the daemon. What it is
good at stays with it: the tables, both dialects' SQL, the pool, the transactions.

PostgreSQL is asked by few exchanges (`store.pipelined_connection`): what has no answer that is
needed waits for the next exchange (`later`), what needs no other's answer is asked `together`,
and the last statement takes the COMMIT with it (`change_last`). SQLite, which is asked in this
process, executes each in its turn.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import ClauseElement, Connection

from fsbilling.store.compiled import Compiled, CompiledForPostgres, CompiledForSqlite, Values


class Prepared:
    """One statement whose every parameter is a named `bindparam`.

    Runs in the transaction of the connection that is given, like any other statement. The
    driver's own errors come out, which `Database` turns into StoreError.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement

    @cached_property
    def for_sqlite(self) -> CompiledForSqlite:
        """The statement as SQLite takes it."""
        return CompiledForSqlite(self._statement)

    @cached_property
    def for_postgres(self) -> CompiledForPostgres:
        """The statement as PostgreSQL takes it."""
        return CompiledForPostgres(self._statement)

    def rows(self, conn: Connection, values: Values) -> list[Any]:
        """Every row, its columns by name and in order."""
        return self._compiled(conn).rows(_driver(conn), values)

    def first(self, conn: Connection, values: Values) -> Any:  # noqa: ANN401 - a row of any columns
        """The first row; None when there is none."""
        return next(iter(self.rows(conn, values)), None)

    def change(self, conn: Connection, values: Values) -> int:
        """Write; how many rows it changed."""
        return self._compiled(conn).change(_driver(conn), values)

    def later(self, conn: Connection, values: Values) -> None:
        """Write before anything else is done or committed; its errors are raised then."""
        self._compiled(conn).later(_driver(conn), values)

    def change_last(self, conn: Connection, values: Values) -> int:
        """Write, and commit with it where that saves an exchange; how many rows it changed.

        Nothing but reading may follow in the transaction's block: it may be another transaction.
        """
        return self._compiled(conn).change_last(_driver(conn), values)

    def _compiled(self, conn: Connection) -> Compiled:
        return self.for_postgres if conn.dialect.name == "postgresql" else self.for_sqlite


Asked = tuple[Prepared, Values]


def together(conn: Connection, *asked: Asked) -> list[list[Any]]:
    """Give the rows of several statements, executed in this order, in one exchange."""
    if conn.dialect.name != "postgresql":
        return [prepared.rows(conn, values) for prepared, values in asked]
    compiled = [prepared.for_postgres for prepared, _ in asked]
    questions = [each.question(values) for each, (_, values) in zip(compiled, asked, strict=True)]
    results = _driver(conn).ask(*questions)
    return [each.read(result) for each, result in zip(compiled, results, strict=True)]


def _driver(conn: Connection) -> Any:  # noqa: ANN401 - sqlite3's or psycopg's
    return conn.connection.driver_connection

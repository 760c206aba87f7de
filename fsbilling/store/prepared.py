"""Statements that run for every call: compiled once, then handed to the driver as text.

SQLAlchemy finds the compiled form of a statement again at each execution, and makes a result
object that can do far more than is asked here: most of what a call cost the daemon. What it is
good at stays with it: the tables, both dialects' SQL, the pool, the transactions.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.engine.interfaces import Dialect

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]


class Prepared:
    """One statement whose every parameter is a named `bindparam`.

    Runs in the transaction of the connection that is given, like any other statement. The
    driver's own errors come out, which `Database` turns into StoreError.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._by_dialect: dict[str, _Compiled] = {}

    def rows(self, conn: Connection, values: Values) -> list[Any]:
        """Every row, its columns by name and in order."""
        compiled = self._compiled(conn)
        rows = self._execute(conn, compiled, values).fetchall()
        return [compiled.row(row) for row in rows]

    def first(self, conn: Connection, values: Values) -> Any:  # noqa: ANN401 - a row of any columns
        """The first row; None when there is none."""
        compiled = self._compiled(conn)
        row = self._execute(conn, compiled, values).fetchone()
        return None if row is None else compiled.row(row)

    def change(self, conn: Connection, values: Values) -> int:
        """Write; how many rows it changed."""
        changed: int = self._execute(conn, self._compiled(conn), values).rowcount
        return changed

    def _execute(self, conn: Connection, compiled: _Compiled, values: Values) -> Any:  # noqa: ANN401
        driver: Any = conn.connection.driver_connection
        return driver.execute(compiled.sql, compiled.parameters(values))

    def _compiled(self, conn: Connection) -> _Compiled:
        compiled = self._by_dialect.get(conn.dialect.name)
        if compiled is None:
            compiled = self._by_dialect[conn.dialect.name] = _Compiled(
                self._statement, conn.dialect
            )
        return compiled


class _Compiled:
    """A statement's text for one dialect, and what must be done to values on their way."""

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._order: Sequence[str] | None = compiled.positiontup
        self._encode = {
            name: convert
            for name, bind in compiled.binds.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        columns = compiled._result_columns  # noqa: SLF001 - SQLAlchemy has no public way to them
        # A class of its own for each statement: its columns are known only now.
        names = [each.keyname for each in columns]
        row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc] # noqa: PYI024
        self._make: Convert = row._make
        self._decode = [
            (index, convert)
            for index, each in enumerate(columns)
            if (convert := each.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def parameters(self, values: Values) -> Any:  # noqa: ANN401 - as the driver wants them
        given = {**self._fixed, **values}
        for name, convert in self._encode.items():
            given[name] = convert(given[name])
        return given if self._order is None else tuple(given[name] for name in self._order)

    def row(self, row: Sequence[Any]) -> Any:  # noqa: ANN401 - a row of any columns
        if self._decode:
            changed = list(row)
            for index, convert in self._decode:
                changed[index] = convert(changed[index])
            row = changed
        return self._make(row)

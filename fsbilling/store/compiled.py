"""What becomes of a prepared statement in each dialect: text, and how values go in and out."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

import psycopg
from psycopg.pq.abc import PGresult
from sqlalchemy import Boolean, ClauseElement, Integer, Text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

from fsbilling.store.pipelined_connection import PipelinedConnection, Question

Values = Mapping[str, Any]

_POSTGRES: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_SQLITE = SQLiteDialect_pysqlite()
_NUMBERS = count(1)


class Compiled(Protocol):
    """A statement in one dialect; `driver` is the driver's own connection."""

    def rows(self, driver: Any, values: Values) -> list[Any]:  # noqa: ANN401
        """Every row, its columns by name and in order."""

    def change(self, driver: Any, values: Values) -> int:  # noqa: ANN401
        """Write; how many rows it changed."""

    def later(self, driver: Any, values: Values) -> None:  # noqa: ANN401
        """Write at the latest with what is done next."""

    def change_last(self, driver: Any, values: Values) -> int:  # noqa: ANN401
        """Write, as the last of a transaction; how many rows it changed."""


class CompiledForSqlite:
    """Executed at once: there is no way to be saved."""

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_SQLITE)
        self._sql = str(compiled)
        self._order: Sequence[str] = compiled.positiontup
        self._fixed = _fixed(compiled)
        columns = compiled._result_columns  # noqa: SLF001 - SQLAlchemy has no public way to them
        self._make = _row_of(columns)
        self._flags = [
            index for index, each in enumerate(columns) if isinstance(each.type, Boolean)
        ]

    def rows(self, driver: Any, values: Values) -> list[Any]:  # noqa: ANN401
        """Every row, its columns by name and in order."""
        return [self._make(self._decoded(row)) for row in self._execute(driver, values).fetchall()]

    def change(self, driver: Any, values: Values) -> int:  # noqa: ANN401
        """Write; how many rows it changed."""
        changed: int = self._execute(driver, values).rowcount
        return changed

    def later(self, driver: Any, values: Values) -> None:  # noqa: ANN401
        """Write now."""
        self._execute(driver, values)

    def change_last(self, driver: Any, values: Values) -> int:  # noqa: ANN401
        """Write; the transaction's block commits."""
        return self.change(driver, values)

    def _execute(self, driver: Any, values: Values) -> Any:  # noqa: ANN401
        given = {**self._fixed, **values}
        return driver.execute(self._sql, [given[name] for name in self._order])

    def _decoded(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self._flags:
            return row
        changed = list(row)
        for index in self._flags:
            changed[index] = bool(changed[index])
        return changed


class CompiledForPostgres:
    """A question with a name of its own; PostgreSQL parses it once for each connection."""

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_POSTGRES)
        self._name = b"fsb_%d" % next(_NUMBERS)
        self._sql = str(compiled).encode()
        self._order: Sequence[str] = compiled.positiontup
        self._fixed = _fixed(compiled)
        columns = compiled._result_columns  # noqa: SLF001 - as above
        self._make = _row_of(columns)
        self._decoders = [_decoder(each.type) for each in columns]

    def question(self, values: Values) -> Question:
        """Give what the server is to be asked. Raises psycopg.DataError for a NUL in a text."""
        given = {**self._fixed, **values}
        return Question(self._name, self._sql, [_encode(given[name]) for name in self._order])

    def read(self, result: PGresult) -> list[Any]:
        """Give the rows of an answer."""
        get, decoders = result.get_value, list(enumerate(self._decoders))
        return [
            self._make(
                None if (value := get(row, column)) is None else decode(value)
                for column, decode in decoders
            )
            for row in range(result.ntuples)
        ]

    def rows(self, driver: PipelinedConnection, values: Values) -> list[Any]:
        """Every row, its columns by name and in order."""
        return self.read(driver.ask(self.question(values))[0])

    def change(self, driver: PipelinedConnection, values: Values) -> int:
        """Write; how many rows it changed."""
        return driver.ask(self.question(values))[0].command_tuples or 0

    def later(self, driver: PipelinedConnection, values: Values) -> None:
        """Write with what is asked next, or with the commit."""
        driver.later(self.question(values))

    def change_last(self, driver: PipelinedConnection, values: Values) -> int:
        """Write and commit in one exchange."""
        return driver.ask_last(self.question(values)).command_tuples or 0


def _fixed(compiled: Any) -> dict[str, Any]:  # noqa: ANN401 - SQLAlchemy's
    """The parameters whose values stand in the statement."""
    return {name: value for name, value in compiled.params.items() if value is not None}


def _row_of(columns: Sequence[Any]) -> Callable[..., Any]:
    # A class of its own for each statement: its columns are known only now.
    names = [each.keyname for each in columns]
    row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc] # noqa: PYI024
    make: Callable[..., Any] = row._make
    return make


def _text(value: str) -> bytes:
    data = value.encode()
    if b"\0" in data:
        # libpq would send what stands before it.
        raise psycopg.DataError("PostgreSQL text cannot contain NUL (0x00)")
    return data


_ENCODERS: dict[type, Callable[[Any], bytes | None]] = {
    int: b"%d".__mod__,
    str: _text,
    bool: lambda value: b"t" if value else b"f",
    type(None): lambda _value: None,
}
"""How PostgreSQL reads a value, as text."""


def _encode(value: object) -> bytes | None:
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value)
    if isinstance(value, str):  # a word of an enumeration
        return _text(value)
    raise TypeError(f"no column takes a {type(value).__name__}")


def _decoder(column: TypeEngine[Any]) -> Callable[[bytes], Any]:
    if isinstance(column, Integer):
        return int
    if isinstance(column, Boolean):
        return b"t".__eq__
    if isinstance(column, Text):
        return bytes.decode
    raise TypeError(f"no statement reads a {column!r}")

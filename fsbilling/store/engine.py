"""The database: SQLite embedded, PostgreSQL in production; one way to read, one to write.

Every wait has a bound: for a free connection, for a lock, for a statement. A server that is
stopped or cut off keeps none of them: `Database.bound` is for the waiter's own. Every SQL fault
leaves here as `StoreError`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fsbilling.errors import ConfigError, StoreDeclined, StoreError
from fsbilling.store.postgres_connections import PostgresConnections
from fsbilling.store.sqlite_connections import SqliteConnections

BOUND_S = 5.0
"""How long a transaction may take when the server does not keep its own bounds."""

BULK_BOUND_S = 60.0
"""How long one may take that reads a whole table, some rows at a time beside the live calls."""


_DECLINED = (
    psycopg.IntegrityError,
    psycopg.DataError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
)
"""What stays so however often it is tried; a lock or a full disk does not."""


class Connections(Protocol):
    """What a kind of database has: connections for a transaction each, and ones apart."""

    dialect: str

    def write(self) -> AbstractContextManager[Connection]:
        """Give one for a transaction that may write."""

    def read(self) -> AbstractContextManager[Connection]:
        """Give one for a transaction that reads what was so at one moment."""

    def apart(self) -> Connection:
        """Open one beside them, each statement its own transaction."""

    def fill(self) -> None:
        """Open ahead those that take time to open."""

    def close(self) -> None:
        """Close those that are not in use."""


class Database:
    """A pool of connections to one database.

    Attributes:
        dialect: `"sqlite"` or `"postgresql"`.
        url: Where it is, the password hidden.
        path: SQLite's file; None for PostgreSQL.
        bound: Put round each transaction, with the seconds it may take; may raise StoreError.
    """

    def __init__(self, url: URL, connections: Connections) -> None:
        self.dialect = connections.dialect
        self.url = url.render_as_string(hide_password=True)
        self.path = Path(url.database or "") if self.dialect == "sqlite" else None
        self.bound: Callable[[float], AbstractContextManager[object]] = nullcontext
        self._connections = connections

    @classmethod
    def open(cls, url: str, *, pool_size: int = 8, statement_timeout_ms: int = 3000) -> Database:
        """Prepare the pool; the first transaction connects.

        `url` is `sqlite:///path` or `postgresql://user:password@host/name`.
        `statement_timeout_ms` bounds every statement, every wait for a lock or a connection.
        Raises ConfigError for any other URL.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            parsed = None
        kind = parsed.get_backend_name() if parsed is not None else ""
        if (
            parsed is not None
            and kind == "sqlite"
            and parsed.database not in {None, "", ":memory:"}
        ):
            return cls(parsed, SqliteConnections(parsed, pool_size, statement_timeout_ms))
        if parsed is not None and kind == "postgresql":
            return cls(parsed, PostgresConnections(parsed, pool_size, statement_timeout_ms))
        raise ConfigError(
            "the database's URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write: committed when the block ends, else rolled back.

        PostgreSQL: read committed; lock the account first (`accounts.lock`). SQLite: BEGIN
        IMMEDIATE; one writer at a time.
        """
        with self.bound(BOUND_S), self.store_errors(), self._connections.write() as conn:
            yield conn

    @contextmanager
    def read(self, bound_s: float = BOUND_S) -> Iterator[Connection]:
        """One read-only transaction; all it reads is of one moment."""
        with self.bound(bound_s), self.store_errors(), self._connections.read() as conn:
            yield conn

    def apart(self) -> Connection:
        """Open a connection of its own, beside the pool, each statement its own transaction."""
        with self.store_errors():
            return self._connections.apart()

    def fill(self) -> None:
        """Connect as often as the pool may, so that no call waits for it. Raises StoreError."""
        with self.store_errors():
            self._connections.fill()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._connections.close()

    @contextmanager
    def store_errors(self) -> Iterator[None]:
        """Turn what SQL raises inside into StoreError."""
        try:
            yield
        except PoolTimeout as error:
            raise StoreError(f"{self.url} is busy: no connection came free in time") from error
        except DBAPIError as error:
            raise self._store_error(error.orig or error) from error
        except (psycopg.Error, sqlite3.Error) as error:  # of `store.prepared`
            raise self._store_error(error) from error
        except SQLAlchemyError as error:
            raise StoreError(f"{self.url}: {error}") from error

    def _store_error(self, fault: BaseException) -> StoreError:
        lines = str(fault).strip().splitlines()
        kind = StoreDeclined if isinstance(fault, _DECLINED) else StoreError
        return kind(f"{self.url}: {lines[0] if lines else repr(fault)}")

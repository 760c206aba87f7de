"""The database: SQLite embedded, PostgreSQL in production; one way to read, one to write.

Every wait has a bound: for a free connection, for a lock, for a statement. A server that is
stopped or cut off keeps none of them: `Database.bound` is for the waiter's own. Every SQL fault
leaves here as `StoreError`.

Under gevent, PostgreSQL waits let other greenlets run (psycopg 3 sees the patched `select`).
SQLite's calls block the process, so a greenlet that waited inside SQLite for another greenlet's
write would wait for ever: writers queue in Python instead, for the only write connection, and
wait for other processes by sleeping (`_begin_immediate`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from fsbilling.errors import ConfigError, StoreDeclined, StoreError
from fsbilling.store.greenlet_connection import connection_class

MAX_RETRY_WAIT_S = 0.05
TRUSTED_S = 1.0
"""A connection used so lately is taken to live; one idle for longer is asked first.

Asking is a round trip in each transaction. A server that restarts costs each connection one
transaction instead, which fails as if it had been under way.
"""

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


class Database:
    """A pool of connections to one database.

    Attributes:
        dialect: `"sqlite"` or `"postgresql"`.
        url: Where it is, the password hidden.
        path: SQLite's file; None for PostgreSQL.
        bound: Put round each transaction, with the seconds it may take; may raise StoreError.
    """

    def __init__(self, url: URL, reader: Engine, writer: Engine) -> None:
        self.dialect = writer.dialect.name
        self.url = url.render_as_string(hide_password=True)
        self.path = Path(url.database or "") if self.dialect == "sqlite" else None
        self.bound: Callable[[float], AbstractContextManager[object]] = nullcontext
        self._reader = reader
        self._writer = writer

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
            return cls(parsed, *_open_sqlite(parsed, pool_size, statement_timeout_ms))
        if parsed is not None and kind == "postgresql":
            return cls(parsed, *_open_postgresql(parsed, pool_size, statement_timeout_ms))
        raise ConfigError(
            "the database's URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write: committed when the block ends, else rolled back.

        PostgreSQL: read committed; lock the account first (`accounts.lock`). SQLite: BEGIN
        IMMEDIATE; one writer at a time.
        """
        with self.bound(BOUND_S), self.store_errors(), self._writer.begin() as conn:
            yield conn

    @contextmanager
    def read(self, bound_s: float = BOUND_S) -> Iterator[Connection]:
        """One read-only transaction; all it reads is of one moment."""
        with self.bound(bound_s), self.store_errors(), self._reader.begin() as conn:
            yield conn

    def apart(self) -> Connection:
        """Open a connection of its own, beside the pool, each statement its own transaction."""
        with self.store_errors():
            conn = self._writer.execution_options(isolation_level="AUTOCOMMIT").connect()
            conn.detach()
            return conn

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._reader.dispose()
        self._writer.dispose()

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


def _open_postgresql(url: URL, pool_size: int, timeout_ms: int) -> tuple[Engine, Engine]:
    """The reader and the writer: two ways to begin a transaction on one pool."""
    settings = {
        "statement_timeout": timeout_ms,
        # Below the statement's own bound, so that the error names the lock.
        "lock_timeout": timeout_ms // 2,
        "idle_in_transaction_session_timeout": 10 * timeout_ms,
        "synchronous_commit": "on",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    timeout_s = max(2, timeout_ms // 1000)
    defaults = {
        "application_name": "fsbilling",
        "connect_timeout": str(timeout_s),
        "tcp_user_timeout": str(2 * timeout_ms),
        "options": options,
    }
    writer = create_engine(
        url.set(drivername="postgresql+psycopg", query={**defaults, **url.query}),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout_ms / 1000,
        isolation_level="READ COMMITTED",
    )
    _ask_the_idle(writer)

    @event.listens_for(writer, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, given: dict[str, Any]) -> Any:  # noqa: ANN401 - psycopg's own keywords
        # Where psycopg prepares by itself, it deallocates all, ours too, at a rollback.
        return connection_class().connect(**given, prepare_threshold=None)

    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return reader, writer


def _ask_the_idle(engine: Engine) -> None:
    """Let the pool replace a connection that has died while nobody used it."""

    @event.listens_for(engine, "checkin")
    def _note(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(
        connection: psycopg.Connection[Any], record: ConnectionPoolEntry, _proxy: object
    ) -> None:
        used_at = record.info.get("used_at")
        if used_at is None or time.monotonic() - used_at < TRUSTED_S:
            return
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except psycopg.Error as fault:
            raise DisconnectionError from fault


def _open_sqlite(url: URL, pool_size: int, timeout_ms: int) -> tuple[Engine, Engine]:
    """A pool of read-only connections, and a pool of one that is the write lock."""

    def engine(size: int) -> Engine:
        return create_engine(
            url.set(drivername="sqlite+pysqlite"),
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=timeout_ms / 1000,
            # We say BEGIN ourselves: sqlite3 would say it too late, and not IMMEDIATE.
            connect_args={"isolation_level": None, "timeout": timeout_ms / 1000},
        )

    reader, writer = engine(pool_size), engine(1)
    shared = ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL")
    _on_connect(reader, *shared, "query_only=ON")
    _on_connect(writer, *shared, "busy_timeout=0")

    @event.listens_for(reader, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN")

    @event.listens_for(writer, "begin")
    def _begin_write(conn: Connection) -> None:
        _begin_immediate(conn, timeout_ms / 1000)

    return reader, writer


def _on_connect(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def _set(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(conn: Connection, timeout_s: float) -> None:
    """Take SQLite's write lock, sleeping (so that other greenlets run) while it is taken.

    Raises what SQLite raised when another process still has it after `timeout_s`.
    """
    give_up_at = time.monotonic() + timeout_s
    wait_s = 0.001
    while True:
        try:
            conn.exec_driver_sql("BEGIN IMMEDIATE")
        except DBAPIError as error:
            code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
            if code != sqlite3.SQLITE_BUSY or time.monotonic() + wait_s > give_up_at:
                raise
        else:
            return
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, MAX_RETRY_WAIT_S)

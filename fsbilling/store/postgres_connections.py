"""PostgreSQL's connections: lent for one transaction each, and left as they are between two.

SQLAlchemy's pool makes a connection anew round the driver's for each transaction, and resets it
after: a third of what a short transaction costs in this process. Here whoever begins a transaction
gets a whole SQLAlchemy connection, and gives it back committed or rolled back.

Under gevent the waits let other greenlets run (`store.greenlet_connection`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fsbilling.store.greenlet_connection import connection_class
from fsbilling.store.pipelined_connection import PipelinedConnection

TRUSTED_S = 1.0
"""A connection used so lately is taken to live; one idle for longer is asked first.

Asking is a round trip in each transaction. A server that restarts costs each connection one
transaction instead, which fails as if it had been under way.
"""


class PostgresConnections:
    """At most `pool_size` at once, the one used last lent first.

    `timeout_ms` bounds every statement, every wait for a lock or a connection.
    """

    dialect = "postgresql"

    def __init__(self, url: URL, pool_size: int, timeout_ms: int) -> None:
        self.engine = _engine(url, timeout_ms)
        self._pool_size = pool_size
        self._places = threading.BoundedSemaphore(pool_size)
        self._timeout_s = timeout_ms / 1000
        self._idle: list[tuple[Connection, float]] = []

    def write(self) -> AbstractContextManager[Connection]:
        """Read committed: lock the account first (`accounts.lock`)."""
        return self._lend(IsolationLevel.READ_COMMITTED, read_only=False)

    def read(self) -> AbstractContextManager[Connection]:
        """Repeatable read: all it reads is of one moment."""
        return self._lend(IsolationLevel.REPEATABLE_READ, read_only=True)

    def apart(self) -> Connection:
        """Open a connection of its own, each statement its own transaction."""
        return self.engine.execution_options(isolation_level="AUTOCOMMIT").connect()

    def fill(self) -> None:
        """Open all that may be lent at once: no call is to wait for that."""
        while len(self._idle) < self._pool_size:
            self._put(self.engine.connect())

    def close(self) -> None:
        """Close what is not lent."""
        while self._idle:
            _close(self._idle.pop()[0])

    @contextmanager
    def _lend(self, level: IsolationLevel, *, read_only: bool) -> Iterator[Connection]:
        """Give a connection for one transaction: committed when the block ends, else rolled back.

        Raises SQLAlchemy's TimeoutError when no place came free in time.
        """
        if not self._places.acquire(timeout=self._timeout_s):
            raise PoolTimeout
        try:
            conn = self._take()
            try:
                _set(_driver(conn), level, read_only=read_only)
                yield conn
                _commit(conn)
            except BaseException:
                _roll_back(conn)
                raise
            finally:
                self._put(conn)
        finally:
            self._places.release()

    def _take(self) -> Connection:
        while self._idle:
            conn, used_at = self._idle.pop()
            if time.monotonic() - used_at < TRUSTED_S or _lives(conn):
                return conn
            _close(conn)
        return self.engine.connect()

    def _put(self, conn: Connection) -> None:
        if conn.invalidated or _driver(conn).closed:
            _close(conn)
        else:
            self._idle.append((conn, time.monotonic()))


def _engine(url: URL, timeout_ms: int) -> Engine:
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
        # Whatever the database keeps its text in.
        "client_encoding": "utf8",
        "connect_timeout": str(timeout_s),
        "tcp_user_timeout": str(2 * timeout_ms),
        "options": options,
    }
    engine = create_engine(
        url.set(drivername="postgresql+psycopg", query={**defaults, **url.query}),
        poolclass=NullPool,
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, given: dict[str, Any]) -> Any:  # noqa: ANN401 - psycopg's own keywords
        # Where psycopg prepares by itself, it deallocates all, ours too, at a rollback.
        return connection_class().connect(**given, prepare_threshold=None)

    return engine


def _driver(conn: Connection) -> PipelinedConnection:
    driver: Any = conn.connection.driver_connection
    return driver  # type: ignore[no-any-return]


def _set(driver: PipelinedConnection, level: IsolationLevel, *, read_only: bool) -> None:
    """Say how its next transaction begins; to say the same again would take psycopg's lock."""
    if driver.isolation_level != level:
        driver.isolation_level = level
    if driver.read_only != read_only:
        driver.read_only = read_only


def _commit(conn: Connection) -> None:
    if conn.in_transaction():  # SQLAlchemy itself has executed something in it
        conn.commit()
    else:
        _driver(conn).commit()


def _roll_back(conn: Connection) -> None:
    """Undo it; a connection that cannot be asked any more is closed, which undoes it as well."""
    with suppress(SQLAlchemyError, psycopg.Error):
        conn.rollback()
        if not conn.invalidated:
            _driver(conn).rollback()


def _lives(conn: Connection) -> bool:
    driver = _driver(conn)
    try:
        driver.execute("SELECT 1")
        driver.rollback()
    except psycopg.Error:
        return False
    return True


def _close(conn: Connection) -> None:
    with suppress(SQLAlchemyError, psycopg.Error):
        if not conn.invalidated:
            conn.invalidate()
        conn.close()

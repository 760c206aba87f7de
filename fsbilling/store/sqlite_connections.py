"""SQLite's connections: any number that read, and one that writes.

SQLite's calls block the process, so a greenlet that waited inside SQLite for another greenlet's
write would wait for ever: writers queue in Python instead, for the only write connection, and
wait for other processes by sleeping (`_begin_immediate`).
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

MAX_RETRY_WAIT_S = 0.05


class SqliteConnections:
    """A pool of read-only connections, and a pool of one that is the write lock."""

    dialect = "sqlite"

    def __init__(self, url: URL, pool_size: int, timeout_ms: int) -> None:
        self._timeout_s = timeout_ms / 1000
        self.reader = self._engine(url, pool_size)
        self.writer = self._engine(url, 1)
        shared = ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL")
        _on_connect(self.reader, *shared, "query_only=ON")
        _on_connect(self.writer, *shared, "busy_timeout=0")

        @event.listens_for(self.reader, "begin")
        def _begin(conn: Connection) -> None:
            conn.exec_driver_sql("BEGIN")

        @event.listens_for(self.writer, "begin")
        def _begin_write(conn: Connection) -> None:
            _begin_immediate(conn, self._timeout_s)

    def write(self) -> AbstractContextManager[Connection]:
        """BEGIN IMMEDIATE; one writer at a time."""
        return self.writer.begin()

    def read(self) -> AbstractContextManager[Connection]:
        """All it reads is of one moment."""
        return self.reader.begin()

    def apart(self) -> Connection:
        """Open a connection of its own, each statement its own transaction."""
        conn = self.writer.execution_options(isolation_level="AUTOCOMMIT").connect()
        conn.detach()
        return conn

    def fill(self) -> None:
        """Open none ahead: a file is there at once."""

    def close(self) -> None:
        """Close what is not in use."""
        self.reader.dispose()
        self.writer.dispose()

    def _engine(self, url: URL, size: int) -> Engine:
        return create_engine(
            url.set(drivername="sqlite+pysqlite"),
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self._timeout_s,
            # We say BEGIN ourselves: sqlite3 would say it too late, and not IMMEDIATE.
            connect_args={"isolation_level": None, "timeout": self._timeout_s},
        )


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

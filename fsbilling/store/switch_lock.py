"""Which daemon works for a switch: whoever holds the switch's lock, and nobody else.

PostgreSQL: an advisory lock, held by a connection of its own. The server gives it to another
as soon as that connection ends, or has said nothing for `SILENCE_MS` by the server's clock: a
daemon that is stopped, or cut off, loses it like one that is dead. SQLite: a lock on a file
beside the database, which the kernel gives back when the process ends.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, TextClause, text

from fsbilling.errors import StoreError
from fsbilling.store.engine import BOUND_S, Database

SILENCE_MS = 2_500
"""The holder must say something within this time, or it has lost the lock."""

_ON_DUTY = 0x66736264
_STANDING_BY = 0x66736273
"""The first half of the locks' keys; the second is the switch."""

_IDLE_SESSION_TIMEOUT_SINCE = 140_000
_KEEP_ALIVE = (
    "SET tcp_keepalives_idle = 1",
    "SET tcp_keepalives_interval = 1",
    "SET tcp_keepalives_count = 2",
)
_TAKE = text("SELECT pg_try_advisory_lock(:kind, :switch)")
_GIVE_BACK = text("SELECT pg_advisory_unlock(:kind, :switch)")
_STAND_BY = text("SELECT pg_try_advisory_lock_shared(:kind, :switch)")
_STAND_BY_NO_MORE = text("SELECT pg_advisory_unlock_shared(:kind, :switch)")
_IS_AWAITED = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND classid = CAST(:kind AS bigint) AND objid = ANY(CAST(:switches AS bigint[])) "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


class SwitchLock(Protocol):
    """All of a daemon's switches, taken together or not at all."""

    def take(self) -> bool:
        """Try to take it; False while another daemon has one of the switches. Raises StoreError."""

    def confirm(self) -> bool:
        """Make sure that it is held still; True when another daemon waits for it.

        Raises StoreError when it was lost, or when nobody can say.
        """

    def release(self) -> None:
        """Let another have it."""


def switch_lock(db: Database, switches: Iterable[str]) -> SwitchLock:
    """Give the kind of lock that goes with the database."""
    if db.path is not None:
        return FileLock(db.path, switches)
    return PostgresLock(db, switches)


class PostgresLock:
    """Advisory locks in PostgreSQL, one a switch, on a connection held open."""

    def __init__(self, db: Database, switches: Iterable[str]) -> None:
        self._db = db
        self._keys = sorted({_key(name) for name in switches})
        self._conn: Connection | None = None
        self._is_standing_by = False

    def take(self) -> bool:
        """Try each; with one refused, give the others back and be seen to wait."""
        with self._connection() as conn:
            taken = [key for key in self._keys if self._ask(conn, _TAKE, _ON_DUTY, key)]
            if taken == self._keys:
                if self._is_standing_by:
                    self._ask_all(conn, _STAND_BY_NO_MORE, self._keys)
                self._is_standing_by = False
                return True
            for key in taken:
                self._ask(conn, _GIVE_BACK, _ON_DUTY, key)
            if not self._is_standing_by:
                self._ask_all(conn, _STAND_BY, self._keys)
            self._is_standing_by = True
            return False

    def confirm(self) -> bool:
        """Say something: that the connection answers means that the lock was never lost."""
        if self._conn is None:
            raise StoreError("the connection that held the switch's lock is lost")
        with self._connection() as conn:
            switches = [key % 2**32 for key in self._keys]
            awaited = conn.execute(_IS_AWAITED, {"kind": _STANDING_BY, "switches": switches})
            return bool(awaited.scalar_one())

    def release(self) -> None:
        """Close the connection: the server frees what it held."""
        conn, self._conn, self._is_standing_by = self._conn, None, False
        if conn is not None:
            with suppress(StoreError), self._db.store_errors():
                conn.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """The connection, opened if there is none, and given up after any fault."""
        try:
            with self._db.bound(BOUND_S), self._db.store_errors():
                if self._conn is None:
                    self._conn = self._db.apart()
                    _let_server_watch(self._conn)
                yield self._conn
        except BaseException:
            self.release()
            raise

    def _ask_all(self, conn: Connection, question: TextClause, keys: Iterable[int]) -> None:
        for key in keys:
            self._ask(conn, question, _STANDING_BY, key)

    @staticmethod
    def _ask(conn: Connection, question: TextClause, kind: int, key: int) -> bool:
        return bool(conn.execute(question, {"kind": kind, "switch": key}).scalar_one())


class FileLock:
    """Locked files beside an SQLite database, one a switch."""

    def __init__(self, database: Path, switches: Iterable[str]) -> None:
        self._paths = [Path(f"{database}.{name}.lock") for name in sorted(set(switches))]
        self._files: list[int] = []

    def take(self) -> bool:
        """Lock each file; with one refused, let go of the others."""
        try:
            for path in self._paths:
                self._files.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                fcntl.flock(self._files[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        except OSError as fault:
            self.release()
            raise StoreError(f"{fault.filename}: {fault.strerror}") from fault
        return True

    def confirm(self) -> bool:
        """A process that lives cannot lose it. Others on this machine wait unseen."""
        return False

    def release(self) -> None:
        """Close the files. They stay: a name taken away could be locked twice."""
        while self._files:
            os.close(self._files.pop())


def _let_server_watch(conn: Connection) -> None:
    version = int(conn.exec_driver_sql("SHOW server_version_num").scalar_one())
    if version >= _IDLE_SESSION_TIMEOUT_SINCE:
        conn.exec_driver_sql(f"SET idle_session_timeout = {SILENCE_MS}")
    for setting in _KEEP_ALIVE:
        conn.exec_driver_sql(setting)


def _key(switch: str) -> int:
    """32 signed bits that stand for a switch."""
    return int.from_bytes(zlib.crc32(switch.encode()).to_bytes(4), signed=True)

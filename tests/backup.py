"""A backup of a database, put back later under the same roof."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy import delete

from fsbilling.store.schema import metadata


class Backup:
    """What was in SQL at one moment, to be put back later."""

    def __init__(self, db):
        self._db = db
        with db.read() as conn:
            self._rows = {
                table: [row._asdict() for row in conn.execute(table.select())]
                for table in metadata.sorted_tables
            }

    def restore(self):
        with self._db.write() as conn, unguarded(conn):
            for table in reversed(metadata.sorted_tables):
                conn.execute(delete(table))
            for table, rows in self._rows.items():
                if rows:
                    conn.execute(table.insert(), rows)


@contextmanager
def unguarded(conn):
    """Without the triggers that keep the ledger append-only: a restored backup asks none."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
        yield
        return
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    triggers = list(conn.exec_driver_sql(query))
    for name, _ in triggers:
        conn.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, sql in triggers:
        conn.exec_driver_sql(sql)

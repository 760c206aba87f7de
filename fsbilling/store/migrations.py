"""Bring a database to the schema of this version, or say why it cannot be used.

The migration scripts are `alembic/` at the top of a checkout, and `fsbilling/_data/alembic` in
an installed wheel.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

import fsbilling
from fsbilling.errors import SchemaError
from fsbilling.store.engine import Database

UPGRADE_TIMEOUT_MS = 60_000
"""Longer than a call may wait for SQL: a migration may rewrite tables."""

MONTHS_AHEAD = 12
"""Months of call records that an upgrade makes room for, besides this one."""

_UPGRADE_LOCK = 0x66736269
"""Two upgrades of one PostgreSQL database at a time take turns; the number is `fsbi`."""

# Months of China, as `cdr_provide_month` has them.
_MAKE_MONTHS = text("""
    SELECT cdr_provide_month((1000000 * extract(
        epoch FROM date_trunc('month', now() AT TIME ZONE interval '8 hours')
                 + make_interval(months => n, hours => -8)
    ))::bigint)
    FROM generate_series(0, :ahead) AS n
""")
_PARTITION = re.compile(r"cdr_(\d{4}_\d\d(_late)?|before_2020|from_2100)")


class SchemaStatus(msgspec.Struct, frozen=True):
    """What the database has, and what this version has.

    Attributes:
        current: The database's revision; None when it is empty.
        head: The newest revision of this version.
        known: Whether this version knows `current` (an empty database is known).
    """

    current: str | None
    head: str
    known: bool


def upgrade(url: str) -> None:
    """Bring the database to this version's schema, in one transaction; what is in it stays.

    On PostgreSQL the coming months of call records get their partitions, by the server's clock.

    Raises SchemaError when it was made by a newer version, StoreError when SQL fails.
    """
    db = Database.open(url, statement_timeout_ms=UPGRADE_TIMEOUT_MS)
    try:
        with db.write() as conn:
            if db.dialect == "postgresql":
                conn.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
            if not (found := _status(conn)).known:
                raise SchemaError(_sentence(found))
            config = _config()
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
            _make_months(conn)
    finally:
        db.close()


def status(url: str) -> SchemaStatus:
    """Compare a database with this version. Raises StoreError when SQL fails."""
    db = Database.open(url)
    try:
        with db.read() as conn:
            return _status(conn)
    finally:
        db.close()


def check(db: Database) -> None:
    """Refuse a database that is empty, older, or of a newer version, with SchemaError."""
    with db.read() as conn:
        found = _status(conn)
    if found.current != found.head:
        raise SchemaError(_sentence(found))


def scripts() -> Path:
    """The folder of the migration scripts."""
    package = Path(fsbilling.__file__).parent
    installed = package / "_data" / "alembic"
    return installed if installed.is_dir() else package.parent / "alembic"


def is_partition(table: str | None) -> bool:
    """Tell by its name whether a table is one month of `cdr`, which no script creates."""
    return table is not None and _PARTITION.fullmatch(table) is not None


def _make_months(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(_MAKE_MONTHS, {"ahead": MONTHS_AHEAD})


def _config() -> Config:
    config = Config()
    # Alembic reads this like a line of an ini file, in which a percent sign is special.
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    return config


def _status(conn: Connection) -> SchemaStatus:
    directory = ScriptDirectory.from_config(_config())
    head = directory.get_current_head()
    current = MigrationContext.configure(conn).get_current_revision()
    return SchemaStatus(current, str(head), current is None or _is_known(directory, current))


def _is_known(directory: ScriptDirectory, revision: str) -> bool:
    try:
        return directory.get_revision(revision) is not None
    except CommandError:
        return False


def _sentence(found: SchemaStatus) -> str:
    if found.current is None:
        return "the database is empty; run: fsbilling db upgrade"
    if found.known:
        return (
            f"the database has schema {found.current} and this version needs {found.head}; "
            "run: fsbilling db upgrade"
        )
    return (
        f"the database has schema {found.current}, which this version does not know; "
        "install the fsbilling that made it, or a newer one"
    )

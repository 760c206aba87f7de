"""Every table, once, for SQLite and PostgreSQL.

Money is in micro-units (`_micros`), time in microseconds since the epoch (`_us`), lengths in
seconds (`_s`), as everywhere in this package. Text has no length limit: SQLite would ignore it,
and PostgreSQL would refuse a CDR over it. The database of a running system is made by the
migrations (`alembic/`); a test compares the two.
"""

from fsbilling.store.schema.accounts import (
    account,
    account_tariff,
    entry,
    hold,
    spending,
    usage,
)
from fsbilling.store.schema.cdrs import cdr, cdr_key, cdr_revision
from fsbilling.store.schema.columns import metadata
from fsbilling.store.schema.directory import line, number, region, region_source
from fsbilling.store.schema.tariffs import rate, tariff, tariff_version

__all__ = [
    "account",
    "account_tariff",
    "cdr",
    "cdr_key",
    "cdr_revision",
    "entry",
    "hold",
    "line",
    "metadata",
    "number",
    "rate",
    "region",
    "region_source",
    "spending",
    "tariff",
    "tariff_version",
    "usage",
]

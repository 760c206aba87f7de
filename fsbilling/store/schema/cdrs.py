"""The records of calls, and the prices they had before."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from fsbilling.store.schema.columns import BIG, big, metadata, string, whole


def _party(side: str) -> list[Column[str]]:
    """The columns of who calls or who is called."""
    return [
        string(f"{side}_{field}")
        for field in ("dialled", "kind", "digits", "area_code", "city", "province")
    ]


def _price() -> list[Column[Any]]:
    """The columns that a correction changes."""
    return [
        big("billed_s"),
        big("included_s"),
        big("charge_micros"),
        big("waived_micros"),
        string("tariff"),
        whole("tariff_version"),
        big("rate_id"),
        big("price_micros_per_min"),
        string("explanation"),
    ]


# Every leg that has a record, and where it is. PostgreSQL keeps the records of each month in a
# partition, and a unique key of a partitioned table would have to have its month in it. Rows stay
# when a month is archived.
cdr_key = Table(
    "cdr_key",
    metadata,
    Column("id", BIG, primary_key=True),
    string("switch"),
    string("uuid"),
    big("created_us"),
    Column("refused", Boolean, nullable=False),
    # DESIGN rule 4: once. The UUID first: people ask by it alone.
    UniqueConstraint("uuid", "switch"),
)

cdr = Table(
    "cdr",
    metadata,
    big("id"),
    string("account"),
    string("service"),
    string("direction"),
    *_party("caller"),
    *_party("callee"),
    *_party("rated_caller"),
    big("created_us"),
    big("progress_us"),
    big("answered_us"),
    big("ended_us"),
    string("end_source"),
    big("duration_us"),
    *_price(),
    string("refusal"),
    string("hangup_cause"),
    string("sip_cause"),
    string("hung_up_by"),
    string("switch"),
    string("uuid"),
    string("core_uuid"),
    string("last_leg_uuid"),
    string("rated_callee_kind"),
    string("month"),
    big("used_s"),
    big("used_calls"),
    whole("revision"),
    PrimaryKeyConstraint("id", "created_us"),
    Index(None, "account", "created_us"),
    Index(None, "account", "tariff", "month"),
    Index(None, "created_us"),
    Index(None, "uuid"),
    postgresql_partition_by="RANGE (created_us)",
)

# A price that a call once had. Its row is the right to correct: whoever inserts it posts the
# entries, in the same transaction.
cdr_revision = Table(
    "cdr_revision",
    metadata,
    Column("switch", Text, primary_key=True),
    Column("uuid", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    *_price(),
    big("replaced_us"),
    ForeignKeyConstraint(["switch", "uuid"], ["cdr_key.switch", "cdr_key.uuid"]),
)

"""What a second costs: tariffs, their versions, their rates."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, UniqueConstraint

from fsbilling.store.schema.columns import BIG, big, metadata, string, whole

tariff = Table(
    "tariff",
    metadata,
    Column("name", Text, primary_key=True),
    big("created_us"),
)

tariff_version = Table(
    "tariff_version",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("tariff", Text, ForeignKey("tariff.name"), nullable=False),
    whole("version"),
    big("valid_from_us"),
    whole("row_count"),
    string("source"),
    big("imported_us"),
    # As JSON: read with the rates, and only then.
    string("plan"),
    UniqueConstraint("tariff", "version"),
    Index(None, "tariff", "valid_from_us"),
)

rate = Table(
    "rate",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("version_id", BIG, ForeignKey("tariff_version.id"), nullable=False, index=True),
    string("origin"),
    string("destination"),
    string("callee_kind"),
    string("relation"),
    string("band"),
    whole("level_from"),
    big("rate_micros_per_min"),
    big("rate_micros_per_hour"),
    big("connect_fee_micros"),
    big("per_call_micros"),
    whole("first_increment_s"),
    whole("next_increment_s"),
    whole("grace_s"),
    big("min_charge_micros"),
    big("max_charge_micros"),
    Column("in_package", Boolean, nullable=False),
    string("note"),
)

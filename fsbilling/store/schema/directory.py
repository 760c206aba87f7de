"""Whose a number or a line is, and where numbers are from."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, SmallInteger, Table, Text, text

from fsbilling.store.schema.columns import account_id, big, metadata, string, whole

number = Table(
    "number",
    metadata,
    Column("number", Text, primary_key=True),
    account_id(),
    string("target"),
)

line = Table(
    "line",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    account_id(),
)

region = Table(
    "region",
    metadata,
    Column("prefix", Text, primary_key=True),
    string("area_code"),
    string("city"),
    string("province"),
)

region_source = Table(
    "region_source",
    metadata,
    # One row: where the regions in force came from.
    Column("one", SmallInteger, primary_key=True, autoincrement=False, server_default=text("1")),
    string("source"),
    string("as_of"),
    big("imported_us"),
    whole("landline_rows"),
    whole("mobile_rows"),
    CheckConstraint("one = 1", name="one"),
)

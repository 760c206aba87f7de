"""Every table, once, for SQLite and PostgreSQL.

Money is in micro-units (`_micros`), time in microseconds since the epoch (`_us`), lengths in
seconds (`_s`), as everywhere in this package. Text has no length limit: SQLite would ignore it,
and PostgreSQL would refuse a CDR over it. The database of a running system is made by the
migrations (`alembic/`); a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

BIG = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both; SQLite numbers rows by itself only in a column called INTEGER."""

_ASKED_FOR = text("kind IN ('topup', 'adjustment')")


def _big(name: str) -> Column[int]:
    return Column(name, BIG, nullable=False)


def _int(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _optional(name: str) -> Column[int]:
    return Column(name, BIG, nullable=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _account_id() -> Column[int]:
    return Column("account_id", BIG, ForeignKey("account.id"), nullable=False)


tariff = Table(
    "tariff",
    metadata,
    Column("name", Text, primary_key=True),
    _big("created_us"),
)

tariff_version = Table(
    "tariff_version",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("tariff", Text, ForeignKey("tariff.name"), nullable=False),
    _int("version"),
    _big("valid_from_us"),
    _int("row_count"),
    _text("source"),
    _big("imported_us"),
    # As JSON: read with the rates, and only then.
    _text("plan"),
    UniqueConstraint("tariff", "version"),
    Index(None, "tariff", "valid_from_us"),
)

rate = Table(
    "rate",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("version_id", BIG, ForeignKey("tariff_version.id"), nullable=False, index=True),
    _text("origin"),
    _text("destination"),
    _text("callee_kind"),
    _text("relation"),
    _text("band"),
    _int("level_from"),
    _big("rate_micros_per_min"),
    _big("rate_micros_per_hour"),
    _big("connect_fee_micros"),
    _big("per_call_micros"),
    _int("first_increment_s"),
    _int("next_increment_s"),
    _int("grace_s"),
    _big("min_charge_micros"),
    _big("max_charge_micros"),
    Column("in_package", Boolean, nullable=False),
    _text("note"),
)

account = Table(
    "account",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    _text("mode"),
    _text("currency"),
    _big("balance_micros"),
    _big("credit_limit_micros"),
    _big("held_micros"),
    Column("suspended", Boolean, nullable=False),
    _big("last_seq"),
    _text("last_hash"),
    _big("created_us"),
    _big("revision"),
    _big("live_calls"),
    _big("throttle_us"),
    _optional("max_calls"),
    _optional("max_cps"),
    _optional("max_call_s"),
    _optional("daily_cap_micros"),
    _optional("monthly_cap_micros"),
    _text("time_zone"),
    CheckConstraint("mode IN ('prepaid', 'postpaid')", name="mode"),
    # DESIGN rule 1, kept by the database itself, whatever the code above it does.
    CheckConstraint("balance_micros + credit_limit_micros - held_micros >= 0", name="no_overspend"),
    CheckConstraint("held_micros >= 0", name="held"),
    CheckConstraint("live_calls >= 0", name="live_calls"),
    CheckConstraint(
        "credit_limit_micros >= 0 AND (mode = 'postpaid' OR credit_limit_micros = 0)",
        name="credit_limit",
    ),
)

account_tariff = Table(
    "account_tariff",
    metadata,
    Column("account_id", BIG, ForeignKey("account.id"), primary_key=True),
    Column("service", Text, primary_key=True),
    Column("tariff", Text, ForeignKey("tariff.name"), nullable=False),
)

spending = Table(
    "spending",
    metadata,
    Column("account_id", BIG, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("period", Text, primary_key=True),
    _big("used_micros"),
)

usage = Table(
    "usage",
    metadata,
    Column("account_id", BIG, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("tariff", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    _big("billed_s"),
    _big("calls"),
    _big("package_s"),
    _big("included_s"),
    _big("included_held_s"),
    CheckConstraint("included_s >= 0 AND included_held_s >= 0", name="included"),
    # As with credit: no second of a package is given away twice.
    CheckConstraint("included_s + included_held_s <= package_s", name="no_overuse"),
)

entry = Table(
    "entry",
    metadata,
    Column("account_id", BIG, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("seq", BIG, primary_key=True, autoincrement=False),
    _text("kind"),
    _big("amount_micros"),
    _big("balance_after_micros"),
    _text("ref"),
    _text("note"),
    _big("at_us"),
    _text("prev_hash"),
    _text("hash"),
    # What a person asked for twice by one reference happens once.
    Index(
        "uq_entry_ref",
        "account_id",
        "kind",
        "ref",
        unique=True,
        sqlite_where=_ASKED_FOR,
        postgresql_where=_ASKED_FOR,
    ),
)

hold = Table(
    "hold",
    metadata,
    Column("switch", Text, primary_key=True),
    Column("uuid", Text, primary_key=True),
    Column("account_id", BIG, ForeignKey("account.id"), nullable=False, index=True),
    _big("amount_micros"),
    _int("granted_s"),
    _text("tariff"),
    _text("month"),
    _int("included_s"),
    _text("leg_uuid"),
    _big("authorised_us"),
    _big("answered_us"),
    _big("seen_us"),
    _int("timer_seq"),
    _text("call"),
    _text("terms"),
    CheckConstraint("amount_micros >= 0", name="amount"),
    CheckConstraint("included_s >= 0", name="included"),
)


def _party(side: str) -> list[Column[str]]:
    """The columns of who calls or who is called."""
    return [
        _text(f"{side}_{field}")
        for field in ("dialled", "kind", "digits", "area_code", "city", "province")
    ]


def _price() -> list[Column[Any]]:
    """The columns that a correction changes."""
    return [
        _big("billed_s"),
        _big("included_s"),
        _big("charge_micros"),
        _big("waived_micros"),
        _text("tariff"),
        _int("tariff_version"),
        _big("rate_id"),
        _big("price_micros_per_min"),
        _text("explanation"),
    ]


cdr = Table(
    "cdr",
    metadata,
    Column("id", BIG, primary_key=True),
    _text("account"),
    _text("service"),
    _text("direction"),
    *_party("caller"),
    *_party("callee"),
    *_party("rated_caller"),
    _big("created_us"),
    _big("progress_us"),
    _big("answered_us"),
    _big("ended_us"),
    _text("end_source"),
    _big("duration_us"),
    *_price(),
    _text("refusal"),
    _text("hangup_cause"),
    _text("sip_cause"),
    _text("hung_up_by"),
    _text("switch"),
    _text("uuid"),
    _text("core_uuid"),
    _text("last_leg_uuid"),
    _text("rated_callee_kind"),
    _text("month"),
    _big("used_s"),
    _big("used_calls"),
    _int("revision"),
    # DESIGN rule 4: once.
    UniqueConstraint("switch", "uuid"),
    Index(None, "account", "created_us"),
    Index(None, "account", "tariff", "month"),
    Index(None, "created_us"),
    Index(None, "uuid"),
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
    _big("replaced_us"),
    ForeignKeyConstraint(["switch", "uuid"], ["cdr.switch", "cdr.uuid"]),
)

number = Table(
    "number",
    metadata,
    Column("number", Text, primary_key=True),
    _account_id(),
    _text("target"),
)

line = Table(
    "line",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    _account_id(),
)

region = Table(
    "region",
    metadata,
    Column("prefix", Text, primary_key=True),
    _text("area_code"),
    _text("city"),
    _text("province"),
)

region_source = Table(
    "region_source",
    metadata,
    # One row: where the regions in force came from.
    Column("one", SmallInteger, primary_key=True, autoincrement=False, server_default=text("1")),
    _text("source"),
    _text("as_of"),
    _big("imported_us"),
    _int("landline_rows"),
    _int("mobile_rows"),
    CheckConstraint("one = 1", name="one"),
)

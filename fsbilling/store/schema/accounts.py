"""Who pays, and what is posted to it, set aside for its live calls, and used up."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Table, Text, text

from fsbilling.store.schema.columns import BIG, big, metadata, optional, string, whole

_ASKED_FOR = text("kind IN ('topup', 'adjustment')")

account = Table(
    "account",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    string("mode"),
    string("currency"),
    big("balance_micros"),
    big("credit_limit_micros"),
    big("held_micros"),
    Column("suspended", Boolean, nullable=False),
    big("last_seq"),
    string("last_hash"),
    big("created_us"),
    big("revision"),
    big("live_calls"),
    big("throttle_us"),
    optional("max_calls"),
    optional("max_cps"),
    optional("max_call_s"),
    optional("daily_cap_micros"),
    optional("monthly_cap_micros"),
    optional("outage_limit_micros"),
    string("time_zone"),
    big("overdraft_micros"),
    CheckConstraint("mode IN ('prepaid', 'postpaid')", name="mode"),
    # DESIGN rule 1, kept by the database itself, whatever the code above it does.
    CheckConstraint(
        "balance_micros + credit_limit_micros + overdraft_micros - held_micros >= 0",
        name="no_overspend",
    ),
    CheckConstraint("overdraft_micros >= 0", name="overdraft"),
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
    big("used_micros"),
)

usage = Table(
    "usage",
    metadata,
    Column("account_id", BIG, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("tariff", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    big("billed_s"),
    big("calls"),
    big("package_s"),
    big("included_s"),
    big("included_held_s"),
    CheckConstraint("included_s >= 0 AND included_held_s >= 0", name="included"),
    # As with credit: no second of a package is given away twice.
    CheckConstraint("included_s + included_held_s <= package_s", name="no_overuse"),
)

entry = Table(
    "entry",
    metadata,
    Column("account_id", BIG, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("seq", BIG, primary_key=True, autoincrement=False),
    string("kind"),
    big("amount_micros"),
    big("balance_after_micros"),
    string("ref"),
    string("note"),
    big("at_us"),
    string("prev_hash"),
    string("hash"),
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
    big("amount_micros"),
    whole("granted_s"),
    string("tariff"),
    string("month"),
    whole("included_s"),
    string("leg_uuid"),
    big("authorised_us"),
    big("answered_us"),
    big("seen_us"),
    whole("timer_seq"),
    string("call"),
    string("terms"),
    CheckConstraint("amount_micros >= 0", name="amount"),
    CheckConstraint("included_s >= 0", name="included"),
)

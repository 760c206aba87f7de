"""The first tables: accounts, usage, ledger, holds, CDRs, tariffs, numbers, lines, regions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ASKED_FOR = sa.text("kind IN ('topup', 'adjustment')")


def upgrade() -> None:
    _tariffs()
    _accounts()
    _usage()
    _ledger()
    _holds()
    _cdrs()
    _directory()
    _regions()


def _big(*names: str) -> list[sa.Column]:
    return [sa.Column(name, BIG, nullable=False) for name in names]


def _int(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def _optional(*names: str) -> list[sa.Column]:
    return [sa.Column(name, BIG, nullable=True) for name in names]


def _text(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _account_id(**options: bool) -> sa.Column:
    return sa.Column("account_id", BIG, sa.ForeignKey("account.id"), nullable=False, **options)


def _tariffs() -> None:
    op.create_table(
        "tariff",
        sa.Column("name", sa.Text(), primary_key=True),
        *_big("created_us"),
    )
    op.create_table(
        "tariff_version",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("tariff", sa.Text(), sa.ForeignKey("tariff.name"), nullable=False),
        *_int("version"),
        *_big("valid_from_us"),
        *_int("row_count"),
        *_text("source"),
        *_big("imported_us"),
        *_text("plan"),
        sa.UniqueConstraint("tariff", "version"),
    )
    op.create_index(None, "tariff_version", ["tariff", "valid_from_us"])
    op.create_table(
        "rate",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("version_id", BIG, sa.ForeignKey("tariff_version.id"), nullable=False),
        *_text("origin", "destination", "callee_kind", "relation", "band"),
        *_int("level_from"),
        *_big("rate_micros_per_min", "rate_micros_per_hour"),
        *_big("connect_fee_micros", "per_call_micros"),
        *_int("first_increment_s", "next_increment_s", "grace_s"),
        *_big("min_charge_micros", "max_charge_micros"),
        sa.Column("in_package", sa.Boolean(), nullable=False),
        *_text("note"),
    )
    op.create_index(None, "rate", ["version_id"])


def _accounts() -> None:
    op.create_table(
        "account",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("code", sa.Text(), nullable=False),
        *_text("mode", "currency"),
        *_big("balance_micros", "credit_limit_micros", "held_micros"),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        *_big("last_seq"),
        *_text("last_hash"),
        *_big("created_us", "revision", "live_calls", "throttle_us"),
        *_optional("max_calls", "max_cps", "max_call_s", "daily_cap_micros", "monthly_cap_micros"),
        *_optional("outage_limit_micros"),
        *_text("time_zone"),
        *_big("overdraft_micros"),
        sa.UniqueConstraint("code"),
        sa.CheckConstraint("mode IN ('prepaid', 'postpaid')", name="mode"),
        sa.CheckConstraint(
            "balance_micros + credit_limit_micros + overdraft_micros - held_micros >= 0",
            name="no_overspend",
        ),
        sa.CheckConstraint("overdraft_micros >= 0", name="overdraft"),
        sa.CheckConstraint("held_micros >= 0", name="held"),
        sa.CheckConstraint("live_calls >= 0", name="live_calls"),
        sa.CheckConstraint(
            "credit_limit_micros >= 0 AND (mode = 'postpaid' OR credit_limit_micros = 0)",
            name="credit_limit",
        ),
    )
    op.create_table(
        "account_tariff",
        _account_id(primary_key=True),
        sa.Column("service", sa.Text(), primary_key=True),
        sa.Column("tariff", sa.Text(), sa.ForeignKey("tariff.name"), nullable=False),
    )

    op.create_table(
        "spending",
        _account_id(primary_key=True, autoincrement=False),
        sa.Column("period", sa.Text(), primary_key=True),
        *_big("used_micros"),
    )


def _usage() -> None:
    op.create_table(
        "usage",
        _account_id(primary_key=True, autoincrement=False),
        sa.Column("tariff", sa.Text(), primary_key=True),
        sa.Column("month", sa.Text(), primary_key=True),
        *_big("billed_s", "calls", "package_s", "included_s", "included_held_s"),
        sa.CheckConstraint("included_s >= 0 AND included_held_s >= 0", name="included"),
        sa.CheckConstraint("included_s + included_held_s <= package_s", name="no_overuse"),
    )


def _ledger() -> None:
    op.create_table(
        "entry",
        _account_id(primary_key=True, autoincrement=False),
        sa.Column("seq", BIG, primary_key=True, autoincrement=False),
        *_text("kind"),
        *_big("amount_micros", "balance_after_micros"),
        *_text("ref", "note"),
        *_big("at_us"),
        *_text("prev_hash", "hash"),
    )
    op.create_index(
        "uq_entry_ref",
        "entry",
        ["account_id", "kind", "ref"],
        unique=True,
        sqlite_where=ASKED_FOR,
        postgresql_where=ASKED_FOR,
    )
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


APPEND_ONLY = {
    "sqlite": [
        f"""
        CREATE TRIGGER entry_no_{change.lower()} BEFORE {change} ON entry
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
        """
        for change in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        """
        CREATE FUNCTION entry_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$
        """,
        """
        CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
        FOR EACH STATEMENT EXECUTE FUNCTION entry_append_only()
        """,
    ],
}


def _holds() -> None:
    op.create_table(
        "hold",
        sa.Column("switch", sa.Text(), primary_key=True),
        sa.Column("uuid", sa.Text(), primary_key=True),
        _account_id(),
        *_big("amount_micros"),
        *_int("granted_s"),
        *_text("tariff", "month"),
        *_int("included_s"),
        *_text("leg_uuid"),
        *_big("authorised_us", "answered_us", "seen_us"),
        *_int("timer_seq"),
        *_text("call", "terms"),
        sa.CheckConstraint("amount_micros >= 0", name="amount"),
        sa.CheckConstraint("included_s >= 0", name="included"),
    )
    op.create_index(None, "hold", ["account_id"])


def _party(side: str) -> list[sa.Column]:
    fields = ("dialled", "kind", "digits", "area_code", "city", "province")
    return _text(*(f"{side}_{field}" for field in fields))


def _cdrs() -> None:
    op.create_table(
        "cdr_key",
        sa.Column("id", BIG, primary_key=True),
        *_text("switch", "uuid"),
        *_big("created_us"),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("uuid", "switch"),
    )
    op.create_table(
        "cdr",
        *_big("id"),
        *_text("account", "service", "direction"),
        *_party("caller"),
        *_party("callee"),
        *_party("rated_caller"),
        *_big("created_us", "progress_us", "answered_us", "ended_us"),
        *_text("end_source"),
        *_big("duration_us", "billed_s", "included_s", "charge_micros", "waived_micros"),
        *_text("tariff"),
        *_int("tariff_version"),
        *_big("rate_id", "price_micros_per_min"),
        *_text("explanation", "refusal", "hangup_cause", "sip_cause", "hung_up_by"),
        *_text("switch", "uuid", "core_uuid", "last_leg_uuid"),
        *_text("rated_callee_kind", "month"),
        *_big("used_s", "used_calls"),
        *_int("revision"),
        sa.PrimaryKeyConstraint("id", "created_us"),
        postgresql_partition_by="RANGE (created_us)",
    )
    op.create_index(None, "cdr", ["account", "created_us"])
    op.create_index(None, "cdr", ["account", "tariff", "month"])
    op.create_index(None, "cdr", ["created_us"])
    op.create_index(None, "cdr", ["uuid"])
    op.create_table(
        "cdr_revision",
        sa.Column("switch", sa.Text(), primary_key=True),
        sa.Column("uuid", sa.Text(), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        *_big("billed_s", "included_s", "charge_micros", "waived_micros"),
        *_text("tariff"),
        *_int("tariff_version"),
        *_big("rate_id", "price_micros_per_min"),
        *_text("explanation"),
        *_big("replaced_us"),
        sa.ForeignKeyConstraint(["switch", "uuid"], ["cdr_key.switch", "cdr_key.uuid"]),
    )
    if op.get_bind().dialect.name == "postgresql":
        for statement in MONTHS:
            op.execute(statement)


FIRST_MONTH_US = 1_577_808_000_000_000
"""The beginning of 2020 in China."""

END_OF_MONTHS_US = 4_102_416_000_000_000
"""The beginning of 2100 in China."""

MONTHS = [
    # No switch's clock, however wrong, makes more than 960 partitions, or has a call refused.
    # Unlike a DEFAULT partition, these are never scanned when a month is attached.
    f"""
    CREATE TABLE cdr_before_2020 PARTITION OF cdr
    FOR VALUES FROM (MINVALUE) TO ({FIRST_MONTH_US})
    """,
    f"""
    CREATE TABLE cdr_from_2100 PARTITION OF cdr
    FOR VALUES FROM ({END_OF_MONTHS_US}) TO (MAXVALUE)
    """,
    """
    CREATE FUNCTION cdr_month(at_us bigint) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN
        RETURN to_char(
            to_timestamp(at_us / 1000000) AT TIME ZONE interval '8 hours', '"cdr_"YYYY_MM'
        );
    END $$
    """,
    # A detached table may have kept the month's name. Every settle asks this: it runs no query.
    f"""
    CREATE FUNCTION cdr_has_month(at_us bigint) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN
        RETURN at_us < {FIRST_MONTH_US} OR at_us >= {END_OF_MONTHS_US}
            OR pg_partition_root(to_regclass(cdr_month(at_us))) IS NOT NULL
            OR pg_partition_root(to_regclass(cdr_month(at_us) || '_late')) IS NOT NULL;
    END $$
    """,
    # As its owner: a daemon's role needs no right to make tables. The lock is the one that ATTACH
    # takes: neither reading nor writing waits for it.
    """
    CREATE FUNCTION cdr_provide_month(at_us bigint) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS
    $$ DECLARE
        name text := cdr_month(at_us);
        month timestamp := to_date(name, '"cdr_"YYYY_MM');
    BEGIN
        LOCK TABLE ONLY cdr IN SHARE UPDATE EXCLUSIVE MODE;
        IF cdr_has_month(at_us) THEN
            RETURN;
        ELSIF to_regclass(name) IS NOT NULL THEN
            name := name || '_late';
        END IF;
        -- The late table of a month may have been detached as well.
        WHILE to_regclass(name) IS NOT NULL LOOP
            EXECUTE format(
                'ALTER TABLE %I RENAME TO %I',
                name,
                name || to_char(clock_timestamp(), '"_"YYYYMMDDHH24MISSUS')
            );
        END LOOP;
        EXECUTE format('CREATE TABLE %I (LIKE cdr INCLUDING ALL)', name);
        EXECUTE format(
            'ALTER TABLE cdr ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            name,
            1000000 * extract(epoch FROM month - interval '8 hours')::bigint,
            1000000 * extract(epoch FROM month + interval '1 month' - interval '8 hours')::bigint
        );
    END $$
    """,
    """
    CREATE FUNCTION cdr_key_needs_month() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        PERFORM cdr_provide_month(NEW.created_us);
        RETURN NULL;
    END $$
    """,
    # After the key, not before: a leg that has its record already makes no month.
    """
    CREATE TRIGGER cdr_key_needs_month AFTER INSERT ON cdr_key
    FOR EACH ROW WHEN (NOT cdr_has_month(NEW.created_us)) EXECUTE FUNCTION cdr_key_needs_month()
    """,
]


def _directory() -> None:
    op.create_table(
        "number",
        sa.Column("number", sa.Text(), primary_key=True),
        _account_id(),
        *_text("target"),
    )
    op.create_table(
        "line",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), primary_key=True),
        _account_id(),
    )


def _regions() -> None:
    op.create_table(
        "region",
        sa.Column("prefix", sa.Text(), primary_key=True),
        *_text("area_code", "city", "province"),
    )
    op.create_table(
        "region_source",
        sa.Column(
            "one",
            sa.SmallInteger(),
            primary_key=True,
            autoincrement=False,
            server_default=sa.text("1"),
        ),
        *_text("source", "as_of"),
        *_big("imported_us"),
        *_int("landline_rows", "mobile_rows"),
        sa.CheckConstraint("one = 1", name="one"),
    )

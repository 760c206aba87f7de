"""What all tables are made of: one `metadata`, and the kinds of columns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text

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


def big(name: str) -> Column[int]:
    """64 bits: money, moments, numbers of rows."""
    return Column(name, BIG, nullable=False)


def whole(name: str) -> Column[int]:
    """32 bits: counts and seconds."""
    return Column(name, Integer, nullable=False)


def optional(name: str) -> Column[int]:
    """64 bits, or nothing."""
    return Column(name, BIG, nullable=True)


def string(name: str) -> Column[str]:
    """Text of any length."""
    return Column(name, Text, nullable=False)


def account_id() -> Column[int]:
    """Whose it is."""
    return Column("account_id", BIG, ForeignKey("account.id"), nullable=False)

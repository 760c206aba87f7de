"""What differs between two tables of rates, row by row."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fsbilling.rating.columns import COLUMNS, Column
from fsbilling.rating.rate import Rate

KEY_FIELDS = ("origin", "destination", "callee_kind", "relation", "band", "level_from")
"""Rows of two tables are the same row when these are the same: no table has two of them."""


class RowChange(msgspec.Struct, frozen=True):
    """A row that asks something else than before.

    Attributes:
        before, after: The row in either table.
    """

    before: Rate
    after: Rate

    @property
    def columns(self) -> list[Column]:
        """Give the columns that differ."""
        return [
            column
            for column in COLUMNS
            if getattr(self.before, column.field) != getattr(self.after, column.field)
        ]


class TableDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be done to a table to get another one.

    Attributes:
        added, removed: Rows that only one of the two has.
        changed: Rows that both have, with different terms.
        unchanged: How many are the same in both.
    """

    added: list[Rate]
    removed: list[Rate]
    changed: list[RowChange]
    unchanged: int


def diff(before: Iterable[Rate], after: Iterable[Rate]) -> TableDiff:
    """Compare two tables, each in its own order; the order of rows means nothing."""
    old = {_key(rate): rate for rate in before}
    new = {_key(rate): rate for rate in after}
    pairs = [RowChange(old[key], rate) for key, rate in new.items() if key in old]
    changed = [pair for pair in pairs if pair.columns]
    return TableDiff(
        added=[rate for key, rate in new.items() if key not in old],
        removed=[rate for key, rate in old.items() if key not in new],
        changed=changed,
        unchanged=len(pairs) - len(changed),
    )


def _key(rate: Rate) -> tuple[object, ...]:
    return tuple(getattr(rate, field) for field in KEY_FIELDS)

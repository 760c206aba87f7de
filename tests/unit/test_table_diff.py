"""Two tables compared row by row."""

import msgspec

from fsbilling.billing.table_diff import KEY_FIELDS, diff
from fsbilling.rating.columns import COLUMNS
from fsbilling.rating.rate import Rate

BASE = Rate(rate_micros_per_min=150_000, destination="prefix:86")


def test_every_column_that_is_no_key_makes_a_row_a_changed_one():
    for column in COLUMNS:
        value = getattr(BASE, column.field)
        other = f"{value}x" if isinstance(value, str) else value + 1
        after = msgspec.structs.replace(BASE, **{column.field: other})
        found = diff([BASE], [after])
        if column.field in KEY_FIELDS:
            assert (found.removed, found.added, found.changed) == ([BASE], [after], [])
        else:
            (change,) = found.changed
            assert [each.name for each in change.columns] == [column.name]


def test_neither_ids_nor_the_order_of_rows_are_a_difference():
    other = Rate(rate_micros_per_min=1)
    found = diff([BASE, other], [other, msgspec.structs.replace(BASE, rate_id=7)])
    assert (found.added, found.removed, found.changed, found.unchanged) == ([], [], [], 2)


def test_going_back_gives_the_opposite():
    tables = ([BASE], [Rate(rate_micros_per_min=1), msgspec.structs.replace(BASE, grace_s=3)])
    there, back = diff(*tables), diff(*reversed(tables))
    assert (there.added, there.removed) == (back.removed, back.added)
    assert [(each.before, each.after) for each in there.changed] == [
        (each.after, each.before) for each in back.changed
    ]

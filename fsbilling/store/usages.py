"""Monthly usage in SQL: a tariff's volume and package, shared by all calls of an account.

Whoever changes it has locked the account (`accounts.lock`) in this transaction. Kept at each
commit: `included_held_s` is the sum of the holds', and no more is used and held than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from fsbilling.credit.usage import Usage
from fsbilling.store.batches import in_batches
from fsbilling.store.insert import add_up, insert_once
from fsbilling.store.prepared import Asked, Prepared
from fsbilling.store.schema import account, hold, usage

_KEY_NAMES = ("account_id", "tariff", "month")
_KEY = (
    (usage.c.account_id == bindparam("of_account"))
    & (usage.c.tariff == bindparam("of_tariff"))
    & (usage.c.month == bindparam("of_month"))
)
_FIND = Prepared(select(usage).where(_KEY))
_OF_CODE = Prepared(
    select(usage)
    .join(account, account.c.id == usage.c.account_id)
    .where(
        account.c.code == bindparam("of_code"),
        usage.c.tariff == bindparam("of_tariff"),
        usage.c.month == bindparam("of_month"),
    )
)
_FREE = select(
    usage.c.account_id,
    usage.c.tariff,
    usage.c.month,
    (usage.c.package_s - usage.c.included_s - usage.c.included_held_s).label("free_s"),
).where(
    usage.c.account_id.in_(bindparam("account_ids", expanding=True)),
    usage.c.month.in_(bindparam("months", expanding=True)),
    usage.c.package_s > 0,
)
_OPEN = Prepared(update(usage).where(_KEY).values(package_s=bindparam("size_s")))
_CHANGE_HELD = Prepared(
    update(usage).where(_KEY).values(included_held_s=usage.c.included_held_s + bindparam("delta_s"))
)
_COUNTED = ("billed_s", "calls", "included_s")
_COUNT = Prepared(
    update(usage)
    .where(_KEY)
    .values({name: usage.c[name] + bindparam(f"more_{name}") for name in _COUNTED})
)


def find(conn: Connection, account_id: int, tariff: str, month: str) -> Usage:
    """The usage of a month; all zero when no call was counted or held for in it."""
    return found(_FIND.rows(conn, _key(account_id, tariff, month)), tariff, month)


def finding(code: str, tariff: str, month: str) -> Asked:
    """Say what `find` asks, for `together`, by the account's code."""
    return _OF_CODE, {"of_code": code, "of_tariff": tariff, "of_month": month}


def found(rows: Sequence[Row[Any]], tariff: str, month: str) -> Usage:
    """Give what that answers."""
    return _usage(rows[0]) if rows else Usage(tariff=tariff, month=month)


def of_account(conn: Connection, account_id: int) -> list[Usage]:
    """Every month of an account, the latest first."""
    query = select(usage).where(usage.c.account_id == account_id)
    rows = conn.execute(query.order_by(usage.c.month.desc(), usage.c.tariff))
    return [_usage(row) for row in rows]


def included_free(
    conn: Connection, account_ids: Iterable[int], months: Iterable[str]
) -> dict[tuple[int, str, str], int]:
    """What packages have left in these months, by account, tariff and month."""
    of_months = list(months)
    free_s: dict[tuple[int, str, str], int] = {}
    for some_ids in in_batches(account_ids):
        for row in conn.execute(_FREE, {"account_ids": some_ids, "months": of_months}):
            free_s[row.account_id, row.tariff, row.month] = row.free_s
    return free_s


def open_package(conn: Connection, account_id: int, tariff: str, month: str, size_s: int) -> Usage:
    """Give the usage of a month whose package is of this size from now on.

    A package that is made smaller than what is used and held of it is used up.
    """
    before = find(conn, account_id, tariff, month)
    opened = before.with_package(size_s)
    if opened.package_s != before.package_s:
        _add(conn, account_id, tariff, month)
        _OPEN.later(conn, _key(account_id, tariff, month) | {"size_s": opened.package_s})
    return opened


def change_held(conn: Connection, account_id: int, tariff: str, month: str, delta_s: int) -> None:
    """Add to the package's seconds that are held (subtract, when negative).

    The transaction fails, by the table's own check, rather than hold more than there are.
    """
    _CHANGE_HELD.later(conn, _key(account_id, tariff, month) | {"delta_s": delta_s})


def count_call(
    conn: Connection, account_id: int, tariff: str, month: str, *, billed_s: int, included_s: int
) -> None:
    """Count one billed call that has ended; its hold has been given back before."""
    recount(conn, account_id, tariff, month, billed_s=billed_s, calls=1, included_s=included_s)


def recount(
    conn: Connection,
    account_id: int,
    tariff: str,
    month: str,
    *,
    billed_s: int,
    calls: int,
    included_s: int,
) -> None:
    """Count so much more (less, when negative)."""
    more = {"billed_s": billed_s, "calls": calls, "included_s": included_s}
    if not any(more.values()):
        return
    if not included_s:
        row = _new(account_id, tariff, month) | more
        add_up(conn, usage, row, key=_KEY_NAMES, add=("billed_s", "calls"))
        return
    # The table declines seconds of a package in a row that has none yet, even to add them up.
    counted = _key(account_id, tariff, month)
    counted |= {f"more_{name}": number for name, number in more.items()}
    if _COUNT.change(conn, counted) == 0:
        _add(conn, account_id, tariff, month)
        _COUNT.change(conn, counted)


def misheld(conn: Connection, account_id: int) -> list[tuple[str, str, int, int]]:
    """Give each month whose held seconds are not the sum of its holds: tariff, month, both."""
    sums = select(hold.c.tariff, hold.c.month, func.sum(hold.c.included_s))
    sums = sums.where(hold.c.account_id == account_id).group_by(hold.c.tariff, hold.c.month)
    holds_s = {(tariff, month): int(held_s) for tariff, month, held_s in conn.execute(sums)}
    held_s = {
        (used.tariff, used.month): used.included_held_s for used in of_account(conn, account_id)
    }
    return [
        (*key, held_s.get(key, 0), holds_s.get(key, 0))
        for key in sorted(held_s.keys() | holds_s.keys())
        if held_s.get(key, 0) != holds_s.get(key, 0)
    ]


def _add(conn: Connection, account_id: int, tariff: str, month: str) -> None:
    insert_once(conn, usage, _new(account_id, tariff, month))


def _new(account_id: int, tariff: str, month: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("billed_s", "calls", "package_s", "included_s", "included_held_s"), 0)
    return dict(zip(_KEY_NAMES, (account_id, tariff, month), strict=True)) | nothing


def _key(account_id: int, tariff: str, month: str) -> dict[str, Any]:
    return {"of_account": account_id, "of_tariff": tariff, "of_month": month}


def _usage(row: Row[Any]) -> Usage:
    return Usage(
        tariff=row.tariff,
        month=row.month,
        billed_s=row.billed_s,
        calls=row.calls,
        package_s=row.package_s,
        included_s=row.included_s,
        included_held_s=row.included_held_s,
    )

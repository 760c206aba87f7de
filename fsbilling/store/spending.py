"""What a capped account's calls have cost, by the day and the month they began in.

Kept at each commit, under the account's lock: `used_micros` is the charges and the holds of the
calls that began in the period. Only accounts with a cap have rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, select, update

from fsbilling.credit.account import Account
from fsbilling.credit.limits import Periods, period_start_us, periods
from fsbilling.ledger.entry import EntryKind
from fsbilling.ledger.level_ref import LEVEL_REF
from fsbilling.store import holds
from fsbilling.store.batches import in_batches
from fsbilling.store.insert import insert_once
from fsbilling.store.prepared import Prepared
from fsbilling.store.schema import cdr, entry, spending

_USED = Prepared(
    select(spending.c.period, spending.c.used_micros).where(
        spending.c.account_id == bindparam("of_account"),
        spending.c.period.in_([bindparam("of_day"), bindparam("of_month")]),
    )
)
_USED_BY = select(spending).where(
    spending.c.account_id.in_(bindparam("account_ids", expanding=True)),
    spending.c.period.in_(bindparam("of_periods", expanding=True)),
)
_ADD = Prepared(
    update(spending)
    .where(
        spending.c.account_id == bindparam("of_account"),
        spending.c.period == bindparam("of_period"),
    )
    .values(used_micros=spending.c.used_micros + bindparam("delta_micros", type_=BigInteger))
)


def open_periods(conn: Connection, account_id: int, of: Periods) -> None:
    """Begin to count a day and a month, unless they are counted already."""
    for period in (of.day, of.month):
        insert_once(conn, spending, {"account_id": account_id, "period": period, "used_micros": 0})


def used(conn: Connection, account_id: int, of: Periods) -> dict[str, int]:
    """What is used, by period; a period without an entry is not counted."""
    rows = _USED.rows(conn, {"of_account": account_id, "of_day": of.day, "of_month": of.month})
    return {row.period: row.used_micros for row in rows}


def used_by(conn: Connection, counted: Mapping[int, Collection[str]]) -> dict[int, dict[str, int]]:
    """What accounts have used in these periods of theirs, by account and period."""
    found: dict[int, dict[str, int]] = {account_id: {} for account_id in counted}
    all_periods = sorted({period for periods in counted.values() for period in periods})
    for some_ids in in_batches(counted):
        asked = {"account_ids": some_ids, "of_periods": all_periods}
        for row in conn.execute(_USED_BY, asked):
            found[row.account_id][row.period] = row.used_micros
    return found


def add(conn: Connection, account_id: int, of: Sequence[str], delta_micros: int) -> None:
    """Add to what is used (subtract, when negative) in those periods that are counted."""
    for period in of:
        added = {"of_account": account_id, "of_period": period, "delta_micros": delta_micros}
        _ADD.later(conn, added)


def recount(conn: Connection, payer: Account, at_us: int) -> None:
    """Count the present day and month anew, from records and holds: a cap was just set."""
    now = periods(payer.limits, at_us)
    live = holds.live(conn, account=payer.code)
    conn.execute(delete(spending).where(spending.c.account_id == payer.account_id))
    for period in (now.day, now.month):
        since_us = period_start_us(payer.limits, period)
        begun = [hold.amount_micros for hold in live if hold.call.created_us >= since_us]
        row = {
            "account_id": payer.account_id,
            "period": period,
            "used_micros": _charged(conn, payer.code, since_us) + sum(begun),
        }
        insert_once(conn, spending, row)
    add(conn, payer.account_id, (now.month,), _adjusted(conn, payer.account_id, now.month))


def _charged(conn: Connection, code: str, since_us: int) -> int:
    query = select(func.coalesce(func.sum(cdr.c.charge_micros), 0)).where(
        cdr.c.account == code, cdr.c.created_us >= since_us
    )
    return int(conn.execute(query).scalar_one())


def _adjusted(conn: Connection, account_id: int, month: str) -> int:
    """Add up what reaching levels has changed for the month's calls."""
    query = select(func.coalesce(func.sum(-entry.c.amount_micros), 0)).where(
        entry.c.account_id == account_id,
        entry.c.kind == EntryKind.ADJUSTMENT,
        entry.c.ref.startswith(LEVEL_REF),
        entry.c.ref.contains(f"/{month}/v", autoescape=True),
    )
    return int(conn.execute(query).scalar_one())

"""Holds in SQL: the credit set aside for each live call.

Kept at each commit: `account.held_micros` is the sum of the account's holds, and
`usage.included_held_s` the sum of those that count for its tariff and month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, delete, select, update

from fsbilling.calls.call import Call
from fsbilling.errors import StoreError
from fsbilling.store import accounts, usages
from fsbilling.store.batches import in_batches
from fsbilling.store.cdr_keys import HAS_RECORD
from fsbilling.store.hold_rows import Hold, Locked, Outline, hold_of, row_of
from fsbilling.store.insert import insert_once, insertion
from fsbilling.store.prepared import Asked, Prepared, together
from fsbilling.store.schema import account, hold

OUTLINES_AT_ONCE = 500

_KEY = (hold.c.switch == bindparam("of_switch")) & (hold.c.uuid == bindparam("of_uuid"))
_BY_KEY = select(hold).where(_KEY)
_FIND = Prepared(_BY_KEY)
# In this order, so that two transactions never wait for each other.
_LOCK = Prepared(_BY_KEY.join(account).with_for_update(of=[account, hold]))
_TAKE = Prepared(delete(hold).where(_KEY).returning(hold))


def _placing() -> Update:
    """The hold and what it sets aside by one statement, as only PostgreSQL can."""
    names = tuple(hold.c.keys())
    placed = insertion("postgresql", hold, names, HAS_RECORD).returning(*hold.c).cte("placed")
    return (
        update(account)
        .where(account.c.id == placed.c.account_id)
        .values(
            held_micros=account.c.held_micros + placed.c.amount_micros,
            live_calls=account.c.live_calls + 1,
        )
    )


_PLACE = Prepared(_placing())


def place(conn: Connection, new: Hold, *, is_last: bool = False) -> bool:
    """Set credit aside for a new call; False, and nothing changed, when it cannot be one.

    It has a hold then, or it is over and has its record: a leg is paid for once (DESIGN rule 4).

    The caller has locked the account in this transaction (`accounts.lock`), seen that the
    amount is free, and opened the package that it takes from (`usages.open_package`). Raises
    StoreError, by the tables' own checks, rather than break DESIGN rule 1. With `is_last` nothing
    but reading follows, and the hold may be committed when this returns.
    """
    row = row_of(new)
    if conn.dialect.name == "postgresql":
        if is_last and not new.included_s:
            return _PLACE.change_last(conn, row) == 1
        placed = _PLACE.change(conn, row) == 1
    else:
        placed = insert_once(conn, hold, row, unless=HAS_RECORD)
        if placed:
            accounts.change_held(conn, new.account_id, new.amount_micros, delta_calls=1)
    if placed:
        _change_package(conn, new, new.included_s)
    return placed


def find(conn: Connection, switch: str, uuid: str) -> Hold | None:
    """The hold of one call."""
    return _one(_FIND.first(conn, _key(switch, uuid)))


def held_on(conn: Connection, uuid: str) -> list[str]:
    """Name the switches on which a call of this UUID has a hold."""
    return list(conn.execute(select(hold.c.switch).where(hold.c.uuid == uuid)).scalars())


def renew(
    conn: Connection,
    switch: str,
    uuid: str,
    *,
    amount_micros: int,
    included_s: int,
    granted_s: int,
    timer_seq: int,
    seen_us: int,
    held: Hold | None = None,
) -> int:
    """Change what is set aside, and adjust account and package by the difference.

    `held` is the hold as `lock` gave it in this transaction; without it, it is locked here.
    Gives the difference in money. Raises StoreError when the call has no hold (any more), or when
    its timer is past `timer_seq`, so that another daemon has it: the seconds must not be granted
    (DESIGN rule 2).
    """
    held = held or _one(_LOCK.first(conn, _key(switch, uuid)))
    if held is None:
        raise StoreError(f"call {uuid} on {switch} has no hold to renew")
    if held.timer_seq > timer_seq:
        raise StoreError(f"call {uuid} on {switch} was renewed by another daemon")
    changed = {
        "amount_micros": amount_micros,
        "included_s": included_s,
        "granted_s": granted_s,
        "timer_seq": timer_seq,
        "seen_us": seen_us,
    }
    _update(tuple(changed)).later(conn, _key(switch, uuid) | changed)
    _change_package(conn, held, included_s - held.included_s)
    delta_micros = amount_micros - held.amount_micros
    if delta_micros:
        accounts.change_held(conn, held.account_id, delta_micros)
    return delta_micros


def lock(conn: Connection, call: Call, tariff: str) -> Locked:
    """Lock the account that pays, and then a call's hold; see what the call's month has used."""
    payers, held, used = together(
        conn,
        accounts.locking(call.account),
        (_LOCK, _key(*call.key)),
        usages.finding(call.account, tariff, call.month),
    )
    return Locked(
        accounts.locked(payers),
        _one(held[0]) if held else None,
        usages.found(used, tariff, call.month),
    )


def answered(
    conn: Connection,
    switch: str,
    uuid: str,
    answered_us: int,
    seen_us: int,
    *,
    is_last: bool = False,
) -> bool:
    """Note when the call was answered; False when it has no hold. `is_last`: as of `place`."""
    noted = {"answered_us": answered_us, "seen_us": seen_us}
    update = _update(tuple(noted))
    change = update.change_last if is_last else update.change
    return change(conn, _key(switch, uuid) | noted) == 1


def follow(conn: Connection, switch: str, uuid: str, leg_uuid: str, seen_us: int) -> bool:
    """Note that the call lives on in another channel; False when it has no hold."""
    noted = {"leg_uuid": leg_uuid, "seen_us": seen_us}
    return _update(tuple(noted)).change(conn, _key(switch, uuid) | noted) == 1


def remove(conn: Connection, switch: str, uuid: str) -> Hold | None:
    """Give credit and package back; the hold as it was, or None when there is none (any more).

    The caller has locked the account in this transaction (`accounts.lock`).
    """
    return removed(conn, _TAKE.rows(conn, _key(switch, uuid)))


def removing(switch: str, uuid: str) -> Asked:
    """Say what `remove` asks, for `together`."""
    return _TAKE, _key(switch, uuid)


def removed(conn: Connection, rows: Sequence[Row[Any]]) -> Hold | None:
    """Give back what the hold of that answer had set aside."""
    held = _one(rows[0]) if rows else None
    if held is not None:
        accounts.change_held(conn, held.account_id, -held.amount_micros, delta_calls=-1)
        _change_package(conn, held, -held.included_s)
    return held


def live(conn: Connection, *, switch: str | None = None, account: str | None = None) -> list[Hold]:
    """Every hold, oldest first; of one switch or of one account (by code) when given."""
    query = select(hold).order_by(hold.c.authorised_us, hold.c.uuid)
    if switch is not None:
        query = query.where(hold.c.switch == switch)
    if account is not None:
        payer = accounts.find(conn, account)
        query = query.where(hold.c.account_id == (payer.account_id if payer else 0))
    return [hold_of(row) for row in conn.execute(query)]


def outlines(conn: Connection, switch: str) -> Iterator[Outline]:
    """Give the outline of each hold of a switch, oldest first.

    Fetched a batch at a time, so that a caller may pause in between; all are of one moment.
    """
    query = select(hold.c.uuid, hold.c.leg_uuid).where(hold.c.switch == switch)
    query = query.order_by(hold.c.authorised_us, hold.c.uuid)
    rows = conn.execute(query.execution_options(yield_per=OUTLINES_AT_ONCE))
    for batch in rows.partitions():
        for row in batch:
            yield Outline(*row)


def among(conn: Connection, switch: str, uuids: Iterable[str]) -> list[Hold]:
    """Give the holds that some calls of a switch have, oldest first."""
    found: list[Hold] = []
    for some in in_batches(uuids):
        query = select(hold).where(hold.c.switch == switch, hold.c.uuid.in_(some))
        found += [hold_of(row) for row in conn.execute(query)]
    return sorted(found, key=lambda each: (each.authorised_us, each.call.uuid))


def _change_package(conn: Connection, held: Hold, delta_s: int) -> None:
    if delta_s:
        usages.change_held(conn, held.account_id, held.terms.tariff, held.call.month, delta_s)


@cache
def _update(columns: tuple[str, ...]) -> Prepared:
    return Prepared(update(hold).where(_KEY).values({name: bindparam(name) for name in columns}))


def _key(switch: str, uuid: str) -> dict[str, Any]:
    return {"of_switch": switch, "of_uuid": uuid}


def _one(row: Row[Any] | None) -> Hold | None:
    return None if row is None else hold_of(row)

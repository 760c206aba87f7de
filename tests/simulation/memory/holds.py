"""Twin of `fsbilling.store.holds`."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from fsbilling.calls.call import Call
from fsbilling.errors import StoreError
from fsbilling.store.hold_rows import Hold, Locked, Outline

from . import accounts, cdr_keys, usages
from .books import Transaction, check


def place(conn: Transaction, new: Hold, *, is_last: bool = False) -> bool:
    key = (new.call.switch, new.call.uuid)
    if key in conn.books.holds or cdr_keys.is_settled(conn, *key):
        return False
    _keep(conn, new)
    accounts.change_held(conn, new.account_id, new.amount_micros, delta_calls=1)
    _change_package(conn, new, new.included_s)
    return True


def find(conn: Transaction, switch: str, uuid: str) -> Hold | None:
    return conn.books.holds.get((switch, uuid))


def renew(
    conn: Transaction,
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
    held = held or _lock(conn, switch, uuid)
    if held is None:
        raise StoreError(f"call {uuid} on {switch} has no hold to renew")
    if held.timer_seq > timer_seq:
        raise StoreError(f"call {uuid} on {switch} was renewed by another daemon")
    renewed = replace(
        held,
        amount_micros=amount_micros,
        included_s=included_s,
        granted_s=granted_s,
        timer_seq=timer_seq,
        seen_us=seen_us,
    )
    _keep(conn, renewed)
    delta_micros = amount_micros - held.amount_micros
    if delta_micros:
        accounts.change_held(conn, held.account_id, delta_micros)
    _change_package(conn, held, included_s - held.included_s)
    return delta_micros


def lock(conn: Transaction, call: Call, tariff: str) -> Locked:
    account = accounts.lock(conn, call.account)
    held = _lock(conn, *call.key)
    account_id = account.account_id if account else 0
    return Locked(account, held, usages.find(conn, account_id, tariff, call.month))


def answered(
    conn: Transaction,
    switch: str,
    uuid: str,
    answered_us: int,
    seen_us: int,
    *,
    is_last: bool = False,
) -> bool:
    held = find(conn, switch, uuid)
    if held is not None:
        _keep(conn, replace(held, answered_us=answered_us, seen_us=seen_us))
    return held is not None


def follow(conn: Transaction, switch: str, uuid: str, leg_uuid: str, seen_us: int) -> bool:
    held = find(conn, switch, uuid)
    if held is not None:
        _keep(conn, replace(held, leg_uuid=leg_uuid, seen_us=seen_us))
    return held is not None


def remove(conn: Transaction, switch: str, uuid: str) -> Hold | None:
    held = _lock(conn, switch, uuid)
    if held is not None:
        conn.drop(conn.books.holds, (switch, uuid))
        accounts.change_held(conn, held.account_id, -held.amount_micros, delta_calls=-1)
        _change_package(conn, held, -held.included_s)
    return held


def live(conn: Transaction, *, switch: str | None = None, account: str | None = None) -> list[Hold]:
    found = [
        hold
        for hold in conn.books.holds.values()
        if switch in (None, hold.call.switch) and account in (None, hold.call.account)
    ]
    return sorted(found, key=lambda hold: (hold.authorised_us, hold.call.uuid))


def outlines(conn: Transaction, switch: str) -> list[Outline]:
    return [Outline(hold.call.uuid, hold.leg_uuid) for hold in live(conn, switch=switch)]


def among(conn: Transaction, switch: str, uuids: Iterable[str]) -> list[Hold]:
    wanted = set(uuids)
    return [hold for hold in live(conn, switch=switch) if hold.call.uuid in wanted]


def _lock(conn: Transaction, switch: str, uuid: str) -> Hold | None:
    held = find(conn, switch, uuid)
    if held is not None:
        conn.lock(held.account_id)
    return held


def _keep(conn: Transaction, hold: Hold) -> None:
    check(hold.amount_micros >= 0, "amount")
    check(hold.included_s >= 0, "included")
    conn.put(conn.books.holds, (hold.call.switch, hold.call.uuid), hold)


def _change_package(conn: Transaction, held: Hold, delta_s: int) -> None:
    if delta_s:
        usages.change_held(conn, held.account_id, held.terms.tariff, held.call.month, delta_s)

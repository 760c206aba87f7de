"""Twin of `fsbilling.store.usages`."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from fsbilling.credit.usage import Usage

from .books import Transaction, check


def find(conn: Transaction, account_id: int, tariff: str, month: str) -> Usage:
    used = conn.books.usages.get((account_id, tariff, month))
    return Usage(tariff=tariff, month=month) if used is None else used


def included_free(
    conn: Transaction, account_ids: Iterable[int], months: Iterable[str]
) -> dict[tuple[int, str, str], int]:
    of, within = set(account_ids), set(months)
    if not of:
        return {}
    return {
        key: used.included_free_s
        for key, used in conn.books.usages.items()
        if key[0] in of and key[2] in within and used.package_s > 0
    }


def open_package(conn: Transaction, account_id: int, tariff: str, month: str, size_s: int) -> Usage:
    before = find(conn, account_id, tariff, month)
    opened = before.with_package(size_s)
    if opened.package_s != before.package_s:
        _keep(conn, account_id, opened)
    return opened


def change_held(conn: Transaction, account_id: int, tariff: str, month: str, delta_s: int) -> None:
    used = conn.books.usages.get((account_id, tariff, month))
    if used is not None:
        _keep(conn, account_id, replace(used, included_held_s=used.included_held_s + delta_s))


def count_call(
    conn: Transaction, account_id: int, tariff: str, month: str, *, billed_s: int, included_s: int
) -> None:
    used = find(conn, account_id, tariff, month)
    counted = replace(
        used,
        billed_s=used.billed_s + billed_s,
        calls=used.calls + 1,
        included_s=used.included_s + included_s,
    )
    _keep(conn, account_id, counted)


def recount(
    conn: Transaction,
    account_id: int,
    tariff: str,
    month: str,
    *,
    billed_s: int,
    calls: int,
    included_s: int,
) -> None:
    if not (billed_s or calls or included_s):
        return
    used = find(conn, account_id, tariff, month)
    counted = replace(
        used,
        billed_s=used.billed_s + billed_s,
        calls=used.calls + calls,
        included_s=used.included_s + included_s,
    )
    _keep(conn, account_id, counted)


def _keep(conn: Transaction, account_id: int, used: Usage) -> None:
    conn.need_lock(account_id)
    check(used.included_s >= 0 and used.included_held_s >= 0, "included")
    check(used.included_free_s >= 0, "no_overuse")
    conn.put(conn.books.usages, (account_id, used.tariff, used.month), used)

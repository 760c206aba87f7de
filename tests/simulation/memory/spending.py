"""Twin of `fsbilling.store.spending`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fsbilling.credit.limits import Periods

from .books import Transaction


def open_periods(conn: Transaction, account_id: int, of: Periods) -> None:
    for period in (of.day, of.month):
        if (account_id, period) not in conn.books.spending:
            conn.put(conn.books.spending, (account_id, period), 0)


def used(conn: Transaction, account_id: int, of: Periods) -> dict[str, int]:
    found = {period: conn.books.spending.get((account_id, period)) for period in (of.day, of.month)}
    return {period: micros for period, micros in found.items() if micros is not None}


def used_by(conn: Transaction, counted: Mapping[int, Collection[str]]) -> dict[int, dict[str, int]]:
    spending = conn.books.spending
    return {
        account_id: {
            period: spending[account_id, period]
            for period in periods
            if (account_id, period) in spending
        }
        for account_id, periods in counted.items()
    }


def add(conn: Transaction, account_id: int, of: Sequence[str], delta_micros: int) -> None:
    for period in of:
        before = conn.books.spending.get((account_id, period))
        if before is not None:
            conn.put(conn.books.spending, (account_id, period), before + delta_micros)

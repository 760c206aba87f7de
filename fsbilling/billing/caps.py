"""Daily and monthly caps at work, under the account's lock: what is left, and what was used."""

from __future__ import annotations

from sqlalchemy import Connection

from fsbilling.credit.account import Account
from fsbilling.credit.allowance import Allowance, allowance
from fsbilling.credit.limits import Periods, periods
from fsbilling.money import MAX_MICROS
from fsbilling.store import spending

UNCOUNTED = Periods("", "")


def allowed_to(conn: Connection, account: Account, created_us: int) -> Allowance:
    """Say what a call that began at `created_us` may still hold; SQL is asked only for caps."""
    limits = account.limits
    if not limits.is_capped:
        return allowance(account.free_micros, limits, UNCOUNTED, {})
    of = periods(limits, created_us)
    return allowance(account.free_micros, limits, of, spending.used(conn, account.account_id, of))


def caps_left(conn: Connection, account: Account, created_us: int) -> int:
    """Say what the caps alone leave to new calls that begin at `created_us`; never negative.

    A day or a month that is not counted yet begins with the first of them.
    """
    of = periods(account.limits, created_us)
    used = {of.day: 0, of.month: 0} | spending.used(conn, account.account_id, of)
    return max(allowance(MAX_MICROS, account.limits, of, used).free_micros, 0)


def count_new(conn: Connection, account: Account, created_us: int) -> None:
    """Begin to count the day and the month that a new call begins in."""
    if account.limits.is_capped:
        spending.open_periods(conn, account.account_id, periods(account.limits, created_us))


def spend(conn: Connection, account: Account, created_us: int, delta_micros: int) -> None:
    """Count what a call that began at `created_us` holds or costs more now (or less)."""
    if delta_micros and account.limits.is_capped:
        of = periods(account.limits, created_us)
        spending.add(conn, account.account_id, (of.day, of.month), delta_micros)


def month_allows(conn: Connection, account: Account, month: str, more_micros: int = 0) -> Allowance:
    """Say what the calls of a month may still be charged, whatever its days may.

    `more_micros` is what they have been charged besides what is counted.
    """
    of = Periods("", month)
    used = spending.used(conn, account.account_id, of) if account.limits.is_capped else {}
    with_more = {period: micros + more_micros for period, micros in used.items()}
    return allowance(account.free_micros, account.limits, of, with_more)


def spend_in_month(conn: Connection, account: Account, month: str, delta_micros: int) -> None:
    """Count what all calls of a month together cost more now (or less)."""
    if delta_micros and account.limits.is_capped:
        spending.add(conn, account.account_id, (month,), delta_micros)

"""Daily and monthly caps at work, under the account's lock: what is left, and what was used."""

from __future__ import annotations

from sqlalchemy import Connection

from fsbilling.credit.account import Account
from fsbilling.credit.allowance import Allowance, allowance
from fsbilling.credit.limits import Periods, periods
from fsbilling.store import spending

UNCOUNTED = Periods("", "")


def allowed_to(conn: Connection, account: Account, created_us: int) -> Allowance:
    """Say what a call that began at `created_us` may still hold; SQL is asked only for caps."""
    if not account.limits.is_capped:
        return allowance(account, UNCOUNTED, {})
    of = periods(account.limits, created_us)
    return allowance(account, of, spending.used(conn, account.account_id, of))


def count_new(conn: Connection, account: Account, created_us: int) -> None:
    """Begin to count the day and the month that a new call begins in."""
    if account.limits.is_capped:
        spending.open_periods(conn, account.account_id, periods(account.limits, created_us))


def spend(conn: Connection, account: Account, created_us: int, delta_micros: int) -> None:
    """Count what a call that began at `created_us` holds or costs more now (or less)."""
    if delta_micros and account.limits.is_capped:
        of = periods(account.limits, created_us)
        spending.add(conn, account.account_id, of, delta_micros)

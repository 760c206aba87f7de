"""What SQL's rows say of an account: all of it with its tariffs, or how it stands now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, select

from fsbilling.credit.account import Account, Mode, Standing
from fsbilling.credit.limits import Limits
from fsbilling.store.schema import account, account_tariff

FREE = account.c.balance_micros + account.c.credit_limit_micros - account.c.held_micros
"""What is free of an account's credit, in micro-units."""

ACCOUNTS = (
    select(account, account_tariff.c.service, account_tariff.c.tariff)
    .select_from(account.outerjoin(account_tariff))
    .order_by(account.c.code, account_tariff.c.service)
)
"""Every account, in a row for each of its tariffs; in one row when it has none."""

STANDINGS = select(
    account.c.id,
    account.c.code,
    account.c.revision,
    account.c.suspended,
    account.c.live_calls,
    FREE.label("free_micros"),
    *(account.c[name] for name in Limits.__struct_fields__),
)
"""What changes a live call's outlook."""


def accounts_of(rows: Iterable[Row[Any]]) -> list[Account]:
    """Give one Account for all the rows (one a service) that `ACCOUNTS` has of it."""
    found: dict[int, Account] = {}
    for row in rows:
        if row.id not in found:
            found[row.id] = Account(
                account_id=row.id,
                code=row.code,
                mode=Mode(row.mode),
                currency=row.currency,
                balance_micros=row.balance_micros,
                credit_limit_micros=row.credit_limit_micros,
                held_micros=row.held_micros,
                suspended=row.suspended,
                tariffs={},
                created_us=row.created_us,
                revision=row.revision,
                live_calls=row.live_calls,
                throttle_us=row.throttle_us,
                limits=_limits(row),
                overdraft_micros=row.overdraft_micros,
            )
        if row.service is not None:
            found[row.id].tariffs[row.service] = row.tariff
    return list(found.values())


def standing_of(row: Row[Any]) -> Standing:
    """Give what a row of `STANDINGS` says."""
    return Standing(
        account_id=row.id,
        code=row.code,
        revision=row.revision,
        suspended=row.suspended,
        live_calls=row.live_calls,
        free_micros=row.free_micros,
        limits=_limits(row),
    )


def _limits(row: Row[Any]) -> Limits:
    return Limits(**{name: getattr(row, name) for name in Limits.__struct_fields__})

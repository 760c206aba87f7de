"""A call that talked on beyond its hold: SQL is a backup that was restored.

A timer in the switch ends every call with its last paid second (DESIGN rule 3). One that the
switch itself says talked longer was paid for by later holds, which the backup does not know. Only
`reconcile --apply` goes by it: for a daemon it looks like a timer that failed (docs/adr/0018).
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.caps import allowed_to
from fsbilling.billing.month import open_month
from fsbilling.calls.cdr import EndSource
from fsbilling.calls.event import HungUp
from fsbilling.clock import US_PER_S
from fsbilling.rating.tariff import Tariff
from fsbilling.store import accounts
from fsbilling.store.hold_rows import Hold

TIMER_US = 2 * US_PER_S
"""By what the switch's timer may miss the last paid second: one by rule 3, and a slow machine."""


def outlived(hold: Hold, ending: HungUp) -> bool:
    """Tell whether the call talked longer than the switch lets it on this hold."""
    answered_us = hold.answered_us or ending.answered_us
    if not answered_us or ending.source is EndSource.ESTIMATE:
        return False
    return ending.ended_us - answered_us > hold.granted_s * US_PER_S + TIMER_US


def as_renewed(conn: Connection, hold: Hold, tariff: Tariff | None) -> Hold:
    """Give a removed hold with all that the call may have held since: what is free now.

    Credit within the caps, and the package. Never less than it had; never more than the account
    has free once the hold is given back (DESIGN rule 1). The account is locked.
    """
    account = accounts.lock(conn, hold.call.account)
    if account is None:
        return hold
    free_micros = allowed_to(conn, account, hold.call.created_us).free_micros
    included_s = hold.included_s
    if tariff is not None:
        month = open_month(conn, account.account_id, tariff, hold.call.created_us)
        included_s = max(included_s, month.included_free_s)
    return msgspec.structs.replace(
        hold, amount_micros=max(hold.amount_micros, free_micros), included_s=included_s
    )

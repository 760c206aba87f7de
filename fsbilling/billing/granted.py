"""Bring what was granted while SQL was out into SQL: a hold like any other, once."""

from __future__ import annotations

from fsbilling.billing.caps import count_new, spend
from fsbilling.errors import Refused
from fsbilling.store import accounts, cdrs, holds
from fsbilling.store.engine import Database
from fsbilling.store.holds import Hold


def place(db: Database, granted: Hold) -> bool | Refused:
    """Hold credit for a call that began without; False when it has a hold or a CDR already.

    What the account has not free becomes its overdraft, which its outage limit allowed: no call
    of its starts before a top-up has paid it back. Refused: `unknown_payer`. Raises StoreError.
    """
    call = granted.call
    with db.write() as conn:
        account = accounts.lock(conn, call.account)
        if account is None:
            return Refused("unknown_payer", f"account {call.account} is gone")
        if cdrs.is_settled(conn, call.switch, call.uuid):
            return False
        if holds.find(conn, call.switch, call.uuid) is not None:
            return False
        beyond_micros = granted.amount_micros - account.free_micros
        if beyond_micros > account.overdraft_micros:
            accounts.set_overdraft(conn, account.account_id, beyond_micros)
        count_new(conn, account, call.created_us)
        holds.place(conn, granted)
        spend(conn, account, call.created_us, granted.amount_micros)
    return True

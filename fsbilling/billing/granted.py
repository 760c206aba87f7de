"""Bring what was granted while SQL was out into SQL: a hold like any other, once."""

from __future__ import annotations

from fsbilling.billing.caps import count_new, spend
from fsbilling.store import accounts, cdr_keys, holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold


def place(db: Database, granted: Hold) -> bool:
    """Hold credit for a call that began without; False when that is done, or done with, already.

    What the account has not free becomes its overdraft, which its outage limit allowed: no call
    of its starts before a top-up has paid it back. Raises StoreError.
    """
    call = granted.call
    with db.write() as conn:
        account = accounts.lock(conn, call.account)
        if account is None or cdr_keys.is_settled(conn, call.switch, call.uuid):
            return False
        # SQL may have taken a first hold for it just before it went silent.
        held = holds.find(conn, call.switch, call.uuid)
        if held is not None and _covers(held, granted):
            return False
        amount_micros = max(granted.amount_micros, held.amount_micros if held else 0)
        extra_micros = amount_micros - (held.amount_micros if held else 0)
        beyond_micros = extra_micros - account.free_micros
        if beyond_micros > account.overdraft_micros:
            accounts.set_overdraft(conn, account.account_id, beyond_micros)
        if held is None:
            count_new(conn, account, call.created_us)
            holds.place(conn, granted)
        else:
            holds.renew(
                conn,
                call.switch,
                call.uuid,
                amount_micros=amount_micros,
                included_s=held.included_s,
                granted_s=max(granted.granted_s, held.granted_s),
                timer_seq=held.timer_seq,
                seen_us=held.seen_us,
            )
        spend(conn, account, call.created_us, extra_micros)
    return True


def _covers(held: Hold, granted: Hold) -> bool:
    """Tell whether a hold is what this grant became, or pays for as much.

    What it became may have been renewed since, or given back: a journal may be played again.
    """
    is_its_own = held.authorised_us == granted.authorised_us
    return is_its_own or (
        held.amount_micros >= granted.amount_micros and held.granted_s >= granted.granted_s
    )

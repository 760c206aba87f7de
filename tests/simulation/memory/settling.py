"""Twin of `fsbilling.store.settling`."""

from __future__ import annotations

from fsbilling.store.settling import Taken

from . import accounts, holds
from .books import Transaction


def take(conn: Transaction, code: str, switch: str, uuid: str, *, created_us: int) -> Taken | None:
    account = accounts.lock(conn, code)
    hold = holds.remove(conn, switch, uuid) if account else None
    if account is None or hold is None:
        return None
    return Taken(account, hold, None, None)

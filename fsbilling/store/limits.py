"""An account's limits in SQL."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, update

from fsbilling.credit.account import Account
from fsbilling.credit.limits import Limits
from fsbilling.errors import Refused
from fsbilling.money import MAX_MICROS
from fsbilling.store import accounts, spending
from fsbilling.store.schema import account

MAX_COUNT = 1_000_000


def set_limits(conn: Connection, code: str, limits: Limits, *, at_us: int) -> Account | Refused:
    """Put these limits in the place of those before; live calls hear of it at once.

    A first cap, or another time zone, counts the present day and month anew, with all that was
    charged in them before. Refused: `unknown_account`, `bad_limit`.
    """
    found = accounts.lock(conn, code)
    if found is None:
        return accounts.unknown(code)
    refused = _refuse(limits)
    if refused is not None:
        return refused
    values = msgspec.structs.asdict(limits)
    conn.execute(update(account).where(account.c.id == found.account_id).values(**values))
    accounts.revise(conn, found.account_id)
    changed = msgspec.structs.replace(found, limits=limits, revision=found.revision + 1)
    was_counted = found.limits.is_capped and found.limits.time_zone == limits.time_zone
    if limits.is_capped and not was_counted:
        spending.recount(conn, changed, at_us)
    return changed


def _refuse(limits: Limits) -> Refused | None:
    counts = (limits.max_calls, limits.max_cps, limits.max_call_s)
    if not all(count is None or 0 <= count <= MAX_COUNT for count in counts):
        return Refused("bad_limit", f"a limit is a whole number from 0 to {MAX_COUNT}")
    caps = (limits.daily_cap_micros, limits.monthly_cap_micros)
    if not all(cap is None or 0 <= cap <= MAX_MICROS for cap in caps):
        return Refused("bad_limit", "the spending cap is out of range")
    try:
        ZoneInfo(limits.time_zone)
    except (KeyError, ValueError, OSError):
        return Refused(
            "bad_limit", f"there is no time zone {limits.time_zone!r}; write it like Asia/Shanghai"
        )
    return None

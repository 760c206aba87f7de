"""The first slice of a call: what it costs, and whether the account's credit is free for it."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.caps import allowed_to, count_new, spend
from fsbilling.billing.month import open_month
from fsbilling.billing.objection import objection, out_of_credit
from fsbilling.billing.resume import session_of
from fsbilling.billing.tariff_book import terms_of
from fsbilling.calls.call import Call
from fsbilling.calls.pace import Pace
from fsbilling.calls.parties import parties
from fsbilling.calls.session import Session
from fsbilling.credit.account import Account
from fsbilling.credit.slice import first_grant
from fsbilling.credit.throttle import admit
from fsbilling.errors import Refused
from fsbilling.rating.tariff import Tariff
from fsbilling.store import accounts, holds
from fsbilling.store.hold_rows import Hold


class FirstHold(msgspec.Struct, frozen=True):
    """What may be held for a call, not yet in SQL.

    Attributes:
        hold: The credit and package of the first slice.
        session: The call as it starts.
        throttle_us: Until when the account's calls per second are used up, this one included.
    """

    hold: Hold
    session: Session
    throttle_us: int

    def place(self, conn: Connection, account: Account) -> bool:
        """Hold it; False, and nothing changed, when the call has a hold or a record already."""
        is_throttled = self.throttle_us != account.throttle_us
        is_last = not account.limits.is_capped and not is_throttled
        if not holds.place(conn, self.hold, is_last=is_last):
            return False
        spend(conn, account, self.hold.call.created_us, self.hold.amount_micros)
        if is_throttled:
            accounts.set_throttle(conn, account.account_id, self.throttle_us)
        return True


def first_hold(
    conn: Connection,
    call: Call,
    account: Account,
    tariff: Tariff,
    *,
    pace: Pace,
    slice_s: int,
    talks_since_us: int,
    now_us: int,
) -> FirstHold | Refused:
    """Price a call at the volume its month has now, and see what may be held for it.

    The account is locked. Refused: `no_rate`, `too_fast`, and what `objection` refuses.
    """
    used = open_month(conn, account.account_id, tariff, now_us)
    terms = terms_of(tariff, *parties(call), now_us, used.volume)
    if isinstance(terms, Refused):
        return terms
    count_new(conn, account, call.created_us)
    allowed = allowed_to(conn, account, call.created_us)
    refused = objection(account, allowed, terms, now_us, used.included_free_s)
    if refused is not None:
        return refused
    longest_s = account.limits.max_call_s
    grant = first_grant(
        terms,
        now_us=now_us,
        since_us=call.created_us,
        free_micros=allowed.free_micros,
        live_calls=account.live_calls + 1,
        slice_s=slice_s,
        included_free_s=used.included_free_s,
        longest_s=longest_s,
    )
    if not grant.granted_s:
        return out_of_credit(account, allowed)
    throttle_us = _throttle(account, now_us)
    if isinstance(throttle_us, Refused):
        return throttle_us
    hold = Hold(
        call=msgspec.structs.replace(
            call, month=used.month, used_s=used.billed_s, used_calls=used.calls
        ),
        terms=terms,
        account_id=account.account_id,
        included_s=grant.included_s,
        amount_micros=grant.held_micros,
        granted_s=grant.granted_s,
        leg_uuid=call.uuid,
        authorised_us=now_us,
        answered_us=talks_since_us,
        # The switch's own time: ours may be another.
        seen_us=max(call.created_us, talks_since_us),
        timer_seq=0,
    )
    session = msgspec.structs.replace(
        session_of(hold, pace),
        reserve_s=grant.reserve_s,
        bound=allowed.bound_of(grant.granted_s, longest_s),
    )
    return FirstHold(hold, session, throttle_us)


def _throttle(account: Account, now_us: int) -> int | Refused:
    """Say until when the account's calls per second are used up then; Refused: `too_fast`."""
    max_cps = account.limits.max_cps
    if max_cps is None:
        return account.throttle_us
    throttle_us = admit(account.throttle_us, now_us, max_cps)
    if throttle_us is None:
        return Refused(
            "too_fast",
            f"account {account.code} may start {max_cps} calls a second; "
            f"fsbilling account set {account.code} --max-cps",
        )
    return throttle_us

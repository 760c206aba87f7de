"""May this call start? Price it, hold the credit, and only then say yes (DESIGN rule 2)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.attempt import Attempt, call_of
from fsbilling.billing.caps import allowed_to, count_new, spend
from fsbilling.billing.month import open_month
from fsbilling.billing.objection import objection, out_of_credit, tariff_of
from fsbilling.billing.payer import Payer, find_payer
from fsbilling.billing.resume import session_of
from fsbilling.billing.tariff_book import TariffBook, terms_of
from fsbilling.billing.unrecorded import Unrecorded
from fsbilling.calls.call import SERVICE_400, Call
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.pace import Pace
from fsbilling.calls.parties import parties
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import refused_cdr
from fsbilling.clock import Clock
from fsbilling.credit.account import Account
from fsbilling.credit.slice import first_grant
from fsbilling.credit.throttle import admit
from fsbilling.errors import Refused, StoreError
from fsbilling.numbering.region_table import RegionTable
from fsbilling.rating.tariff import Tariff
from fsbilling.store import accounts, cdr_keys, cdrs, holds
from fsbilling.store.engine import Database

REFUSAL_CAUSES = {
    "outage_limit": "OUTGOING_CALL_BARRED",
    "no_credit": "OUTGOING_CALL_BARRED",
    "suspended": "OUTGOING_CALL_BARRED",
    "daily_cap": "OUTGOING_CALL_BARRED",
    "monthly_cap": "OUTGOING_CALL_BARRED",
    "too_many_calls": "NORMAL_CIRCUIT_CONGESTION",
    "too_fast": "NORMAL_CIRCUIT_CONGESTION",
    "busy": "SWITCH_CONGESTION",
    "unavailable": "NORMAL_TEMPORARY_FAILURE",
    "bad_number": "INVALID_NUMBER_FORMAT",
    "unknown_number": "UNALLOCATED_NUMBER",
    "no_tariff": "NO_ROUTE_DESTINATION",
    "no_rate": "NO_ROUTE_DESTINATION",
    "journal_full": "NORMAL_TEMPORARY_FAILURE",
}
"""The hang-up cause of a refusal, by its reason: Q.850 names as FreeSWITCH spells them."""

OTHER_REFUSAL_CAUSE = "CALL_REJECTED"


class Authorised(msgspec.Struct, frozen=True):
    """A call that may start.

    Attributes:
        session: What is to be metered; None when the call it is part of is metered already.
        target: For a 400 number, where it goes.
    """

    session: Session | None
    target: str


class Authoriser:
    """Decides on call attempts against the payer's credit."""

    def __init__(
        self,
        db: Database,
        book: TariffBook,
        *,
        clock: Clock,
        pace: Pace,
        first_slice_s: int,
        unrecorded: Unrecorded,
        gate: Callable[[], Refused | None] = lambda: None,
        regions: RegionTable | None = None,
    ) -> None:
        self._gate = gate
        self._unrecorded = unrecorded
        self._db = db
        self._book = book
        self._clock = clock
        self._pace = pace
        self._first_slice_s = first_slice_s
        self.regions = regions or RegionTable()

    def adjust(self, pace: Pace, first_slice_s: int) -> None:
        """Use other leads and another first slice for calls from now on."""
        self._pace = pace
        self._first_slice_s = first_slice_s

    def authorise(self, attempt: Attempt) -> Authorised | Refused:
        """Hold credit for the first slice, or refuse and leave a CDR that says why.

        Asking again for a channel that already has a payer answers with what stands: a channel
        carries at most one payer. Raises StoreError when SQL does not answer.
        """
        closed = self._gate()
        if closed is not None:
            return self._turn_away(attempt, closed)
        with self._db.read() as conn:
            payer = find_payer(conn, attempt)
        if isinstance(payer, Refused):
            return self._refuse(attempt, "", payer)
        if payer.paid_call is not None:
            if attempt.service == SERVICE_400:
                return Authorised(None, payer.target)
            # A transferred leg shows the number it was dialled as, not who pays for the call.
            attempt = msgspec.structs.replace(attempt, caller=payer.paid_call.caller)
        tariff = self._tariff(attempt, payer)
        if isinstance(tariff, Refused):
            return self._refuse(attempt, payer.account.code, tariff)
        with self._db.write() as conn:
            verdict = self._hold(conn, attempt, payer, tariff)
        if isinstance(verdict, Refused):
            return self._refuse(attempt, payer.account.code, verdict)
        return verdict

    def _tariff(self, attempt: Attempt, payer: Payer) -> Tariff | Refused:
        """Name the tariff before the account is locked: it may have to be read first."""
        name = tariff_of(payer.account, attempt.service)
        if isinstance(name, Refused):
            return name
        return self._book.tariff_at(name, self._clock.now_us())

    def _hold(
        self, conn: Connection, attempt: Attempt, payer: Payer, tariff: Tariff
    ) -> Authorised | Refused:
        held = holds.find(conn, attempt.switch, attempt.uuid)
        if held is not None:
            return self._standing(attempt, payer, held)
        if cdr_keys.is_settled(conn, attempt.switch, attempt.uuid):
            # A Call-ID or an originate may choose the UUID; a second call has no CDR to go to.
            return Refused("uuid_used", f"a call with UUID {attempt.uuid} was billed before")
        account = accounts.lock(conn, payer.account.code)
        if account is None:
            return Refused("unknown_payer", f"account {payer.account.code} is gone")
        call = self.call_of(attempt, account.code, payer.target)
        granted = self._first_hold(conn, call, account, tariff, attempt.talks_since_us)
        if isinstance(granted, Refused):
            return granted
        hold, session = granted
        if not holds.place(conn, hold):
            # The same channel asked twice at once, and the other answer was first.
            raise StoreError(f"call {attempt.uuid} is being authorised already")
        spend(conn, account, call.created_us, hold.amount_micros)
        return Authorised(session, payer.target)

    def _first_hold(
        self,
        conn: Connection,
        call: Call,
        account: Account,
        tariff: Tariff,
        talks_since_us: int,
    ) -> tuple[holds.Hold, Session] | Refused:
        """Price the call at the volume its month has now, and see what may be held for it."""
        now_us = self._clock.now_us()
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
            free_micros=allowed.free_micros,
            live_calls=account.live_calls + 1,
            slice_s=self._first_slice_s,
            included_free_s=used.included_free_s,
            longest_s=longest_s,
        )
        if not grant.granted_s:
            return out_of_credit(account, allowed)
        refused = _throttle(conn, account, now_us)
        if refused is not None:
            return refused
        hold = holds.Hold(
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
            session_of(hold, self._pace),
            reserve_s=grant.reserve_s,
            bound=allowed.bound_of(grant.granted_s, longest_s),
        )
        return hold, session

    def _standing(self, attempt: Attempt, payer: Payer, held: holds.Hold) -> Authorised | Refused:
        """Answer for a channel that has its payer and its price already.

        A 400 call may be sent on to another 400 number. A call to another outside number is
        another call: at this one's price the caller could choose what it costs (rule 7).
        """
        same_callee = held.call.callee.digits == attempt.callee.digits
        if attempt.service == SERVICE_400 or same_callee:
            return Authorised(session_of(held, self._pace), payer.target)
        return Refused(
            "already_paid",
            f"the channel pays for a call to {held.call.callee.digits}; "
            "set fsbilling_leg before the hook, as dialplan/ does",
        )

    def call_of(self, attempt: Attempt, account: str, target: str = "") -> Call:
        """Make the call that an account pays for, if this attempt is let through."""
        return call_of(attempt, account, target, self.regions.find)

    def _turn_away(self, attempt: Attempt, closed: Refused) -> Refused:
        """Refuse before anything is looked up."""
        return self._refuse(attempt, "", closed)

    def _refuse(self, attempt: Attempt, account: str, refused: Refused) -> Refused:
        record = self.refusal(attempt, account, refused)
        try:
            with self._db.write() as conn:
                cdrs.write(conn, record)
        except StoreError as fault:
            # SQL has said no: that stands, whatever becomes of its record.
            self._unrecorded.add(record, fault)
        return refused

    def refusal(self, attempt: Attempt, account: str, refused: Refused) -> Cdr:
        """Give the record of an attempt that is not let through."""
        return refused_cdr(
            self.call_of(attempt, account),
            refused,
            cause=refusal_cause(refused),
            at_us=self._clock.now_us(),
        )


def _throttle(conn: Connection, account: Account, now_us: int) -> Refused | None:
    """Take one of the account's calls per second; Refused: `too_fast`."""
    max_cps = account.limits.max_cps
    if max_cps is None:
        return None
    throttle_us = admit(account.throttle_us, now_us, max_cps)
    if throttle_us is None:
        return Refused(
            "too_fast",
            f"account {account.code} may start {max_cps} calls a second; "
            f"fsbilling account set {account.code} --max-cps",
        )
    accounts.set_throttle(conn, account.account_id, throttle_us)
    return None


def refusal_cause(refused: Refused) -> str:
    """Give the hang-up cause that tells the caller's switch why."""
    return REFUSAL_CAUSES.get(refused.reason, OTHER_REFUSAL_CAUSE)

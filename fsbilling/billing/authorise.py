"""May this call start? Price it, hold the credit, and only then say yes (DESIGN rule 2)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.attempt import Attempt, call_of
from fsbilling.billing.first_hold import FirstHold, first_hold
from fsbilling.billing.objection import tariff_of
from fsbilling.billing.payer import Payer, find_payer
from fsbilling.billing.resume import session_of
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.call import SERVICE_400, Call
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.pace import Pace
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import refused_cdr
from fsbilling.clock import Clock
from fsbilling.credit.account import Account
from fsbilling.errors import Refused, StoreError
from fsbilling.numbering.region_table import RegionTable
from fsbilling.rating.tariff import Tariff
from fsbilling.store import cdr_keys, cdrs, holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold

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

MAX_READS = 3
"""How often a call waits for a tariff to be read: so many others may push it out of memory."""


class Authorised(msgspec.Struct, frozen=True):
    """A call that may start.

    Attributes:
        session: What is to be metered; None when the call it is part of is metered already.
        target: For a 400 number, where it goes.
    """

    session: Session | None
    target: str


class Unread(msgspec.Struct, frozen=True):
    """Nothing was decided: this tariff is to be read first."""

    tariff: str


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
        gate: Callable[[], Refused | None] = lambda: None,
        regions: RegionTable | None = None,
    ) -> None:
        self._gate = gate
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
        for _ in range(MAX_READS):
            verdict = self._decide(attempt)
            if not isinstance(verdict, Unread):
                return verdict
            # It may have 100,000 rows: they are never read under the account's lock.
            self._book.tariff_at(verdict.tariff, self._clock.now_us())
        raise StoreError(f"call {attempt.uuid}: its tariff does not stay in memory")

    def _decide(self, attempt: Attempt) -> Authorised | Refused | Unread:
        """Find the payer, lock its account, and hold or refuse, in one transaction."""
        with self._db.write() as conn:
            payer = find_payer(conn, attempt)
            if isinstance(payer, Refused):
                return self._refuse(conn, attempt, "", payer)
            if payer.paid_call is not None:
                if attempt.service == SERVICE_400:
                    return Authorised(None, payer.target)
                # A transferred leg shows the number it was dialled as, not who pays for the call.
                attempt = msgspec.structs.replace(attempt, caller=payer.paid_call.caller)
            verdict = self._hold(conn, attempt, payer)
            if isinstance(verdict, Refused):
                self._refuse(conn, attempt, payer.account.code, verdict)
            return verdict

    def _hold(
        self, conn: Connection, attempt: Attempt, payer: Payer
    ) -> Authorised | Refused | Unread:
        account = payer.account
        call = self.call_of(attempt, account.code, payer.target)
        first = self._price(conn, call, account, attempt.talks_since_us)
        if isinstance(first, Unread):
            return first
        if isinstance(first, FirstHold) and first.place(conn, account):
            return Authorised(first.session, payer.target)
        # Asked again: what stands is the answer, whatever would be said now.
        held = holds.find(conn, attempt.switch, attempt.uuid)
        if held is not None:
            return self._standing(attempt, payer, held)
        if isinstance(first, Refused):
            return first
        if cdr_keys.is_settled(conn, call.switch, call.uuid):
            # A Call-ID or an originate may choose the UUID; a second call has no CDR to go to.
            return Refused("uuid_used", f"a call with UUID {call.uuid} was billed before")
        raise StoreError(f"call {attempt.uuid} has lost its hold while it was authorised again")

    def _price(
        self, conn: Connection, call: Call, account: Account, talks_since_us: int
    ) -> FirstHold | Refused | Unread:
        now_us = self._clock.now_us()
        tariff = self._tariff(account, call.service, now_us)
        if not isinstance(tariff, Tariff):
            return tariff
        return first_hold(
            conn,
            call,
            account,
            tariff,
            pace=self._pace,
            slice_s=self._first_slice_s,
            talks_since_us=talks_since_us,
            now_us=now_us,
        )

    def _tariff(self, account: Account, service: str, now_us: int) -> Tariff | Refused | Unread:
        name = tariff_of(account, service)
        if isinstance(name, Refused):
            return name
        tariff = self._book.at_hand(name, now_us)
        return Unread(name) if tariff is None else tariff

    def _standing(self, attempt: Attempt, payer: Payer, held: Hold) -> Authorised | Refused:
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
        """Refuse before anything is looked up; with SQL out, without a CDR."""
        try:
            with self._db.write() as conn:
                return self._refuse(conn, attempt, "", closed)
        except StoreError:
            return closed

    def _refuse(
        self, conn: Connection, attempt: Attempt, account: str, refused: Refused
    ) -> Refused:
        cdrs.write(conn, self.refusal(attempt, account, refused))
        return refused

    def refusal(self, attempt: Attempt, account: str, refused: Refused) -> Cdr:
        """Give the record of an attempt that is not let through."""
        return refused_cdr(
            self.call_of(attempt, account),
            refused,
            cause=refusal_cause(refused),
            at_us=self._clock.now_us(),
        )


def refusal_cause(refused: Refused) -> str:
    """Give the hang-up cause that tells the caller's switch why."""
    return REFUSAL_CAUSES.get(refused.reason, OTHER_REFUSAL_CAUSE)

"""Let calls start while SQL is out, of accounts that are trusted with a stated amount.

Such a call cannot hold credit first. It is granted once, for a part of what its account may
still risk, and ends by the switch's own timer: nothing is renewed while SQL is out. What it was
granted is in the journal before the switch hears of it, and becomes a hold, and then a charge,
when SQL is back (DESIGN rules 1 and 2, as far as they can hold without a database).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from fsbilling.billing.attempt import Attempt
from fsbilling.billing.authorise import Authorised
from fsbilling.billing.objection import limit_reached, tariff_of
from fsbilling.billing.payer import Payer
from fsbilling.billing.risk import Risk
from fsbilling.billing.settler import Settler
from fsbilling.billing.tariff_book import TariffBook, terms_of
from fsbilling.billing.trust import UNAVAILABLE, Trust
from fsbilling.calls.call import SERVICE_400, Call, CallKey
from fsbilling.calls.parties import parties
from fsbilling.calls.session import Session
from fsbilling.clock import Clock, local_month
from fsbilling.credit.account import Account
from fsbilling.credit.slice import Grant, can_start, first_grant
from fsbilling.errors import Refused, StoreError
from fsbilling.rating.tariff import NO_VOLUME, Tariff
from fsbilling.rating.terms import Terms
from fsbilling.store.engine import BULK_BOUND_S, Database
from fsbilling.store.hold_rows import Hold

log = structlog.get_logger(__name__)

PROBE_BOUND_S = 2.0

LONGEST_S = 3_600
"""No call of an outage is let through for longer: nobody can end it but the switch and its
parties."""


class Outage:
    """Knows whether SQL is out, and who may call all the same.

    While `is_on`, no call waits for SQL. One answer that did not come is no outage: only `probe`
    says so, as one account's lock may be waited for while all is well.

    Args:
        call_of: Makes the call of an attempt that an account pays for.
        session_of: Makes the session of a call by what it was granted.
        standing: Gives the session that a call has already.
        gate: Says why no call at all may start now: a full journal.
    """

    def __init__(
        self,
        db: Database,
        book: TariffBook,
        settler: Settler,
        *,
        clock: Clock,
        call_of: Callable[[Attempt, str, str], Call],
        session_of: Callable[[Hold], Session],
        standing: Callable[[CallKey], Session | None],
        gate: Callable[[], Refused | None] = lambda: None,
    ) -> None:
        self.trust = Trust()
        self._db = db
        self._book = book
        self._settler = settler
        self._clock = clock
        self._call_of = call_of
        self._session_of = session_of
        self._standing = standing
        self._gate = gate
        self._known_changes = 0

    @property
    def is_on(self) -> bool:
        """Whether SQL was out when it was last asked."""
        return self._settler.is_out

    @property
    def is_awaited(self) -> bool:
        """Whether SQL is out, and somebody may call all the same."""
        return self.is_on and bool(self.trust.accounts)

    @property
    def risk(self) -> Risk:
        """What is at risk now."""
        return self._settler.risk

    def probe(self) -> None:
        """See whether SQL answers. What the last outage took is known before the next begins."""
        try:
            with self._db.read(PROBE_BOUND_S) as conn:
                conn.exec_driver_sql("SELECT 1")
        except StoreError as fault:
            if not self.is_on:
                log.error("the database is out", fault=str(fault))
            self._settler.is_out = True
            return
        if self.is_on:
            log.warning("the database is back", at_risk_micros=self.risk.micros())
        self._settler.is_out = False
        if self._known_changes != self.risk.changes:
            try:
                self.read_trust()
            except StoreError as fault:
                # What SQL took meanwhile counts on as at risk; the next probe asks again.
                log.warning("who is trusted not read", fault=str(fault))

    def read_trust(self) -> None:
        """Read anew who is trusted, and with what. Raises StoreError; what was known stays."""
        changes = self.risk.changes
        with self._db.read(BULK_BOUND_S) as conn:
            self.trust = Trust.read(conn, self._clock.now_us())
        self._known_changes = changes
        self.risk.seen(changes)

    def authorise(self, attempt: Attempt) -> Authorised | Refused:
        """Grant a call against what its account may risk.

        Refused: `unavailable` for accounts without an outage limit, `outage_limit` when all of
        it is at risk, `journal_full`, and what refuses any call of the account.
        """
        payer = self.trust.payer(attempt)
        if isinstance(payer, Refused):
            return payer
        key = (attempt.switch, attempt.uuid)
        if key in self.risk or self._standing(key) is not None:
            return self._as_it_stands(attempt, payer)
        refused = self._gate()
        if refused is not None:
            return refused
        call = self._call_of(attempt, payer.account.code, payer.target)
        hold = self._granted(call, payer.account)
        if isinstance(hold, Refused):
            return hold
        refused = self._settler.keep_grant(hold)
        if refused is not None:
            return refused
        log.warning(
            "let through without a hold", call_uuid=call.uuid, at_risk_micros=hold.amount_micros
        )
        return Authorised(self._session_of(hold), payer.target)

    def _granted(self, call: Call, account: Account) -> Hold | Refused:
        """Say what this call gets, as the hold that it will have."""
        priced = self._price(call, account)
        if isinstance(priced, Refused):
            return priced
        tariff, terms = priced
        now_us = self._clock.now_us()
        refused = limit_reached(self._with_live_calls(account))
        if refused is not None:
            return refused
        free_micros = self._free_micros(account)
        grant = first_grant(
            terms,
            now_us=now_us,
            since_us=call.created_us,
            free_micros=free_micros,
            live_calls=1,
            slice_s=LONGEST_S,
            longest_s=account.limits.max_call_s,
        )
        if not (grant.granted_s and can_start(terms, answered_us=now_us, free_micros=free_micros)):
            return Refused("outage_limit", f"account {account.code} has its outage limit at risk")
        call = msgspec.structs.replace(call, month=local_month(now_us, tariff.plan.time_zone))
        return _hold(call, terms, grant, account.account_id, now_us)

    def _as_it_stands(self, attempt: Attempt, payer: Payer) -> Authorised | Refused:
        """Answer for a channel that asks again as SQL would: a call to another number is another.

        A UUID may be chosen by its caller; a call that is over has no second one.
        """
        session = self._standing((attempt.switch, attempt.uuid))
        if session is None:
            return Refused("uuid_used", f"a call with UUID {attempt.uuid} was let through before")
        same_callee = session.call.callee.digits == attempt.callee.digits
        if attempt.service == SERVICE_400 or same_callee:
            return Authorised(session, payer.target)
        return Refused(
            "already_paid", f"the channel pays for a call to {session.call.callee.digits}"
        )

    def _price(self, call: Call, account: Account) -> tuple[Tariff, Terms] | Refused:
        """Price it by a tariff in memory, at the first level: the month's volume is in SQL."""
        name = tariff_of(account, call.service)
        if isinstance(name, Refused):
            return name
        now_us = self._clock.now_us()
        tariff = self._book.at_hand(name, now_us)
        if tariff is None:
            return UNAVAILABLE
        if isinstance(tariff, Refused):
            return tariff
        terms = terms_of(tariff, *parties(call), now_us, NO_VOLUME)
        return terms if isinstance(terms, Refused) else (tariff, terms)

    def _free_micros(self, account: Account) -> int:
        limit_micros = account.limits.outage_limit_micros or 0
        # What SQL took since it was asked may be owed, and may be spent.
        at_risk_micros = self.risk.micros(account.code) + self.risk.unseen[account.code]
        cap_micros = self.trust.caps_left_micros.get(account.code, limit_micros)
        return max(min(limit_micros - account.overdraft_micros, cap_micros) - at_risk_micros, 0)

    def _with_live_calls(self, account: Account) -> Account:
        return msgspec.structs.replace(
            account, live_calls=account.live_calls + self.risk.live_calls[account.code]
        )


def _hold(call: Call, terms: Terms, grant: Grant, account_id: int, now_us: int) -> Hold:
    return Hold(
        call=call,
        terms=terms,
        account_id=account_id,
        amount_micros=grant.held_micros,
        granted_s=grant.granted_s,
        leg_uuid=call.uuid,
        authorised_us=now_us,
        seen_us=call.created_us,
        timer_seq=0,
    )

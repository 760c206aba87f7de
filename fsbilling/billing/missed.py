"""Settle a call of which nothing is left here, by what the switch wrote down of it.

The database was restored from an older backup, or a journal was lost with its disk: the call was
let through and paid for by a hold, and neither hold nor record is there any more.
"""

from __future__ import annotations

from functools import partial

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.attempt import Attempt, NumberPlan, call_of
from fsbilling.billing.caps import allowed_to, count_new
from fsbilling.billing.ending import end_of_call
from fsbilling.billing.evidence import as_let_through, read_evidence
from fsbilling.billing.month import open_month
from fsbilling.billing.objection import tariff_of
from fsbilling.billing.settle import post
from fsbilling.billing.tariff_book import TariffBook, terms_of
from fsbilling.calls.call import Call
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.event import HungUp
from fsbilling.calls.pace import Pace
from fsbilling.calls.parties import parties
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import settled_cdr
from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.rating.tariff import Tariff
from fsbilling.store import accounts, cdr_keys, holds, regions
from fsbilling.store.engine import Database
from fsbilling.switch.record import Record
from fsbilling.switch.witness import Witness

NOTE = "; settled later from the switch's record, by the month as it was then"
NO_PACE = Pace(renew_lead_us=0, cut_lead_us=0, warn_before_us=0)


class Missed:
    """Settles missed calls of one switch; `book` has been refreshed, `plan` is the daemon's."""

    def __init__(self, db: Database, book: TariffBook, switch: str, plan: NumberPlan) -> None:
        self._db = db
        self._book = book
        self._switch = switch
        self._plan = plan

    def settle(self, record: Record, witness: Witness, *, now_us: int) -> Cdr | Refused | None:
        """Write a missed call down, once; None when it has its hold or its record after all.

        It is priced by the version in force when it began, at the level and with the package that
        its month has now. Never more is charged than the account's credit and caps leave free
        (DESIGN rule 1); the rest is waived, and shown. A refused attempt's record gives way.

        Refused: `not_let_through`, `asked_twice`, `no_record`, `no_stamps`, `bad_number`,
        `unknown_payer`, `no_tariff`, `no_rate`, `other_switch`. Raises StoreError.
        """
        record = as_let_through(record)
        attempt = read_evidence(record, witness, switch=self._switch, plan=self._plan)
        if isinstance(attempt, Refused):
            return attempt
        ending = end_of_call(record, attempt.service, witness)
        if ending is None:
            return Refused("no_record", "the leg that it left behind has none, and may live on")
        with self._db.read() as conn:
            account = accounts.find(conn, attempt.account)
            target = record.variable("fsbilling_target")
            call = call_of(attempt, attempt.account, target, partial(regions.find, conn))
        tariff = self._tariff(account, call)
        if isinstance(tariff, Refused):
            return tariff
        with self._db.write() as conn:
            return self._settle(conn, call, tariff, attempt, ending, now_us=now_us)

    def _tariff(self, account: Account | None, call: Call) -> Tariff | Refused:
        if account is None:
            return Refused(
                "unknown_payer", f"there is no account {call.account}; fsbilling account add"
            )
        name = tariff_of(account, call.service)
        return name if isinstance(name, Refused) else self._book.tariff_at(name, call.created_us)

    def _settle(
        self,
        conn: Connection,
        call: Call,
        tariff: Tariff,
        attempt: Attempt,
        ending: HungUp,
        *,
        now_us: int,
    ) -> Cdr | Refused | None:
        # A daemon places and settles holds under the same lock: one of us is the first.
        account = accounts.lock(conn, call.account)
        if account is None:
            return None
        known_on = {*cdr_keys.settled_on(conn, call.uuid), *holds.held_on(conn, call.uuid)}
        if call.switch in known_on:
            return None
        if known_on:
            others = " ".join(sorted(known_on))
            return Refused("other_switch", f"the call is known on {others}; --switch {others}")
        used = open_month(conn, account.account_id, tariff, call.created_us)
        terms = terms_of(tariff, *parties(call), call.created_us, used.volume)
        if isinstance(terms, Refused):
            return terms
        count_new(conn, account, call.created_us)
        session = Session(
            call=msgspec.structs.replace(
                call, month=used.month, used_s=used.billed_s, used_calls=used.calls
            ),
            terms=terms,
            pace=NO_PACE,
            granted_s=0,
            held_micros=max(allowed_to(conn, account, call.created_us).free_micros, 0),
            included_s=max(used.included_free_s, 0),
            answered_us=attempt.talks_since_us or ending.answered_us,
            leg_uuid=call.uuid,
        )
        cdr = settled_cdr(session, ending)
        cdr = msgspec.structs.replace(cdr, explanation=cdr.explanation + NOTE)
        return cdr if post(conn, self._book, tariff, account, cdr, now_us=now_us) else None

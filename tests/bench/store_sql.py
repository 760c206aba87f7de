"""What a billed call's SQL costs by the store's own functions, and nothing else of the daemon."""

from __future__ import annotations

import time
import uuid

from store_samples import NOW_US, YUAN, a_cdr, a_hold, an_account

from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.store import accounts, cdrs, entries, holds, settling, usages
from fsbilling.store.engine import Database

PRICE_MICROS = 900


def store_call_ms(url: str, calls: int) -> float:
    """This process's processor time for a call's three transactions: hold, answer, settle."""
    db = Database.open(url)
    try:
        with db.write() as conn:
            payer = an_account(conn, code="plain", balance_micros=calls * YUAN)
        uuids = [str(uuid.uuid4()) for _ in range(calls)]
        began_s = time.process_time()
        for each in uuids:
            _bill(db, payer.account_id, each)
        return (time.process_time() - began_s) / calls * 1e3
    finally:
        db.close()


def _bill(db: Database, account_id: int, call: str) -> None:
    hold = a_hold(account_id, 1_000, uuid=call, account="plain")
    with db.write() as conn:
        accounts.lock(conn, "plain")
        assert holds.place(conn, hold, is_last=True)
    with db.write() as conn:
        assert holds.answered(conn, "sw1", call, NOW_US, NOW_US, is_last=True)
    with db.write() as conn:
        taken = settling.take(conn, "plain", "sw1", call, created_us=hold.call.created_us)
        cdr = a_cdr(
            uuid=call,
            account="plain",
            created_us=hold.call.created_us,
            charge_micros=PRICE_MICROS,
        )
        assert cdrs.write(conn, cdr, taken.place)
        entries.post(
            conn,
            account_id,
            kind=EntryKind.CHARGE,
            amount_micros=-PRICE_MICROS,
            ref=call_ref("sw1", call),
            note=cdr.explanation,
            at_us=NOW_US,
            books=taken.books,
        )
        usages.count_call(conn, account_id, cdr.tariff, cdr.month, billed_s=5, included_s=0)

"""Replace a hold by what the call cost: one CDR and one entry, in one transaction, once."""

from __future__ import annotations

from fsbilling.calls.cdr import Cdr
from fsbilling.calls.event import HungUp
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import settled_cdr
from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.store import accounts, cdrs, entries, holds
from fsbilling.store.engine import Database


def settle(db: Database, session: Session, ending: HungUp, *, now_us: int) -> Cdr | None:
    """Write down a finished call; None when it had been settled before (DESIGN rule 4).

    The hold's row is the right to settle: whoever removes it writes the CDR and the entry in
    the same transaction. Raises StoreError when SQL did not answer; then nothing is known, and
    settling again is safe.
    """
    cdr = settled_cdr(session, ending)
    return cdr if book(db, cdr, now_us=now_us) else None


def book(db: Database, cdr: Cdr, *, now_us: int) -> bool:
    """Write down a call that is priced; False when it had been settled before."""
    with db.write() as conn:
        account = accounts.lock(conn, cdr.account)
        hold = holds.remove(conn, cdr.switch, cdr.uuid)
        if account is None or hold is None:
            return False
        if not cdrs.write(conn, cdr):
            return False
        if cdr.charge_micros:
            entries.post(
                conn,
                account.account_id,
                kind=EntryKind.CHARGE,
                amount_micros=-cdr.charge_micros,
                ref=call_ref(cdr.switch, cdr.uuid),
                note=cdr.explanation,
                at_us=now_us,
            )
    return True

"""Replace a hold by what the call cost: one CDR and one entry, in one transaction, once."""

from __future__ import annotations

from fsbilling.calls.cdr import Cdr
from fsbilling.calls.event import HungUp
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import settled_cdr
from fsbilling.ledger.entry import EntryKind
from fsbilling.store import accounts, cdrs, entries, holds
from fsbilling.store.engine import Database


def settle(db: Database, session: Session, ending: HungUp, *, now_us: int) -> Cdr | None:
    """Write down a finished call; None when it had been settled before (DESIGN rule 4).

    The hold's row is the right to settle: whoever removes it writes the CDR and the entry in
    the same transaction. Raises StoreError when SQL did not answer; then nothing is known, and
    settling again is safe.
    """
    call = session.call
    cdr = settled_cdr(session, ending)
    with db.write() as conn:
        account = accounts.lock(conn, call.account)
        hold = holds.remove(conn, call.switch, call.uuid)
        if account is None or hold is None:
            return None
        if not cdrs.write(conn, cdr):
            return None
        if cdr.charge_micros:
            entries.post(
                conn,
                account.account_id,
                kind=EntryKind.CHARGE,
                amount_micros=-cdr.charge_micros,
                ref=f"{call.switch}/{call.uuid}",
                note=cdr.explanation,
                at_us=now_us,
            )
    return cdr

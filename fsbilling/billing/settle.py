"""Replace a hold by what the call cost: one CDR and one entry, in one transaction, once."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.caps import spend
from fsbilling.billing.level import adjust_to_level
from fsbilling.billing.outlived import as_renewed, outlived
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.event import HungUp
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import settled_cdr
from fsbilling.credit.account import Account
from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.rating.tariff import Tariff, Volume
from fsbilling.store import accounts, cdrs, entries, holds, usages
from fsbilling.store.engine import Database


def settle(
    db: Database,
    book: TariffBook,
    session: Session,
    ending: HungUp,
    *,
    now_us: int,
    is_restored: bool = False,
) -> Cdr | None:
    """Write down a finished call; None when it had been settled before (DESIGN rule 4).

    The hold's row is the right to settle: whoever removes it writes the CDR and the entry, and
    counts the call for its month, in the same transaction. What the row holds of credit and
    package is what there is to charge; where SQL may be a backup that `is_restored`, what is
    free as well, of a call that outlived it. Raises StoreError when SQL did not answer; then
    nothing is known, and settling again is safe.
    """
    call = session.call
    tariff = book.numbered(session.terms.tariff, session.terms.version, now_us)
    with db.write() as conn:
        account = accounts.lock(conn, call.account)
        if account is None:
            return None
        hold = _take_hold(conn, account, call.switch, call.uuid)
        if hold is None:
            return None
        if is_restored and outlived(hold, ending):
            hold = as_renewed(conn, hold, tariff)
        held = msgspec.structs.replace(
            session,
            held_micros=hold.amount_micros,
            included_s=hold.included_s,
        )
        cdr = settled_cdr(held, ending)
        is_new = post(conn, book, tariff, account, cdr, now_us=now_us)
    return cdr if is_new else None


def write_down(db: Database, book: TariffBook, cdr: Cdr, *, now_us: int) -> bool:
    """Do the same with a call that was priced while SQL was out; False when it had been settled.

    The price stays: it was made from the hold as the call knew it, which is never more than the
    row has. Raises StoreError as `settle`.
    """
    tariff = book.numbered(cdr.tariff, cdr.tariff_version, now_us)
    with db.write() as conn:
        account = accounts.lock(conn, cdr.account)
        if account is None or _take_hold(conn, account, cdr.switch, cdr.uuid) is None:
            return False
        return post(conn, book, tariff, account, cdr, now_us=now_us)


def _take_hold(conn: Connection, account: Account, switch: str, uuid: str) -> holds.Hold | None:
    hold = holds.remove(conn, switch, uuid)
    if hold is not None:
        spend(conn, account, hold.call.created_us, -hold.amount_micros)
    return hold


def post(
    conn: Connection,
    book: TariffBook,
    tariff: Tariff | None,
    account: Account,
    cdr: Cdr,
    *,
    now_us: int,
) -> bool:
    """Write the record, the entry and the counts of a call that has no hold (any more).

    False, and nothing changed, when it has its record already. The caller has locked the account
    in this transaction, and charges no more than it has free.
    """
    if not cdrs.write(conn, cdr):
        return False
    spend(conn, account, cdr.created_us, cdr.charge_micros)
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
    if cdr.billed_s:
        _count(conn, book, tariff, account, cdr, now_us=now_us)
    if account.overdraft_micros:
        accounts.pay_back(conn, account.account_id)
    return True


def _count(
    conn: Connection,
    book: TariffBook,
    tariff: Tariff | None,
    account: Account,
    cdr: Cdr,
    *,
    now_us: int,
) -> None:
    """Count a billed call for its month, and adjust the month when that reaches a level."""
    month = (account.account_id, cdr.tariff, cdr.month)
    before = None
    if tariff is not None and tariff.plan.looks_back:
        before = usages.find(conn, *month).volume
    usages.count_call(conn, *month, billed_s=cdr.billed_s, included_s=cdr.included_s)
    # The charge has been posted: what is free is asked for again.
    charged = accounts.lock(conn, account.code) if before else None
    if tariff is not None and before and charged:
        after = Volume(before.billed_s + cdr.billed_s, before.calls + 1)
        adjust_to_level(conn, book, tariff, charged, cdr, before=before, after=after, now_us=now_us)

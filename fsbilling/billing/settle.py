"""Replace a hold by what the call cost: one CDR and one entry, in one transaction, once."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.caps import spend
from fsbilling.billing.level import adjust_to_level
from fsbilling.billing.outlived import as_renewed, outlived
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.call import CallKey
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.event import HungUp
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import repriced_cdr, settled_cdr
from fsbilling.credit.account import Account
from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.rating.tariff import Tariff, Volume
from fsbilling.store import accounts, cdrs, entries, settling, usages
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold
from fsbilling.store.settling import Taken


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
        taken = _take(conn, call.account, call.key, call.created_us)
        if taken is None:
            return None
        hold = taken.hold
        if is_restored and outlived(hold, ending):
            hold = as_renewed(conn, hold, tariff)
        held = msgspec.structs.replace(
            session,
            held_micros=hold.amount_micros,
            included_s=hold.included_s,
        )
        cdr = settled_cdr(held, ending)
        is_new = post(conn, book, tariff, taken.account, cdr, now_us=now_us, taken=taken)
    return cdr if is_new else None


def write_down(db: Database, book: TariffBook, cdr: Cdr, *, now_us: int) -> bool:
    """Do the same with a call that was priced while SQL was out; False when it had been settled.

    The price stays: it was made from the hold as the call knew it. Where another daemon has given
    back some of that since, the row has less, and no more is charged. Raises StoreError as
    `settle`.
    """
    tariff = book.numbered(cdr.tariff, cdr.tariff_version, now_us)
    with db.write() as conn:
        taken = _take(conn, cdr.account, (cdr.switch, cdr.uuid), cdr.created_us)
        if taken is None:
            return False
        cdr = _within(cdr, taken.hold)
        return post(conn, book, tariff, taken.account, cdr, now_us=now_us, taken=taken)


def _within(cdr: Cdr, hold: Hold) -> Cdr:
    """Let a call be charged what is held for it at most, of credit and of the package."""
    if cdr.charge_micros <= hold.amount_micros and cdr.included_s <= hold.included_s:
        return cdr
    included_s = min(cdr.included_s, hold.included_s)
    cdr = msgspec.structs.replace(cdr, included_s=included_s)
    return repriced_cdr(cdr, hold.terms, hold.amount_micros)


def _take(conn: Connection, account: str, key: CallKey, created_us: int) -> Taken | None:
    taken = settling.take(conn, account, *key, created_us=created_us)
    if taken is not None:
        hold = taken.hold
        spend(conn, taken.account, hold.call.created_us, -hold.amount_micros)
    return taken


def post(
    conn: Connection,
    book: TariffBook,
    tariff: Tariff | None,
    account: Account,
    cdr: Cdr,
    *,
    now_us: int,
    taken: Taken | None = None,
) -> bool:
    """Write the record, the entry and the counts of a call that has no hold (any more).

    False, and nothing changed, when it has its record already. The caller has locked the account
    in this transaction, by what is `taken` or else by itself, and charges no more than it has free.
    """
    if not cdrs.write(conn, cdr, taken.place if taken else None):
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
            books=taken.books if taken else None,
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

"""Twin of `fsbilling.store.entries`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from fsbilling.errors import Refused
from fsbilling.ledger.chain import GENESIS, Books, Fault, hash_of
from fsbilling.ledger.chain import verify as verify_chain
from fsbilling.ledger.entry import Entry, EntryKind
from fsbilling.store.accounts import unknown
from fsbilling.store.entries import Draft

from . import accounts
from .books import Transaction, check

_ASKED_FOR = (EntryKind.TOPUP, EntryKind.ADJUSTMENT)


def post(
    conn: Transaction,
    account_id: int,
    *,
    kind: EntryKind,
    amount_micros: int,
    ref: str,
    note: str,
    at_us: int,
    books: Books | None = None,
) -> Entry:
    draft = Draft(kind=kind, amount_micros=amount_micros, ref=ref, note=note)
    return _append(conn, account_id, [draft], at_us)[0]


def post_all(
    conn: Transaction,
    account_id: int,
    drafts: Sequence[Draft],
    at_us: int,
    books: Books | None = None,
) -> list[Entry]:
    if not drafts:
        return []
    posted = _append(conn, account_id, drafts, at_us)
    accounts.pay_back(conn, account_id)
    return posted


def _append(conn: Transaction, account_id: int, drafts: Sequence[Draft], at_us: int) -> list[Entry]:
    tables = conn.books
    conn.lock(account_id)
    account = tables.accounts[tables.codes[account_id]]
    last = tables.last_entry.get(account_id)
    balance_micros, posted = account.balance_micros, []
    for draft in drafts:
        balance_micros += draft.amount_micros
        unsigned = Entry(
            account_id=account_id,
            seq=last.seq + 1 if last else 1,
            kind=draft.kind,
            amount_micros=draft.amount_micros,
            balance_after_micros=balance_micros,
            ref=draft.ref,
            note=draft.note,
            at_us=at_us,
            prev_hash=last.hash if last else GENESIS,
            hash="",
        )
        last = replace(unsigned, hash=hash_of(unsigned))
        _keep(conn, last)
        posted.append(last)
    accounts.keep(conn, replace(account, balance_micros=balance_micros))
    return posted


def topup(
    conn: Transaction, code: str, *, amount_micros: int, ref: str, note: str = "", at_us: int
) -> Entry | Refused:
    kind = EntryKind.TOPUP
    return _post_once(
        conn, code, kind=kind, amount_micros=amount_micros, ref=ref, note=note, at_us=at_us
    )


def adjust(
    conn: Transaction, code: str, *, amount_micros: int, ref: str, note: str = "", at_us: int
) -> Entry | Refused:
    kind = EntryKind.ADJUSTMENT
    return _post_once(
        conn, code, kind=kind, amount_micros=amount_micros, ref=ref, note=note, at_us=at_us
    )


def amounts(conn: Transaction, account_id: int, kind: EntryKind, ref_start: str) -> dict[str, int]:
    return {
        ref: entry.amount_micros
        for (of, of_kind, ref), entry in conn.books.asked_for.items()
        if of == account_id and of_kind == kind and ref.startswith(ref_start)
    }


def entries(conn: Transaction, code: str, limit: int = 100) -> list[Entry]:
    account = accounts.find(conn, code)
    found = _in_order(conn, account.account_id) if account else []
    return found[::-1][:limit]


def verify(conn: Transaction, code: str | None = None) -> list[Fault]:
    faults: list[Fault] = []
    for account in accounts.list_all(conn):
        if code in (None, account.code):
            last = conn.books.last_entry.get(account.account_id)
            books = Books(
                account=account.code,
                balance_micros=account.balance_micros,
                last_seq=last.seq if last else 0,
                last_hash=last.hash if last else GENESIS,
            )
            faults += verify_chain(_in_order(conn, account.account_id), books)
    return faults


def _keep(conn: Transaction, entry: Entry) -> None:
    tables = conn.books
    if entry.kind in _ASKED_FOR:
        key = (entry.account_id, entry.kind, entry.ref)
        check(key not in tables.asked_for, "uq_entry_ref")
        conn.put(tables.asked_for, key, entry)
    conn.put(tables.entries, (entry.account_id, entry.seq), entry)
    conn.put(tables.last_entry, entry.account_id, entry)


def _in_order(conn: Transaction, account_id: int) -> list[Entry]:
    last = conn.books.last_entry.get(account_id)
    seqs = range(1, last.seq + 1 if last else 1)
    return [conn.books.entries[account_id, seq] for seq in seqs]


def _post_once(
    conn: Transaction,
    code: str,
    *,
    kind: EntryKind,
    amount_micros: int,
    ref: str,
    note: str,
    at_us: int,
) -> Entry | Refused:
    payer = accounts.lock(conn, code)
    if payer is None:
        return unknown(code)
    first = conn.books.asked_for.get((payer.account_id, kind, ref))
    if first is not None:
        return first if first.amount_micros == amount_micros else Refused("ref_used")
    if amount_micros < 0 and payer.free_micros + amount_micros < 0:
        return Refused("no_credit")
    accounts.revise(conn, payer.account_id)
    posted = post(
        conn,
        payer.account_id,
        kind=kind,
        amount_micros=amount_micros,
        ref=ref,
        note=note,
        at_us=at_us,
    )
    if payer.overdraft_micros:
        accounts.pay_back(conn, payer.account_id)
    return posted

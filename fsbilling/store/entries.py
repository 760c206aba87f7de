"""The ledger in SQL: append-only, chained per account (DESIGN rule 9).

The tables refuse UPDATE and DELETE of an entry by triggers; `ledger/chain.py` says how
tampering behind their back shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.ledger.chain import Books, Fault, FaultKind, hash_of
from fsbilling.ledger.chain import verify as verify_chain
from fsbilling.ledger.entry import Entry, EntryKind
from fsbilling.money import MAX_MICROS, format_micros
from fsbilling.store import accounts, usages
from fsbilling.store.prepared import Prepared
from fsbilling.store.schema import account, entry, hold
from fsbilling.store.text import clean, storable

MAX_REF_LENGTH = 200

_VERIFY_BATCH = 1000
_BOOKS = Prepared(
    select(account.c.code, account.c.balance_micros, account.c.last_seq, account.c.last_hash)
    .where(account.c.id == bindparam("of_account"))
    .with_for_update()
)
_INSERT = Prepared(
    insert(entry).values({name: bindparam(name) for name in Entry.__struct_fields__})
)
_CLOSE_BOOKS = Prepared(
    update(account)
    .where(account.c.id == bindparam("of_account"))
    .values(
        balance_micros=bindparam("balance"), last_seq=bindparam("seq"), last_hash=bindparam("hash")
    )
)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An entry before it has its place in the ledger; the fields are those of an `Entry`."""

    kind: EntryKind
    amount_micros: int
    ref: str
    note: str


def post(
    conn: Connection,
    account_id: int,
    *,
    kind: EntryKind,
    amount_micros: int,
    ref: str,
    note: str,
    at_us: int,
    books: Books | None = None,
) -> Entry:
    """Append one entry and move the balance with it; `amount_micros` is signed.

    Locks the account, and reads its `books` where they are not known of its locked row. The
    transaction fails, by the table's own check, rather than break DESIGN rule 1: give the call's
    hold back before its charge is posted.
    """
    draft = Draft(kind=kind, amount_micros=amount_micros, ref=ref, note=note)
    (posted,) = _append(conn, account_id, [draft], at_us, books)
    return posted


def post_all(
    conn: Connection,
    account_id: int,
    drafts: Sequence[Draft],
    at_us: int,
    books: Books | None = None,
) -> list[Entry]:
    """Append entries in their order, as `post` does: one change of the account for all of them.

    What they give back lowers what an outage let the account owe.
    """
    if not drafts:
        return []
    posted = _append(conn, account_id, drafts, at_us, books)
    accounts.pay_back(conn, account_id)
    return posted


def _append(
    conn: Connection, account_id: int, drafts: Sequence[Draft], at_us: int, books: Books | None
) -> list[Entry]:
    if books is None:
        books = books_of(_BOOKS.first(conn, {"of_account": account_id}))
    balance_micros, prev_hash = books.balance_micros, books.last_hash
    posted = []
    for seq, draft in enumerate(drafts, books.last_seq + 1):
        balance_micros += draft.amount_micros
        unsigned = Entry(
            account_id=account_id,
            seq=seq,
            kind=EntryKind(draft.kind),
            amount_micros=draft.amount_micros,
            balance_after_micros=balance_micros,
            ref=clean(draft.ref),
            note=clean(draft.note),
            at_us=at_us,
            prev_hash=prev_hash,
            hash="",
        )
        prev_hash = hash_of(unsigned)
        posted.append(msgspec.structs.replace(unsigned, hash=prev_hash))
    for each in posted:
        _INSERT.later(conn, msgspec.structs.asdict(each))
    last = {"balance": balance_micros, "seq": posted[-1].seq, "hash": prev_hash}
    _CLOSE_BOOKS.later(conn, {"of_account": account_id, **last})
    return posted


def books_of(row: Row[Any]) -> Books:
    """Give what an account's row says that its entries add up to."""
    return Books(
        account=row.code,
        balance_micros=row.balance_micros,
        last_seq=row.last_seq,
        last_hash=row.last_hash,
    )


def topup(
    conn: Connection, code: str, *, amount_micros: int, ref: str, note: str = "", at_us: int
) -> Entry | Refused:
    """Add money, once per reference: the same again returns the first entry.

    Refused: `unknown_account`, `bad_amount`, `bad_ref`, `ref_used` (by another amount).
    """
    if amount_micros <= 0:
        return Refused("bad_amount", "a top-up must be more than zero")
    return _post_once(
        conn,
        code,
        kind=EntryKind.TOPUP,
        amount_micros=amount_micros,
        ref=ref,
        note=note,
        at_us=at_us,
    )


def adjust(
    conn: Connection, code: str, *, amount_micros: int, ref: str, note: str = "", at_us: int
) -> Entry | Refused:
    """Put a mistake right, or move credit out (negative), once per reference like `topup`.

    Refused: `unknown_account`, `bad_amount`, `bad_ref`, `ref_used`, `no_credit` (more than is
    free: DESIGN rule 1).
    """
    if amount_micros == 0:
        return Refused("bad_amount", "an adjustment of zero changes nothing")
    return _post_once(
        conn,
        code,
        kind=EntryKind.ADJUSTMENT,
        amount_micros=amount_micros,
        ref=ref,
        note=note,
        at_us=at_us,
    )


def entries(conn: Connection, code: str, limit: int = 100) -> list[Entry]:
    """The account's latest entries, newest first."""
    found = accounts.find(conn, code)
    if found is None:
        return []
    query = select(entry).filter_by(account_id=found.account_id)
    return [_entry(row) for row in conn.execute(query.order_by(entry.c.seq.desc()).limit(limit))]


def amounts(conn: Connection, account_id: int, kind: EntryKind, ref_start: str) -> dict[str, int]:
    """Give the account's entries of a kind whose references begin so, the sum of each reference."""
    query = select(entry.c.ref, func.sum(entry.c.amount_micros)).where(
        entry.c.account_id == account_id,
        entry.c.kind == kind,
        entry.c.ref.startswith(clean(ref_start), autoescape=True),
    )
    return {ref: int(micros) for ref, micros in conn.execute(query.group_by(entry.c.ref))}


def verify(conn: Connection, code: str | None = None) -> list[Fault]:
    """Every fault of one account, or of all: entries, balance, and what holds add up to.

    Call it under `Database.read`, whose transaction sees one moment.
    """
    query = select(account).order_by(account.c.code)
    if code is not None:
        query = query.where(account.c.code == clean(code))
    sums = select(hold.c.account_id, func.sum(hold.c.amount_micros)).group_by(hold.c.account_id)
    held_by_account = {account_id: int(micros) for account_id, micros in conn.execute(sums)}
    faults = []
    for row in conn.execute(query).all():
        faults += verify_chain(_in_order(conn, row.id), books_of(row))
        faults += _verify_held(row, held_by_account.get(row.id, 0))
        faults += _verify_packages(conn, row)
    return faults


def _post_once(
    conn: Connection,
    code: str,
    *,
    kind: EntryKind,
    amount_micros: int,
    ref: str,
    note: str,
    at_us: int,
) -> Entry | Refused:
    """Post what a person asked for, unless this reference did it before."""
    payer = accounts.lock(conn, code)
    if payer is None:
        return accounts.unknown(code)
    first = _find(conn, payer.account_id, kind, ref)
    if first is None:
        refused = _refuse(payer, amount_micros, ref)
        if refused is not None:
            return refused
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
    if first.amount_micros != amount_micros:
        amount = format_micros(first.amount_micros)
        return Refused("ref_used", f"reference {ref} was used for a {kind} of {amount}")
    return first


def _refuse(payer: Account, amount_micros: int, ref: str) -> Refused | None:
    if not 0 < len(ref) <= MAX_REF_LENGTH or not storable(ref):
        return Refused("bad_ref", f"a reference has 1 to {MAX_REF_LENGTH} characters")
    if payer.balance_micros + amount_micros > MAX_MICROS:
        return Refused("bad_amount", f"{payer.code} would have more than an account can hold")
    if amount_micros < 0 and payer.free_micros + amount_micros < 0:
        free = format_micros(payer.free_micros)
        return Refused("no_credit", f"{payer.code} has {free} free; no more can be taken away")
    return None


def _find(conn: Connection, account_id: int, kind: EntryKind, ref: str) -> Entry | None:
    query = select(entry).filter_by(account_id=account_id, kind=kind, ref=clean(ref))
    row = conn.execute(query).first()
    return None if row is None else _entry(row)


def _verify_held(row: Row[Any], holds_micros: int) -> Iterator[Fault]:
    if row.held_micros != holds_micros:
        detail = (
            f"{format_micros(row.held_micros)} is held, "
            f"the holds add up to {format_micros(holds_micros)}"
        )
        yield Fault(row.code, FaultKind.HELD, 0, detail)


def _verify_packages(conn: Connection, row: Row[Any]) -> Iterator[Fault]:
    for tariff, month, held_s, holds_s in usages.misheld(conn, row.id):
        detail = (
            f"{held_s} s of the package of {tariff} are held in {month}, "
            f"the holds add up to {holds_s} s"
        )
        yield Fault(row.code, FaultKind.PACKAGE, 0, detail)


def _in_order(conn: Connection, account_id: int) -> Iterator[Entry]:
    """All entries of one account, fetched in batches: there may be one for every call."""
    query = select(entry).filter_by(account_id=account_id).order_by(entry.c.seq)
    with conn.execute(query.execution_options(yield_per=_VERIFY_BATCH)) as rows:
        for row in rows:
            yield _entry(row)


def _entry(row: Row[Any]) -> Entry:
    return msgspec.convert(row._mapping, Entry, strict=False)  # noqa: SLF001

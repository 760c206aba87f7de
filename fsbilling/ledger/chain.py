"""The chain that makes a changed ledger show: every entry's hash covers the one before it.

What it finds: any change made to the entries or to an account's balance by somebody who does
not also rewrite every later entry and the account's own row. Against one who rewrites all of
it, keep a copy of `last_hash` outside the database: `ledger verify` prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

import msgspec

from fsbilling.ledger.entry import Entry
from fsbilling.money import format_micros

GENESIS = "0" * 64
"""What the first entry of an account names as its predecessor's hash."""

MAX_FAULTS = 50
"""Per account: one removed entry can break thousands; the first ones say where to look."""

_ENCODING = "fsbilling-entry-1"


class FaultKind(StrEnum):
    """What is wrong with a ledger."""

    EDITED = "edited"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    BALANCE = "balance"
    HELD = "held"
    PACKAGE = "package"


class Fault(msgspec.Struct, frozen=True):
    """One thing that does not add up.

    Attributes:
        account: The account's code.
        kind: What was done.
        seq: The entry it shows at; 0 when it is the account as a whole.
        detail: One sentence for a person.
    """

    account: str
    kind: FaultKind
    seq: int
    detail: str


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What the account's own row says its entries add up to."""

    account: str
    balance_micros: int
    last_seq: int
    last_hash: str


def hash_of(entry: Entry) -> str:
    """SHA-256 of every field but `hash` itself, as 64 hex digits.

    Each field is written as its length in bytes, a colon and its UTF-8 text (a netstring), so
    that no two different entries have the same encoding.
    """
    fields = (
        _ENCODING,
        str(entry.account_id),
        str(entry.seq),
        str(entry.kind),
        str(entry.amount_micros),
        str(entry.balance_after_micros),
        entry.ref,
        entry.note,
        str(entry.at_us),
        entry.prev_hash,
    )
    texts = [field.encode() for field in fields]
    return sha256(b"".join([b"%d:%b" % (len(text), text) for text in texts])).hexdigest()


class _Link(NamedTuple):
    """Where a walk along the chain stands: what the next entry must be linked to."""

    seq: int
    hash: str
    balance_micros: int
    intact: bool


_START = _Link(0, GENESIS, 0, intact=True)


def verify(entries: Iterable[Entry], books: Books) -> list[Fault]:
    """Check one account's entries, given in order of `seq`, against its books.

    Returns at most `MAX_FAULTS` faults; none when everything adds up. Entries are read once and
    not kept.
    """
    return list(islice(_faults(entries, books), MAX_FAULTS))


def _faults(entries: Iterable[Entry], books: Books) -> Iterator[Fault]:
    """Walk the chain, then compare its end with the books."""
    before = _START
    for entry in entries:
        intact = hash_of(entry) == entry.hash
        yield from _at_entry(books.account, entry, before, intact=intact)
        before = _Link(entry.seq, entry.hash, entry.balance_after_micros, intact)
    yield from _at_end(books, before)


def _at_entry(account: str, entry: Entry, before: _Link, *, intact: bool) -> Iterator[Fault]:
    """Say what is wrong with one entry where it stands; `intact`: its own hash is right."""
    seq = entry.seq
    linked = entry.prev_hash == before.hash
    follows = seq == before.seq + 1
    if seq <= before.seq:
        yield Fault(account, FaultKind.INSERTED, seq, f"there is more than one entry {seq}")
    elif not follows:
        yield Fault(account, FaultKind.REMOVED, before.seq + 1, _gap(before.seq + 1, seq - 1))
    elif not linked and not intact:
        detail = f"entry {seq} was written at another place, or one was inserted before it"
        yield Fault(account, FaultKind.REORDERED, seq, detail)
    elif not linked and before.intact:
        # A broken link to an entry that is broken itself would be no news.
        detail = f"entry {before.seq} is not the one that entry {seq} was written after"
        yield Fault(account, FaultKind.INSERTED, before.seq, detail)
    if linked and not intact:
        detail = f"entry {seq} was edited after it was written"
        yield Fault(account, FaultKind.EDITED, seq, detail)
    balance_micros = before.balance_micros + entry.amount_micros
    if intact and before.intact and follows and entry.balance_after_micros != balance_micros:
        detail = f"entry {seq} does not lead to the balance it states"
        yield Fault(account, FaultKind.BALANCE, seq, detail)


def _at_end(books: Books, last: _Link) -> Iterator[Fault]:
    """Compare the last entry with what the account's row remembers of it."""
    if last.seq < books.last_seq:
        detail = _gap(last.seq + 1, books.last_seq)
        yield Fault(books.account, FaultKind.REMOVED, last.seq + 1, detail)
    elif last.seq > books.last_seq:
        detail = f"the account knows {books.last_seq} entries; the last one found is {last.seq}"
        yield Fault(books.account, FaultKind.INSERTED, books.last_seq + 1, detail)
    elif last.hash != books.last_hash:
        detail = f"entry {last.seq} is not the one that the account knows as its last"
        yield Fault(books.account, FaultKind.INSERTED, last.seq, detail)
    if last.balance_micros != books.balance_micros:
        stated, summed = format_micros(books.balance_micros), format_micros(last.balance_micros)
        detail = f"the balance is {stated}; the entries add up to {summed}"
        yield Fault(books.account, FaultKind.BALANCE, 0, detail)


def _gap(first: int, last: int) -> str:
    return (
        f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    )

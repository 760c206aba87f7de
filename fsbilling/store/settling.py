"""What the settlement of a call begins with: its account, its hold and the place of its record."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.credit.account import Account
from fsbilling.ledger.chain import Books
from fsbilling.store import accounts, cdr_keys, entries, holds
from fsbilling.store.cdr_keys import Place
from fsbilling.store.hold_rows import Hold
from fsbilling.store.prepared import together


class Taken(msgspec.Struct, frozen=True):
    """A hold that was taken away to be settled.

    Attributes:
        account: Who pays, locked.
        hold: The hold as it was; account and package have back what it had set aside.
        place: Where the record goes; None where one of a refusal has to make room first.
        books: What the account's entries add up to.
    """

    account: Account
    hold: Hold
    place: Place | None
    books: Books | None


def take(conn: Connection, code: str, switch: str, uuid: str, *, created_us: int) -> Taken | None:
    """Lock the account, take the hold away and a place for the record, in one exchange.

    None, and nothing changed, when the call has no hold (any more): it was settled, and whoever
    removes the hold writes the record (DESIGN rule 4). `created_us` is the record's month.
    """
    payers, places, taken = together(
        conn,
        accounts.locking(code),
        cdr_keys.taking(conn, switch, uuid, created_us=created_us),
        holds.removing(switch, uuid),
    )
    account, hold = accounts.locked(payers), holds.removed(conn, taken)
    if account is None or hold is None:
        return None
    place = Place(places[0].id, created_us) if places else None
    return Taken(account, hold, place, entries.books_of(payers[0]))

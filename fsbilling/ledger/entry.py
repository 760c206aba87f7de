"""One line of the ledger."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EntryKind(StrEnum):
    """Why money moved."""

    TOPUP = "topup"
    CHARGE = "charge"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"


def call_ref(switch: str, uuid: str, revision: int = 0) -> str:
    """Name a call in the ledger: `switch/uuid`, and `switch/uuid#2` for its second correction.

    A correction's reversal and new charge have the same reference, and so belong together.
    """
    return f"{switch}/{uuid}#{revision}" if revision else f"{switch}/{uuid}"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of one account, never changed once written (DESIGN rule 9).

    Attributes:
        account_id: Whose money.
        seq: 1, 2, 3, ... within the account, without a gap.
        kind: Why it moved.
        amount_micros: Signed: a top-up is positive, a charge negative.
        balance_after_micros: The account's balance with this entry in it.
        ref: What it answers to: the payment's reference, or the call's (`call_ref`).
        note: For a person.
        at_us: When it was posted.
        prev_hash: `hash` of the account's entry before this one; `chain.GENESIS` for the first.
        hash: `chain.hash_of` this entry.
    """

    account_id: int
    seq: int
    kind: EntryKind
    amount_micros: int
    balance_after_micros: int
    ref: str
    note: str
    at_us: int
    prev_hash: str
    hash: str

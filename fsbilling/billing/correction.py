"""What is posted when a call's price is corrected, and whether the payer's credit allows it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection

from fsbilling.calls.cdr import Cdr
from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.store import usages
from fsbilling.store.entries import Draft


class Correction(msgspec.Struct, frozen=True):
    """One call whose price was wrong.

    Attributes:
        cdr_id: The record's row.
        before: The record as it is.
        after: The record as it should be.
    """

    cdr_id: int
    before: Cdr
    after: Cdr

    @property
    def extra_micros(self) -> int:
        """What the payer has to pay in addition; negative when he gets money back."""
        return self.after.charge_micros - self.before.charge_micros

    def drafts(self) -> list[Draft]:
        """Give the ledger entries: what was charged comes back, and the new charge is made."""
        ref = call_ref(self.after.switch, self.after.uuid, self.after.revision)
        amounts = (
            (
                EntryKind.REVERSAL,
                self.before.charge_micros,
                f"takes back {self.before.explanation}",
            ),
            (EntryKind.CHARGE, -self.after.charge_micros, self.after.explanation),
        )
        return [
            Draft(kind=kind, amount_micros=micros, ref=ref, note=note)
            for kind, micros, note in amounts
            if micros and self.extra_micros
        ]


def affordable(
    corrections: Iterable[Correction], free_micros: int
) -> tuple[list[Correction], list[Correction]]:
    """Part corrections that the free credit pays for from those that must wait (DESIGN rule 1).

    Whole calls only. Money that comes back is there for the others: the cheapest come first.
    """
    posted, waiting = [], []
    for correction in sorted(corrections, key=lambda each: (each.extra_micros, each.cdr_id)):
        if correction.extra_micros > free_micros:
            waiting.append(correction)
        else:
            free_micros -= correction.extra_micros
            posted.append(correction)
    return posted, waiting


def recount(conn: Connection, account_id: int, corrected: Correction) -> None:
    """Let the month count what the call is billed for now."""
    before, after = corrected.before, corrected.after
    usages.recount(
        conn,
        account_id,
        after.tariff,
        after.month,
        billed_s=after.billed_s - before.billed_s,
        calls=(after.billed_s > 0) - (before.billed_s > 0),
        included_s=after.included_s - before.included_s,
    )

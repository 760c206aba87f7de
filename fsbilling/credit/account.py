"""Who pays, and how much of it is free."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mode(StrEnum):
    """When an account stops: at zero, or at its credit limit."""

    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as one transaction saw it.

    Attributes:
        account_id: The row's key.
        code: What people and the dialplan call it: 1 to 64 of `A-Z a-z 0-9 . _ -`.
        mode: Prepaid or postpaid; a prepaid account's `credit_limit_micros` is 0.
        currency: Three letters.
        balance_micros: Sum of its ledger entries (DESIGN rule 9); negative is debt.
        credit_limit_micros: How far below zero the balance may go.
        held_micros: Sum of its live holds.
        suspended: No new call is authorised.
        tariffs: The tariff's name for each service, `{"400": "std-400", "outbound": "std"}`.
        created_us: When it was added.
    """

    account_id: int
    code: str
    mode: Mode
    currency: str
    balance_micros: int
    credit_limit_micros: int
    held_micros: int
    suspended: bool
    tariffs: dict[str, str]
    created_us: int

    @property
    def free_micros(self) -> int:
        """What may still be held: never negative after a commit (DESIGN rule 1)."""
        return self.balance_micros + self.credit_limit_micros - self.held_micros

"""Who pays, and how much of it is free."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fsbilling.credit.limits import Limits


class Mode(StrEnum):
    """When an account stops: at zero, or at its credit limit."""

    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What live calls must know of their account, as the database has it now.

    Attributes:
        account_id, code, revision, suspended, live_calls, free_micros, limits: As `Account` has
            them.
    """

    account_id: int
    code: str
    revision: int
    suspended: bool
    live_calls: int
    free_micros: int
    limits: Limits


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
        suspended: No call is authorised, and live ones are ended.
        tariffs: The tariff's name for each service, `{"400": "std-400", "outbound": "std"}`.
        created_us: When it was added.
        revision: Counts the changes that are not a call's own: top-ups, limits, suspension.
        live_calls: How many holds it has.
        throttle_us: Until when its calls per second are used up (`credit.throttle`).
        limits: What it may do at most.
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
    revision: int = 0
    live_calls: int = 0
    throttle_us: int = 0
    limits: Limits = Limits()

    @property
    def free_micros(self) -> int:
        """What may still be held: never negative after a commit (DESIGN rule 1)."""
        return self.balance_micros + self.credit_limit_micros - self.held_micros

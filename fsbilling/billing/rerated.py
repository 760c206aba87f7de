"""What a run of corrections did, and what it had to leave."""

from __future__ import annotations

import msgspec

from fsbilling.billing.volume_month import VolumeMonth
from fsbilling.calls.cdr import Cdr
from fsbilling.errors import Refused

MAX_LISTED = 50
"""Calls, and months, that had to be left and are listed one by one; all are counted."""


class Left(msgspec.Struct, frozen=True):
    """A call that has a wrong price and keeps it.

    Attributes:
        cdr: Its record.
        refused: Why: `no_credit`, `no_rate` or `no_tariff`.
    """

    cdr: Cdr
    refused: Refused


class MonthLeft(msgspec.Struct, frozen=True):
    """A month whose adjustments do not bring its calls to their level, and stay as they are.

    Attributes:
        month: Which.
        refused: Why: `no_credit`, `monthly_cap`, `calls_missing` or `no_tariff`.
    """

    month: VolumeMonth
    refused: Refused


class Corrected(msgspec.Struct):
    """What was done to the calls of one account: it pays `difference_micros` more in all.

    Attributes:
        calls: How many were looked at.
        corrected: How many had a wrong price, or one of the wrong version, and have the right one.
        left: How many have a wrong price and keep it.
        before_micros: What the corrected ones had been charged.
        after_micros: What they are charged now.
        adjusted_micros: What settling their months anew has charged besides; negative: given back.
        months_left: How many months could not be settled anew.
    """

    calls: int = 0
    corrected: int = 0
    left: int = 0
    before_micros: int = 0
    after_micros: int = 0
    adjusted_micros: int = 0
    months_left: int = 0

    @property
    def difference_micros(self) -> int:
        """What the account has been charged more (less, when negative)."""
        return self.after_micros - self.before_micros + self.adjusted_micros

    @property
    def is_touched(self) -> bool:
        """Whether anything was done, or had to be left."""
        return any((self.corrected, self.left, self.adjusted_micros, self.months_left))


class Report(msgspec.Struct):
    """What a run did, by account; of what was left, the first `MAX_LISTED` of each kind."""

    accounts: dict[str, Corrected] = {}
    left: list[Left] = []
    months_left: list[MonthLeft] = []

    def of(self, account: str) -> Corrected:
        """Give an account's line."""
        return self.accounts.setdefault(account, Corrected())

    def leave(self, cdr: Cdr, refused: Refused) -> None:
        """Note a call that keeps its wrong price."""
        self.of(cdr.account).left += 1
        if len(self.left) < MAX_LISTED:
            self.left.append(Left(cdr, refused))

    def leave_month(self, month: VolumeMonth, refused: Refused) -> None:
        """Note a month that stays as it is."""
        self.of(month.account).months_left += 1
        if len(self.months_left) < MAX_LISTED:
            self.months_left.append(MonthLeft(month, refused))

"""An account's month under one tariff: what a volume is counted for, and adjusted by."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.calls.cdr import Cdr
from fsbilling.store import tariffs


class VolumeMonth(msgspec.Struct, frozen=True, order=True):
    """The key of a month, in `usage` and in the references of its adjustments.

    Attributes:
        account: The account's code.
        tariff: The tariff's name; all its versions count together.
        month: Such as `2026-11`, of the tariff's local time.
    """

    account: str
    tariff: str
    month: str

    @classmethod
    def of(cls, cdr: Cdr) -> VolumeMonth:
        """Give the month that a call counts for."""
        return cls(cdr.account, cdr.tariff, cdr.month)

    def __str__(self) -> str:
        return f"{self.month} of {self.account} by {self.tariff}"


def may_be_adjusted(conn: Connection, tariff: str) -> bool:
    """Tell whether any version of a tariff looks back; the months of others stay as charged."""
    return any(plan.looks_back for plan in tariffs.plans(conn, tariff))

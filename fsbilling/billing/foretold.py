"""What a dry run of corrections would have written by now.

A run that is not dry has none (`None`): there SQL says it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.correction import Correction
from fsbilling.billing.volume_month import VolumeMonth
from fsbilling.credit.account import Account
from fsbilling.credit.limits import periods
from fsbilling.errors import InputError, StoreError
from fsbilling.rating.month import Settled
from fsbilling.store import accounts
from fsbilling.store.cdrs import Counted

MAX_FORETOLD = 250_000
"""Corrected calls, and adjusted months, that are remembered: some 50 MB."""


class _Price(msgspec.Struct, frozen=True, gc=False):
    """What a record would say; the call itself stays as it was."""

    version: int
    billed_s: int
    included_s: int
    charge_micros: int
    waived_micros: int


class Foretold:
    """Laid over what SQL says, so that the next step finds what a run would find."""

    def __init__(self) -> None:
        self._prices: dict[int, _Price] = {}
        self._adjusted: dict[VolumeMonth, Counter[int]] = {}
        self._spent_micros: Counter[str] = Counter()
        self._spent_in_micros: Counter[tuple[str, str]] = Counter()

    def correct(self, account: Account, correction: Correction, *, is_looked_back_on: bool) -> None:
        """Note a correction; its price only where a month may look back on the call.

        Raises InputError when more would have to be remembered than `MAX_FORETOLD`.
        """
        after = correction.after
        month = periods(account.limits, after.created_us).month if account.limits.is_capped else ""
        self._spend(account, month, correction.extra_micros)
        if not is_looked_back_on:
            return
        self._make_room()
        self._prices[correction.cdr_id] = _Price(
            version=after.tariff_version,
            billed_s=after.billed_s,
            included_s=after.included_s,
            charge_micros=after.charge_micros,
            waived_micros=after.waived_micros,
        )

    def adjust(self, account: Account, month: VolumeMonth, micros: Mapping[int, int]) -> None:
        """Note what a month's adjustments would charge (negative: give back), by version.

        Raises InputError as `correct`.
        """
        self._make_room()
        self._adjusted.setdefault(month, Counter()).update(micros)
        self._spend(account, month.month, sum(micros.values()))

    def account(self, account: Account) -> Account:
        """Give an account as it would be."""
        balance_micros = account.balance_micros - self._spent_micros[account.code]
        return msgspec.structs.replace(account, balance_micros=balance_micros)

    def spent_in_micros(self, account: Account, month: str) -> int:
        """Give what a month would have been charged besides; known of capped accounts."""
        return self._spent_in_micros[account.code, month]

    def counted(self, call: Counted) -> Counted:
        """Give a call as its month would count it."""
        price = self._prices.get(call.cdr_id)
        if price is None:
            return call
        settled = Settled(
            call.call.talk, price.included_s, price.charge_micros, price.waived_micros
        )
        return Counted(call.cdr_id, price.version, price.billed_s, settled)

    def adjusted(self, month: VolumeMonth) -> Mapping[int, int]:
        """Give what adjustments would have charged besides, by version."""
        return self._adjusted.get(month, {})

    def _spend(self, account: Account, month: str, micros: int) -> None:
        self._spent_micros[account.code] += micros
        if account.limits.is_capped:
            self._spent_in_micros[account.code, month] += micros

    def _make_room(self) -> None:
        if len(self._prices) + len(self._adjusted) >= MAX_FORETOLD:
            raise InputError(
                f"a dry run foretells at most {MAX_FORETOLD} corrections in months with volume "
                "levels; choose one account or a shorter time"
            )


def payer(conn: Connection, code: str, foretold: Foretold | None) -> Account:
    """Give an account and lock it; in a dry run, give it as it would be.

    Raises StoreError when it is not there, though it has calls.
    """
    account = accounts.lock(conn, code) if foretold is None else accounts.find(conn, code)
    if account is None:
        raise StoreError(f"account {code} has calls, and is not there")
    return account if foretold is None else foretold.account(account)

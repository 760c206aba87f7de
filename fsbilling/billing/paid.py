"""What accounts paid for calls: charges, adjustments to levels, fees of the tariffs they have."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from fsbilling.calls.cdr import Cdr
from fsbilling.clock import local_month
from fsbilling.credit.account import Account
from fsbilling.ledger.entry import EntryKind
from fsbilling.ledger.level_ref import LEVEL_REF, read_level_ref
from fsbilling.rating.month import fees_micros
from fsbilling.rating.plan import Plan
from fsbilling.store import entries, tariffs
from fsbilling.store.engine import Database

_Cause = str | tuple[str, str]
"""The call that made an adjustment due, or the tariff and month that were settled anew."""


class Paid:
    """Counts calls by group, such as an account's code or a service.

    The fees are those of the tariffs that accounts have now, in the version in force now: of
    every month from the first call counted to the last, whole.

    Raises StoreError when SQL does not answer.
    """

    def __init__(self, db: Database, accounts: Iterable[Account], now_us: int) -> None:
        self._db = db
        self._accounts = {account.code: account for account in accounts}
        names = {name for account in self._accounts.values() for name in account.tariffs.values()}
        with db.read() as conn:
            self._plans = {name: _plan(conn, name, now_us) for name in names}
        self._adjusted: dict[str, dict[_Cause, int]] = {}
        self._usage: dict[str, dict[str, dict[str, int]]] = {}

    def count(self, group: str, cdr: Cdr) -> int:
        """Count a call, and give what was paid for it, in micro-units.

        An adjustment to a level belongs to the call that made the month reach it. What settling
        a month anew has changed belongs to the first of its calls that is counted.
        """
        adjusted = self._adjustments(cdr.account)
        micros = cdr.charge_micros + adjusted.get(f"{cdr.switch}/{cdr.uuid}", 0)
        micros += adjusted.pop((cdr.tariff, cdr.month), 0)
        account = self._accounts.get(cdr.account)
        name = account.tariffs.get(cdr.service) if account is not None else None
        if name is not None:
            month = local_month(cdr.created_us, self._plans[name].time_zone)
            usage = self._usage.setdefault(group, {}).setdefault(name, {})
            usage[month] = usage.get(month, 0) + micros
        return micros

    def fees_micros(self, group: str) -> int:
        """Give the fees of the months that a group's calls reach over, each tariff's once."""
        by_tariff = self._usage.get(group, {})
        return sum(fees_micros(self._plans[name], usage) for name, usage in by_tariff.items())

    def _adjustments(self, code: str) -> dict[_Cause, int]:
        adjusted = self._adjusted.get(code)
        if adjusted is None:
            adjusted = self._adjusted[code] = {}
            for text, micros in self._posted(code).items():
                ref = read_level_ref(text)
                if ref is not None:
                    cause = (ref.tariff, ref.month) if ref.number else ref.cause
                    adjusted[cause] = adjusted.get(cause, 0) - micros
        return adjusted

    def _posted(self, code: str) -> dict[str, int]:
        account = self._accounts.get(code)
        if account is None:
            return {}
        with self._db.read() as conn:
            return entries.amounts(conn, account.account_id, EntryKind.ADJUSTMENT, LEVEL_REF)


def _plan(conn: Connection, name: str, now_us: int) -> Plan:
    version = tariffs.version_at(conn, name, now_us)
    return Plan() if version is None else tariffs.plan(conn, version)

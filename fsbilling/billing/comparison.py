"""What recorded calls would cost by other tariffs, months' fees included; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from fsbilling.billing.paid import Paid
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.parties import parties
from fsbilling.clock import local_month
from fsbilling.rating.month import RunningMonth, Talk, fees_micros, span_months
from fsbilling.rating.plan import Plan
from fsbilling.rating.tariff import Tariff
from fsbilling.store import tariffs
from fsbilling.store.cdr_pages import Progress, answered_pages
from fsbilling.store.cdrs import Selection
from fsbilling.store.engine import Database
from fsbilling.store.tariffs import Version


class Bill(msgspec.Struct):
    """What calls come to, in micro-units.

    Attributes:
        calls_micros: The calls, adjustments of levels included.
        fees_micros: Base fees, and what is missing to minimum spends, of whole months.
    """

    calls_micros: int = 0
    fees_micros: int = 0

    @property
    def total_micros(self) -> int:
        """Both."""
        return self.calls_micros + self.fees_micros

    def add(self, other: Bill) -> None:
        """Add up."""
        self.calls_micros += other.calls_micros
        self.fees_micros += other.fees_micros


class Tally(msgspec.Struct):
    """Calls by what was paid, and by what another tariff asks for them.

    Attributes:
        calls: How many both can price.
        unpriced: How many the other tariff has no rate for; they are in no bill of calls.
        months: From the first call's to the last's, by the other tariff's local time.
        paid: What was charged, and the fees of the tariffs that the account has.
        asked: What the other tariff asks for the same calls and months.
    """

    calls: int = 0
    unpriced: int = 0
    months: int = 0
    paid: Bill = msgspec.field(default_factory=Bill)
    asked: Bill = msgspec.field(default_factory=Bill)

    @property
    def extra_micros(self) -> int:
        """How much more the other tariff asks in all; negative: less."""
        return self.asked.total_micros - self.paid.total_micros

    def add(self, other: Tally) -> None:
        """Add up; of months, the most that any of them has."""
        self.calls += other.calls
        self.unpriced += other.unpriced
        self.months = max(self.months, other.months)
        self.paid.add(other.paid)
        self.asked.add(other.asked)


class Offer(msgspec.Struct, frozen=True):
    """What one tariff would ask for an account's calls of one service."""

    version: Version
    tally: Tally


class _Asked:
    """The months of a group of calls under one tariff.

    A package is used, and levels are reached, from the first call counted in each month on, in
    the order in which the calls ended.
    """

    def __init__(self, plan: Plan, tariff_at: Callable[[int], Tariff]) -> None:
        self._plan = plan
        self._tariff_at = tariff_at
        self._months: dict[str, RunningMonth] = {}
        self._tally = Tally()

    def count(self, cdr: Cdr, paid_micros: int) -> None:
        """Count one call, and what was paid for it."""
        key = local_month(cdr.created_us, self._plan.time_zone)
        month = self._months.get(key)
        if month is None:
            month = self._months[key] = RunningMonth(self._tariff_at(cdr.answered_us))
        talk = Talk(*parties(cdr), cdr.answered_us, cdr.duration_us)
        # What a hold did not cover stays waived, as it does when charges are corrected.
        if month.add(talk, cdr.charge_micros if cdr.waived_micros else None) is None:
            self._tally.unpriced += 1
            return
        self._tally.calls += 1
        self._tally.paid.calls_micros += paid_micros

    def tally(self, paid_fees_micros: int) -> Tally:
        """Give what it came to, beside what was paid."""
        tally = self._tally
        tally.paid.fees_micros = paid_fees_micros
        usage = {key: month.usage_micros for key, month in self._months.items()}
        tally.months = span_months(usage)
        tally.asked.calls_micros = sum(usage.values())
        tally.asked.fees_micros = fees_micros(self._plan, usage)
        return tally


def compare(
    db: Database,
    tariff: Tariff,
    selection: Selection,
    paid: Paid,
    on_progress: Progress | None = None,
) -> dict[str, Tally]:
    """Bill every answered call that is chosen by another tariff; the sums by account."""
    accounts: dict[str, _Asked] = {}
    for page in answered_pages(db, selection, on_progress):
        for _, cdr in page:
            if cdr.account not in accounts:
                accounts[cdr.account] = _Asked(tariff.plan, lambda _: tariff)
            accounts[cdr.account].count(cdr, paid.count(cdr.account, cdr))
    return {code: accounts[code].tally(paid.fees_micros(code)) for code in sorted(accounts)}


def offers(
    db: Database,
    book: TariffBook,
    versions: Sequence[Version],
    selection: Selection,
    paid: Paid,
    *,
    on_progress: Progress | None = None,
) -> dict[str, list[Offer]]:
    """Bill an account's answered calls by each version; by service, the cheapest first.

    A tariff that has no rate for some of the calls comes after those that price them all.
    """
    services: dict[str, list[_Asked]] = {}
    with db.read() as conn:
        plans = [tariffs.plan(conn, version) for version in versions]
    for page in answered_pages(db, selection, on_progress):
        for _, cdr in page:
            if cdr.service not in services:
                services[cdr.service] = [
                    _Asked(plan, partial(book.tariff, version))
                    for version, plan in zip(versions, plans, strict=True)
                ]
            paid_micros = paid.count(cdr.service, cdr)
            for asked in services[cdr.service]:
                asked.count(cdr, paid_micros)
    return {
        service: _cheapest_first(
            Offer(version, asked.tally(paid.fees_micros(service)))
            for version, asked in zip(versions, of_service, strict=True)
        )
        for service, of_service in sorted(services.items())
    }


def _cheapest_first(made: Iterable[Offer]) -> list[Offer]:
    return sorted(
        made,
        key=lambda each: (
            each.tally.unpriced,
            each.tally.asked.total_micros,
            each.version.tariff,
        ),
    )

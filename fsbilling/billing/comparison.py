"""What recorded calls would cost by other tables; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fsbilling.billing.reprice import reprice
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr
from fsbilling.errors import Refused
from fsbilling.rating.tariff import Tariff
from fsbilling.store.cdr_pages import Progress, answered_pages
from fsbilling.store.cdrs import Selection
from fsbilling.store.engine import Database
from fsbilling.store.tariffs import Version


class Tally(msgspec.Struct):
    """Calls by what was paid, and by what another table asks for them.

    Attributes:
        calls: How many both can price.
        unpriced: How many the other table has no rate for; they are in no other figure.
        paid_micros: What was charged for the calls.
        asked_micros: What the other table asks for the same calls.
    """

    calls: int = 0
    unpriced: int = 0
    paid_micros: int = 0
    asked_micros: int = 0

    @property
    def extra_micros(self) -> int:
        """How much more the other table asks; negative: less."""
        return self.asked_micros - self.paid_micros

    def count(self, cdr: Cdr, new: Cdr | Refused) -> None:
        """Count one call."""
        if isinstance(new, Refused):
            self.unpriced += 1
            return
        self.calls += 1
        self.paid_micros += cdr.charge_micros
        self.asked_micros += new.charge_micros

    def add(self, other: Tally) -> None:
        """Add up."""
        self.calls += other.calls
        self.unpriced += other.unpriced
        self.paid_micros += other.paid_micros
        self.asked_micros += other.asked_micros


class Offer(msgspec.Struct, frozen=True):
    """What one tariff would ask for an account's calls of one service."""

    version: Version
    tally: Tally


def compare(
    db: Database,
    tariff: Tariff,
    selection: Selection,
    on_progress: Progress | None = None,
) -> dict[str, Tally]:
    """Price every answered call that is chosen by another table; the sums by account."""
    tallies: dict[str, Tally] = {}
    for page in answered_pages(db, selection, on_progress):
        for _, cdr in page:
            tallies.setdefault(cdr.account, Tally()).count(cdr, reprice(cdr, tariff))
    return dict(sorted(tallies.items()))


def offers(
    db: Database,
    book: TariffBook,
    versions: Sequence[Version],
    selection: Selection,
    on_progress: Progress | None = None,
) -> dict[str, list[Offer]]:
    """Price every answered call that is chosen by each version; by service, the cheapest first.

    A tariff that has no rate for some of the calls comes after those that price them all.
    """
    tallies: dict[str, list[Tally]] = {}
    for page in answered_pages(db, selection, on_progress):
        # A page at a time for each table: the book keeps only so many of them in memory.
        for place, version in enumerate(versions):
            for _, cdr in page:
                tariff = book.tariff(version, cdr.answered_us)
                of_service = tallies.setdefault(cdr.service, [Tally() for _ in versions])
                of_service[place].count(cdr, reprice(cdr, tariff))
    return {
        service: _cheapest_first(versions, of_service)
        for service, of_service in sorted(tallies.items())
    }


def _cheapest_first(versions: Sequence[Version], tallies: Sequence[Tally]) -> list[Offer]:
    made = [Offer(version, tally) for version, tally in zip(versions, tallies, strict=True)]
    made.sort(key=lambda each: (each.tally.unpriced, each.tally.asked_micros, each.version.tariff))
    return made

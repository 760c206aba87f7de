"""The months that a run of corrections has looked at, to be settled anew."""

from __future__ import annotations

from fsbilling.billing.foretold import Foretold, payer
from fsbilling.billing.month_due import month_due
from fsbilling.billing.rerated import Report
from fsbilling.billing.resettle import settle_anew, total_micros
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.volume_month import VolumeMonth, may_be_adjusted
from fsbilling.calls.cdr import Cdr
from fsbilling.clock import Clock
from fsbilling.errors import Refused
from fsbilling.store.engine import Database

MAX_MONTHS = 100_000
"""Months remembered; when there are more, those are settled first.

When so many have to wait they are reported, and once more if further calls of theirs come.
"""


class RerateMonths:
    """Each is settled once all its calls have been looked at; what must wait is tried again."""

    def __init__(
        self,
        db: Database,
        book: TariffBook,
        report: Report,
        *,
        clock: Clock,
        foretold: Foretold | None,
    ) -> None:
        self._db = db
        self._book = book
        self._report = report
        self._clock = clock
        self._foretold = foretold
        self._may_be_adjusted: dict[str, bool] = {}
        self._moments_us: dict[VolumeMonth, int] = {}
        self._refused: dict[VolumeMonth, Refused] = {}

    def look_back_on(self, cdr: Cdr) -> bool:
        """Tell whether some version of a call's tariff makes its month look back on it."""
        known = self._may_be_adjusted.get(cdr.tariff)
        if known is None:
            with self._db.read() as conn:
                known = self._may_be_adjusted[cdr.tariff] = may_be_adjusted(conn, cdr.tariff)
        return known

    def note(self, cdr: Cdr) -> None:
        """Remember a call's month, whether its own price was right or not."""
        if not self.look_back_on(cdr):
            return
        month = VolumeMonth.of(cdr)
        if month in self._moments_us:
            return
        if len(self._moments_us) >= MAX_MONTHS:
            self.settle()
        if len(self._moments_us) >= MAX_MONTHS:
            self.give_up()
        self._moments_us[month] = cdr.answered_us

    def settle(self) -> bool:
        """Settle the months anew, those that give money back first; True when one did.

        Those that must wait are tried the next time. Raises StoreError.
        """
        self._refused.clear()
        is_credit_back = False
        for micros, month in sorted(self._with_something_due()):
            is_credit_back |= micros < 0
            self._settle(month)
        self._moments_us = {month: self._moments_us[month] for month in self._refused}
        return is_credit_back

    def give_up(self) -> None:
        """Report what could not be settled the last time, and forget it."""
        for month, refused in self._refused.items():
            self._report.leave_month(month, refused)
        self._refused.clear()
        self._moments_us.clear()

    def _with_something_due(self) -> list[tuple[int, VolumeMonth]]:
        """Look without a lock: live calls wait for no month that is as it should be."""
        found = []
        unlocked = self._foretold or Foretold()
        for month, at_us in self._moments_us.items():
            with self._db.read() as conn:
                account = payer(conn, month.account, unlocked)
                due = month_due(conn, self._book, account, month, at_us=at_us, foretold=unlocked)
            if isinstance(due, Refused):
                self._refused[month] = due
            elif due:
                found.append((total_micros(due), month))
        return found

    def _settle(self, month: VolumeMonth) -> None:
        with self._db.write() if self._foretold is None else self._db.read() as conn:
            due = settle_anew(
                conn,
                self._book,
                payer(conn, month.account, self._foretold),
                month,
                at_us=self._moments_us[month],
                now_us=self._clock.now_us(),
                foretold=self._foretold,
            )
        if isinstance(due, Refused):
            self._refused[month] = due
        else:
            self._report.of(month.account).adjusted_micros += total_micros(due)

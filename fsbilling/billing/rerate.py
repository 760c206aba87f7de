"""Correct what recorded calls were charged, after a table was corrected.

The calls of one account are corrected a few at a time, each batch in one transaction that locks
the account for about 10 ms, as a live call does when it settles. So live calls go on
beside it, and a run that was interrupted is finished by the next one: a call whose price is
right is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from fsbilling.billing.correction import Correction, affordable, recount
from fsbilling.billing.foretold import Foretold, payer
from fsbilling.billing.reprice import correct
from fsbilling.billing.rerated import Report
from fsbilling.billing.rerated_months import RerateMonths
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr
from fsbilling.clock import Clock
from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.money import format_micros
from fsbilling.store import accounts, cdrs, entries, revisions
from fsbilling.store.cdr_pages import Progress, answered_pages
from fsbilling.store.cdrs import Selection
from fsbilling.store.engine import Database

T = TypeVar("T")

BATCH_CALLS = 50
"""Calls of one account that are corrected in one transaction: about 10 ms of its lock."""

MAX_WAITING = 100_000
"""Calls remembered for another try, when all that gives money back has been posted."""

MAX_ROUNDS = 20
"""How often what waits is tried again, as long as that helps; the rest is left."""


class Rerating:
    """One run over the records; `dry` finds out what a run would do, and writes nothing."""

    def __init__(self, db: Database, book: TariffBook, *, clock: Clock, dry: bool = False) -> None:
        self.report = Report()
        self._db = db
        self._book = book
        self._clock = clock
        self._foretold = foretold = Foretold() if dry else None
        self._months = RerateMonths(db, book, self.report, clock=clock, foretold=foretold)
        self._waiting: dict[str, list[tuple[int, int]]] = {}
        self._waiting_calls = 0

    def run(self, selection: Selection, on_progress: Progress | None = None) -> Report:
        """Correct every answered call that is chosen, and settle the months of all that anew.

        A correction that asks for more than the account has free is left and listed: it is never
        posted in part, and never takes what live calls hold (DESIGN rule 1). The same run again,
        after a top-up, posts it. So it is with a month's adjustments.

        Raises StoreError when SQL does not answer; what was posted until then stands, and the
        next run does the rest. Raises InputError when a dry run would have to remember too much.
        """
        for page in answered_pages(self._db, selection, on_progress):
            self._take(page)
        self._months.settle()
        for _ in range(MAX_ROUNDS):
            # What a month gives back may pay for a call, and what a call adds may change a month.
            if not self._try_again() or not self._months.settle():
                break
        self._months.give_up()
        self._give_up()
        return self.report

    def _take(self, page: Sequence[tuple[int, Cdr]]) -> None:
        wrong: dict[str, list[Correction]] = {}
        for cdr_id, cdr in page:
            self.report.of(cdr.account).calls += 1
            self._months.note(cdr)
            new = correct(cdr, self._book)
            if isinstance(new, Refused):
                self.report.leave(cdr, new)
            elif new is not None:
                wrong.setdefault(cdr.account, []).append(Correction(cdr_id, cdr, new))
        for account, found in wrong.items():
            for batch in _batches(found):
                known = {each.cdr_id: each for each in batch if not each.before.revision}
                self._correct(account, [each.cdr_id for each in batch], known)

    def _try_again(self) -> bool:
        """Try what had to wait, the cheapest first; True when some could be corrected now."""
        waiting, self._waiting, self._waiting_calls = self._waiting, {}, 0
        corrected = 0
        for account, calls in waiting.items():
            for batch in _batches([cdr_id for _, cdr_id in sorted(calls)]):
                corrected += self._correct(account, batch, {})
        return corrected > 0

    def _correct(self, code: str, ids: Sequence[int], known: Mapping[int, Correction]) -> int:
        """Correct some calls of one account, all that its credit allows, in one transaction.

        Gives how many. `known` are the corrections that stand unless another run was here
        meanwhile.
        """
        with self._db.write() if self._foretold is None else self._db.read() as conn:
            account = payer(conn, code, self._foretold)
            posted, waiting = affordable(self._corrections(conn, ids, known), account.free_micros)
            if self._foretold is None:
                self._post(conn, account, posted)
        line = self.report.of(code)
        for each in posted:
            line.corrected += 1
            line.before_micros += each.before.charge_micros
            line.after_micros += each.after.charge_micros
            self._months.note(each.after)
            if self._foretold is not None:
                is_looked_back_on = self._months.look_back_on(each.after)
                self._foretold.correct(account, each, is_looked_back_on=is_looked_back_on)
        for each in waiting:
            self._wait(each)
        return len(posted)

    def _corrections(
        self, conn: Connection, ids: Sequence[int], known: Mapping[int, Correction]
    ) -> Iterator[Correction]:
        """Look again, now that the account is locked: another run may have been here first.

        What happened in a call never changes, and each new price counts its revision up: a
        record of the revision that was looked at needs no second pricing.
        """
        untouched = cdrs.never_corrected(conn, known)
        yield from (each for cdr_id, each in known.items() if cdr_id in untouched)
        for cdr_id, cdr in cdrs.among(conn, [each for each in ids if each not in untouched]):
            earlier = revisions.history(conn, cdr.switch, cdr.uuid) if cdr.revision else ()
            new = correct(cdr, self._book, earlier)
            if isinstance(new, Cdr):
                yield Correction(cdr_id, cdr, new)

    def _post(self, conn: Connection, account: Account, posted: Sequence[Correction]) -> None:
        now_us = self._clock.now_us()
        revisions.replace(conn, [(each.before, each.after) for each in posted], now_us)
        for each in posted:
            recount(conn, account, each)
        drafts = [draft for each in posted for draft in each.drafts()]
        entries.post_all(conn, account.account_id, drafts, now_us)
        if posted:
            accounts.revise(conn, account.account_id)

    def _wait(self, correction: Correction) -> None:
        """Try it once more at the end: by then others may have brought money back."""
        cdr = correction.before
        if self._waiting_calls < MAX_WAITING:
            self._waiting_calls += 1
            key = (correction.extra_micros, correction.cdr_id)
            self._waiting.setdefault(cdr.account, []).append(key)
            return
        self.report.leave(cdr, _no_credit(cdr, correction.extra_micros))

    def _give_up(self) -> None:
        for calls in self._waiting.values():
            extra_micros = {cdr_id: micros for micros, cdr_id in calls}
            for batch in _batches(sorted(extra_micros)):
                with self._db.read() as conn:
                    found = cdrs.among(conn, batch)
                for cdr_id, cdr in found:
                    self.report.leave(cdr, _no_credit(cdr, extra_micros[cdr_id]))


def _no_credit(cdr: Cdr, extra_micros: int) -> Refused:
    extra = format_micros(extra_micros)
    detail = f"{extra} more is not free; top up account {cdr.account} and run again"
    return Refused("no_credit", detail)


def _batches(calls: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(calls), BATCH_CALLS):
        yield calls[start : start + BATCH_CALLS]

"""Correct what recorded calls were charged, after a table was corrected.

The calls of one account are corrected a few at a time, each batch in one transaction that locks
the account for about 10 ms, as a live call does when it settles. So live calls go on
beside it, and a run that was interrupted is finished by the next one: a call whose price is
right is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.correction import Correction, affordable, recount
from fsbilling.billing.reprice import correct
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr
from fsbilling.clock import Clock
from fsbilling.errors import Refused, StoreError
from fsbilling.money import format_micros
from fsbilling.store import accounts, cdrs, entries, revisions
from fsbilling.store.cdr_pages import Progress, answered_pages
from fsbilling.store.cdrs import Selection
from fsbilling.store.engine import Database

BATCH_CALLS = 50
"""Calls of one account that are corrected in one transaction: about 10 ms of its lock."""

MAX_WAITING = 100_000
"""Calls remembered for a second try, when all that gives money back has been posted."""

MAX_LISTED = 50
"""Calls that could not be corrected and are listed one by one; all are counted."""


class Left(msgspec.Struct, frozen=True):
    """A call that has a wrong price and keeps it.

    Attributes:
        cdr: Its record.
        refused: Why: `no_credit`, `no_rate` or `no_tariff`.
    """

    cdr: Cdr
    refused: Refused


class Corrected(msgspec.Struct):
    """What was done to the calls of one account.

    Attributes:
        calls: How many were looked at.
        corrected: How many had a wrong price and have the right one now.
        left: How many have a wrong price and keep it.
        before_micros: What the corrected ones had been charged.
        after_micros: What they are charged now.
    """

    calls: int = 0
    corrected: int = 0
    left: int = 0
    before_micros: int = 0
    after_micros: int = 0


class Report(msgspec.Struct):
    """What a run did, by account; `left` has the first `MAX_LISTED` of those left."""

    accounts: dict[str, Corrected] = {}
    left: list[Left] = []

    def of(self, account: str) -> Corrected:
        """Give an account's line."""
        return self.accounts.setdefault(account, Corrected())

    def leave(self, cdr: Cdr, refused: Refused) -> None:
        """Note a call that keeps its wrong price."""
        self.of(cdr.account).left += 1
        if len(self.left) < MAX_LISTED:
            self.left.append(Left(cdr, refused))


class Rerating:
    """One run over the records; `dry` finds out what a run would do, and writes nothing."""

    def __init__(self, db: Database, book: TariffBook, *, clock: Clock, dry: bool = False) -> None:
        self._db = db
        self._book = book
        self._clock = clock
        self._dry = dry
        self._spent_micros: Counter[str] = Counter()
        self._waiting: dict[str, list[tuple[int, int]]] = {}
        self._waiting_calls = 0
        self.report = Report()

    def run(self, selection: Selection, on_progress: Progress | None = None) -> Report:
        """Correct every answered call that is chosen.

        A correction that asks for more than the account has free is left and listed: it is never
        posted in part, and never takes what live calls hold (DESIGN rule 1). The same run again,
        after a top-up, posts it.

        Raises StoreError when SQL does not answer; what was posted until then stands.
        """
        for page in answered_pages(self._db, selection, on_progress):
            self._take(page)
        waiting, self._waiting = self._waiting, {}
        for account, calls in waiting.items():
            for batch in _batches([cdr_id for _, cdr_id in sorted(calls)]):
                self._correct(account, batch, last_try=True)
        return self.report

    def _take(self, page: Sequence[tuple[int, Cdr]]) -> None:
        wrong: dict[str, list[int]] = {}
        for cdr_id, cdr in page:
            self.report.of(cdr.account).calls += 1
            new = correct(cdr, self._book)
            if isinstance(new, Refused):
                self.report.leave(cdr, new)
            elif new is not None:
                wrong.setdefault(cdr.account, []).append(cdr_id)
        for account, ids in wrong.items():
            for batch in _batches(ids):
                self._correct(account, batch)

    def _correct(self, code: str, ids: Sequence[int], *, last_try: bool = False) -> None:
        """Correct some calls of one account: all that its credit allows, in one transaction."""
        with self._transaction() as conn:
            account = accounts.find(conn, code) if self._dry else accounts.lock(conn, code)
            if account is None:
                raise StoreError(f"account {code} has calls, and is not there")
            free_micros = account.free_micros - self._spent_micros[code]
            posted, waiting = affordable(self._corrections(conn, ids), free_micros)
            if not self._dry:
                self._post(conn, account.account_id, posted)
        line = self.report.of(code)
        for each in posted:
            line.corrected += 1
            line.before_micros += each.before.charge_micros
            line.after_micros += each.after.charge_micros
            if self._dry:
                self._spent_micros[code] += each.extra_micros
        for each in waiting:
            self._wait(each, last_try=last_try)

    def _transaction(self) -> AbstractContextManager[Connection]:
        return self._db.read() if self._dry else self._db.write()

    def _corrections(self, conn: Connection, ids: Sequence[int]) -> Iterator[Correction]:
        """Look again, now that the account is locked: another run may have been here first."""
        for cdr_id, cdr in cdrs.among(conn, ids):
            earlier = revisions.history(conn, cdr.switch, cdr.uuid) if cdr.revision else ()
            new = correct(cdr, self._book, earlier)
            if isinstance(new, Cdr):
                yield Correction(cdr_id, cdr, new)

    def _post(self, conn: Connection, account_id: int, posted: Sequence[Correction]) -> None:
        now_us = self._clock.now_us()
        revisions.replace(conn, [(each.before, each.after) for each in posted], now_us)
        for each in posted:
            recount(conn, account_id, each)
        drafts = [draft for each in posted for draft in each.drafts()]
        entries.post_all(conn, account_id, drafts, now_us)

    def _wait(self, correction: Correction, *, last_try: bool) -> None:
        """Try it once more at the end: by then others may have brought money back."""
        cdr = correction.before
        if not last_try and self._waiting_calls < MAX_WAITING:
            self._waiting_calls += 1
            key = (correction.extra_micros, correction.cdr_id)
            self._waiting.setdefault(cdr.account, []).append(key)
            return
        extra = format_micros(correction.extra_micros)
        detail = f"{extra} more is not free; top up account {cdr.account} and run again"
        self.report.leave(cdr, Refused("no_credit", detail))


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), BATCH_CALLS):
        yield ids[start : start + BATCH_CALLS]

"""Bring finished calls to SQL, by way of the journal while SQL is out."""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy import text

from fsbilling.billing.exact import make_exact
from fsbilling.billing.settle import settle, write_down
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.calls.event import HungUp
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import ending_of, settled_cdr
from fsbilling.clock import Clock
from fsbilling.errors import Refused, StoreError
from fsbilling.store.engine import Database
from fsbilling.store.journal import Journal

log = structlog.get_logger(__name__)

CALL_ROOM_BYTES = 2_048
"""What is kept free for each live call: a CDR takes some 1,100."""

MAX_TRIES = 5
"""How often SQL may decline a record, while it answers others, before a person must look."""

JOURNAL_FULL = Refused(
    "journal_full", "the journal has no room for one call more; mend SQL or raise [journal] max_mb"
)


class Finished(msgspec.Struct, frozen=True):
    """One record of the journal: a priced call, and when it was settled."""

    cdr: Cdr
    at_us: int


class Settler:
    """Settles calls once each, in SQL or else in the journal; `play` brings these to SQL.

    While the journal has records, further calls go to it at once: nobody waits for an SQL that
    is out, and calls are settled in their order.
    """

    def __init__(
        self, db: Database, book: TariffBook, clock: Clock, journal: Journal | None = None
    ) -> None:
        self._db = db
        self._book = book
        self._clock = clock
        self._journal = journal
        self._tries = 0

    def settle(self, session: Session, ending: HungUp) -> Cdr | None:
        """Write down a finished call; None when it had been settled before (DESIGN rule 4).

        When this returns the call is on disk, in SQL or in the journal. Raises StoreError when
        it is in neither for sure; settling again is safe.
        """
        now_us, journal = self._clock.now_us(), self._journal
        if journal is None or journal.is_empty:
            try:
                return settle(self._db, self._book, session, ending, now_us=now_us)
            except StoreError as fault:
                if journal is None:
                    raise
                uuid = session.call.uuid
                log.error("settling into the journal", call_uuid=uuid, fault=str(fault))
        cdr = settled_cdr(session, ending)
        journal.append(msgspec.json.encode(Finished(cdr, now_us)))
        return cdr

    def objection(self, live_calls: int) -> Refused | None:
        """Refuse a call when the journal could not take it and every live one: `journal_full`."""
        needed_bytes = (live_calls + 1) * CALL_ROOM_BYTES
        if self._journal is None or self._journal.has_room(needed_bytes):
            return None
        return JOURNAL_FULL

    def play(self) -> int:
        """Settle what the journal holds, oldest first; how many calls that were.

        Raises StoreError when SQL is out: what is left waits for the next time. A record that
        SQL will not take though it answers, or that another version wrote, is set aside.
        """
        journal, played = self._journal, 0
        while journal is not None and (record := journal.first()) is not None:
            try:
                finished = msgspec.json.decode(record, type=Finished)
                outcome = self._post(finished)
            except (msgspec.DecodeError, UnicodeDecodeError) as fault:
                log.error("journal record unreadable, set aside", fault=str(fault))
                journal.set_aside()
                continue
            except StoreError as fault:
                self._give_up(journal, fault)
                continue
            self._tries = 0
            played += 1
            journal.drop_first()
            log.info(outcome, call_uuid=finished.cdr.uuid, account=finished.cdr.account)
        return played

    def _post(self, finished: Finished) -> str:
        """Settle one record; the log's word for what came of it."""
        cdr = finished.cdr
        if write_down(self._db, self._book, cdr, now_us=finished.at_us):
            return "settled from the journal"
        if cdr.end_source is EndSource.ESTIMATE:
            return "settled before"
        # Another daemon, which had not heard of the end, may have had to estimate it.
        ending = ending_of(cdr)
        exact = make_exact(self._db, self._book, cdr, ending, now_us=finished.at_us)
        if isinstance(exact, Refused):
            log.warning("estimate stays", call_uuid=cdr.uuid, refused=str(exact))
        return "made exact from the journal" if isinstance(exact, Cdr) else "settled before"

    def _give_up(self, journal: Journal, fault: StoreError) -> None:
        """Leave the record for later; one that SQL itself declines must not hold up the rest."""
        with self._db.read() as conn:
            conn.execute(text("SELECT 1"))
        self._tries += 1
        if self._tries < MAX_TRIES:
            raise fault
        self._tries = 0
        log.error("journal record declined, set aside", fault=str(fault))
        journal.set_aside()

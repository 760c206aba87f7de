"""Bring finished calls to SQL, by way of the journal while SQL is out."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import structlog

from fsbilling.billing.exact import Exact, make_exact
from fsbilling.billing.granted import place
from fsbilling.billing.risk import Risk
from fsbilling.billing.settle import settle, write_down
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.call import CallKey
from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.calls.event import HungUp
from fsbilling.calls.session import Session
from fsbilling.calls.settlement import ending_of, settled_cdr
from fsbilling.clock import Clock
from fsbilling.errors import Refused, StoreDeclined, StoreError
from fsbilling.store import cdr_keys, holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold
from fsbilling.store.journal import Journal, JournalFull

log = structlog.get_logger(__name__)

CALL_ROOM_BYTES = 2_048
"""What is kept free for each live call: a CDR takes some 1,100."""

MAX_TRIES = 5
"""How often SQL may decline a record before a person must look."""

JOURNAL_FULL = Refused(
    "journal_full", "the journal has no room for one call more; mend SQL or raise [journal] max_mb"
)


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """One record of the journal: a priced call, and when it was settled."""

    cdr: Cdr
    at_us: int


class Granted(msgspec.Struct, frozen=True, tag="granted"):
    """What a call was granted while SQL was out (`billing.outage`)."""

    hold: Hold


class Talking(msgspec.Struct, frozen=True, tag="talking"):
    """When such a call was answered: without it, nobody would charge it who has not heard that."""

    switch: str
    uuid: str
    answered_us: int


Kept = Finished | Granted | Talking


class Settler:
    """Settles calls once each, in SQL or else in the journal; `play` brings these to SQL.

    While the journal has records, further calls go to it at once: nobody waits for an SQL that
    is out, and calls are settled in their order.

    Attributes:
        is_out: SQL is known to be out (`billing.outage`): it is not asked before it is back.
        risk: What is granted in the journal only.
    """

    def __init__(
        self, db: Database, book: TariffBook, clock: Clock, journal: Journal | None = None
    ) -> None:
        self._db = db
        self._book = book
        self._clock = clock
        self._journal = journal
        self._tries = 0
        self.is_out = False
        self.risk = Risk()
        self._take_stock()

    def settle(self, session: Session, ending: HungUp) -> Cdr | None:
        """Write down a finished call; None when it had been settled before (DESIGN rule 4).

        When this returns the call is on disk, in SQL or in the journal. Raises StoreError when
        it is in neither for sure; settling again is safe.
        """
        cdr = self._settle(session, ending)
        call = session.call
        if cdr is None:
            log.warning("settled before", call_uuid=call.uuid, account=call.account)
        else:
            log.info(
                "settled",
                call_uuid=call.uuid,
                account=call.account,
                caller=call.caller.dialled,
                callee=call.callee.dialled,
                billed_s=cdr.billed_s,
                included_s=cdr.included_s,
                duration_us=cdr.duration_us,
                charge_micros=cdr.charge_micros,
                hangup_cause=cdr.hangup_cause,
                hung_up_by=cdr.hung_up_by.value,
            )
        return cdr

    def _settle(self, session: Session, ending: HungUp) -> Cdr | None:
        now_us, journal = self._clock.now_us(), self._journal
        if journal is None or (journal.is_empty and not self.is_out):
            try:
                return settle(self._db, self._book, session, ending, now_us=now_us)
            except StoreError as fault:
                if journal is None:
                    raise
                log.error("SQL did not settle", call_uuid=session.call.uuid, fault=str(fault))
        log.warning("settling into the journal", call_uuid=session.call.uuid)
        cdr = settled_cdr(session, ending)
        journal.append(msgspec.json.encode(Finished(cdr, now_us)))
        self.risk.lower(session.call.key, cdr.charge_micros)
        return cdr

    def keep_grant(self, hold: Hold) -> Refused | None:
        """Put on disk what a call is granted that cannot hold credit; it is at risk until played.

        Refused: `journal_full`, also when there is no journal, or its disk fails.
        """
        key = hold.call.key
        if self._journal is None:
            return JOURNAL_FULL
        self.risk.put(key, hold.call.account, hold.amount_micros)
        try:
            self._journal.append(msgspec.json.encode(Granted(hold)))
        except StoreError as fault:
            if isinstance(fault, JournalFull):
                self.risk.drop(key)
            else:
                # It may be on the disk, and is played then: it stays at risk until that is done.
                self.risk.end(key)
            log.error("grant not kept", call_uuid=hold.call.uuid, fault=str(fault))
            return JOURNAL_FULL
        return None

    def keep_answer(self, key: CallKey, answered_us: int) -> bool:
        """Put on disk when a call with something at risk was answered; False for any other."""
        if self._journal is None or key not in self.risk:
            return False
        self._journal.append(msgspec.json.encode(Talking(*key, answered_us)))
        return True

    def objection(self, live_calls: int) -> Refused | None:
        """Refuse a call when the journal could not take it and every live one: `journal_full`."""
        needed_bytes = (live_calls + 1) * CALL_ROOM_BYTES
        if self._journal is None or self._journal.has_room(needed_bytes):
            return None
        return JOURNAL_FULL

    def play(self) -> int:
        """Settle what the journal holds, oldest first; how many calls that were.

        Raises StoreError when SQL is out: what is left waits for the next time. A record that
        SQL declines, or that another version wrote, is set aside.
        """
        journal, played = self._journal, 0
        while journal is not None and (record := journal.first()) is not None:
            kept: Kept | None = None
            try:
                kept = msgspec.json.decode(record, type=Kept)
                self._play_one(kept)
            except (msgspec.DecodeError, UnicodeDecodeError) as fault:
                log.error("journal record unreadable, set aside", fault=str(fault))
                journal.set_aside()
                continue
            except StoreDeclined as fault:
                self._give_up(journal, kept, fault)
                continue
            self._tries = 0
            played += 1
            journal.drop_first()
        return played

    def _take_stock(self) -> None:
        """Count what the daemon before this one has left at risk in the journal."""
        for record in self._journal.records() if self._journal else ():
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                match msgspec.json.decode(record, type=Kept):
                    case Granted(hold=hold):
                        self.risk.put(hold.call.key, hold.call.account, hold.amount_micros)
                    case Finished(cdr=cdr):
                        self.risk.lower((cdr.switch, cdr.uuid), cdr.charge_micros)

    def _play_one(self, kept: Kept) -> None:
        match kept:
            case Finished(cdr=cdr):
                log.info(self._post(kept), call_uuid=cdr.uuid, account=cdr.account)
            case Granted(hold=hold):
                call = hold.call
                placed = place(self._db, hold)
                self.risk.hold(call.key)
                log.info("granted in an outage", call_uuid=call.uuid, held=placed)
            case Talking(switch=switch, uuid=uuid, answered_us=answered_us):
                with self._db.write() as conn:
                    holds.answered(conn, switch, uuid, answered_us, answered_us)

    def _post(self, finished: Finished) -> str:
        """Settle one record; the log's word for what came of it."""
        cdr = finished.cdr
        if write_down(self._db, self._book, cdr, now_us=finished.at_us):
            return "settled from the journal"
        with self._db.read() as conn:
            if not cdr_keys.is_settled(conn, cdr.switch, cdr.uuid):
                raise StoreDeclined(f"call {cdr.uuid} has neither a hold nor a record")
        if cdr.end_source is EndSource.ESTIMATE:
            return "settled before"
        # Another daemon, which had not heard of the end, may have had to estimate it.
        ending = ending_of(cdr)
        exact = make_exact(self._db, self._book, cdr, ending, now_us=finished.at_us)
        if isinstance(exact, Refused):
            log.warning("estimate stays", call_uuid=cdr.uuid, refused=str(exact))
        if not isinstance(exact, Exact):
            return "settled before"
        if exact.month_left is not None:
            log.warning("month not adjusted", call_uuid=cdr.uuid, refused=str(exact.month_left))
        return "made exact from the journal"

    def _give_up(self, journal: Journal, kept: Kept | None, fault: StoreDeclined) -> None:
        """Leave the record for later; one that is declined again and again must not hold up all."""
        self._tries += 1
        if self._tries < MAX_TRIES:
            raise fault
        self._tries = 0
        log.error("journal record declined, set aside", fault=str(fault))
        if isinstance(kept, Granted):
            self.risk.drop(kept.hold.call.key)
        journal.set_aside()

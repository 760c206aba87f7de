"""Compare the records here with the switch's own (mod_json_cdr), and settle what was missed."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.ending import end_of_call
from fsbilling.billing.evidence import talks_since, was_let_through
from fsbilling.billing.exact import Exact, make_exact
from fsbilling.billing.missed import NO_PACE, Missed
from fsbilling.billing.resume import session_of
from fsbilling.billing.settle import settle
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.clock import US_PER_S, Clock
from fsbilling.errors import Refused
from fsbilling.money import format_micros
from fsbilling.store import cdrs, holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold
from fsbilling.switch.channel import Channel
from fsbilling.switch.record import Record
from fsbilling.switch.witness import Witness

GRACE_US = 10 * US_PER_S
"""A call that ended so lately may be on its way into SQL: nothing is said of it."""

PAGE_ROWS = 1_000


class Kind(StrEnum):
    """How a call differs."""

    UNREADABLE = "unreadable"
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    UNSETTLED = "unsettled"
    ESTIMATE = "estimate"
    ACCOUNT = "account"
    DURATION = "duration"
    CAUSE = "cause"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One call, or one file, on which the two do not agree.

    Attributes:
        kind: How they differ.
        uuid: The billed leg's; for a file that cannot be read, its path.
        account: Who pays, as far as anybody says.
        here: What fsbilling has.
        there: What the switch has.
        applied: It was put right just now.
    """

    kind: Kind
    uuid: str
    account: str = ""
    here: str = ""
    there: str = ""
    applied: bool = False


class Reconciler:
    """One comparison; `legs` counts the billed legs that the switch has.

    Memory: some 80 bytes for each billed leg. Time: one query for each.
    """

    def __init__(
        self,
        db: Database,
        book: TariffBook,
        switch: str,
        clock: Clock,
        *,
        since_us: int = 0,
        apply: bool = False,
        plan: NumberPlan | None = None,
    ) -> None:
        self.legs = 0
        self._db = db
        self._book = book
        self._switch = switch
        self._clock = clock
        self._since_us = since_us
        self._apply = apply
        self._missed = Missed(db, book, switch, plan or NumberPlan()) if apply else None
        self._seen: set[bytes] = set()
        self._first_us = self._last_us = 0

    def compare(self, path: Path, record: Record) -> Iterator[Difference]:
        """Compare one leg of the switch's with what is here."""
        if not _is_billed(record) or record.created_us < self._since_us:
            return
        self.legs += 1
        self._seen.add(_key(record.uuid))
        self._first_us = min(self._first_us or record.created_us, record.created_us)
        self._last_us = max(self._last_us, record.created_us)
        if record.hungup_us > self._clock.now_us() - GRACE_US:
            return
        with self._db.read() as conn:
            found = cdrs.find(conn, record.uuid, self._switch)
            hold = holds.find(conn, self._switch, record.uuid)
        if hold is not None:
            yield from self._unsettled(hold, record, Witness(path.parent))
        elif found and not found[0].refusal:
            yield from self._differing(found[0], record, Witness(path.parent))
        elif not found or record.answered_us or was_let_through(record):
            here = f"refused: {found[0].refusal}" if found else ""
            yield self._missing_here(record, Witness(path.parent), here)

    def missing_there(self) -> Iterator[Difference]:
        """Name the calls here that began while the files run and have none.

        Of no use unless every file of that time was compared.
        """
        their_time = cdrs.Selection(
            since_us=self._since_us or self._first_us, until_us=self._last_us + 1
        )
        after_id = 0
        while self._seen:
            with self._db.read() as conn:
                page = cdrs.page(conn, their_time, after_id=after_id, limit=PAGE_ROWS)
            for row_id, cdr in page:
                after_id = row_id
                is_ours = cdr.switch == self._switch and not cdr.refusal
                if is_ours and _key(cdr.uuid) not in self._seen:
                    yield Difference(
                        kind=Kind.MISSING_THERE,
                        uuid=cdr.uuid,
                        account=cdr.account,
                        here=f"{_seconds(cdr.ended_us, cdr.answered_us)} {cdr.hangup_cause}",
                    )
            if len(page) < PAGE_ROWS:
                return

    def _missing_here(self, record: Record, witness: Witness, here: str) -> Difference:
        """Neither hold nor record: it is settled as a call that was missed, if it may be."""
        there = f"{_seconds(record.hungup_us, record.answered_us)} {record.hangup_cause}"
        settled: Cdr | Refused | None = None
        if self._missed is not None:
            settled = self._missed.settle(record, witness, now_us=self._clock.now_us())
        if isinstance(settled, Refused):
            there += f" ({settled.reason}: {settled.detail})"
        elif settled is not None:
            here = _charged(settled)
        return Difference(
            kind=Kind.MISSING_HERE,
            uuid=record.uuid,
            account=record.variable("fsbilling_account"),
            here=here,
            there=there,
            applied=isinstance(settled, Cdr),
        )

    def _unsettled(self, hold: Hold, record: Channel, witness: Witness) -> Iterator[Difference]:
        """A hold stands though the switch says that the call is over."""
        own = record if hold.leg_uuid == record.uuid else witness.find(hold.leg_uuid)
        ending = end_of_call(own, hold.call.service, witness) if own else None
        applied = False
        if ending is not None and self._apply and hold.call.core_uuid == record.core_uuid:
            session = session_of(hold, NO_PACE)
            answered_us = session.answered_us or ending.answered_us
            session = msgspec.structs.replace(session, answered_us=answered_us)
            now_us = self._clock.now_us()
            settle(self._db, self._book, session, ending, now_us=now_us, is_restored=True)
            applied = True
        yield Difference(
            kind=Kind.UNSETTLED,
            uuid=record.uuid,
            account=hold.call.account,
            here="a hold stands",
            there=_seconds(ending.ended_us, hold.answered_us or ending.answered_us)
            if ending
            else "another leg may live on",
            applied=applied,
        )

    def _differing(self, cdr: Cdr, record: Record, witness: Witness) -> Iterator[Difference]:
        payer = record.variable("fsbilling_account")
        if payer != cdr.account:
            yield Difference(
                kind=Kind.ACCOUNT, uuid=cdr.uuid, account=cdr.account, here=cdr.account, there=payer
            )
        last = record if cdr.last_leg_uuid == record.uuid else witness.find(cdr.last_leg_uuid)
        if last is None:
            return
        if cdr.end_source is EndSource.ESTIMATE:
            yield from self._estimated(cdr, last, witness)
            return
        here = (cdr.answered_us, cdr.ended_us)
        # One that a menu had answered is paid for from the hook's answer on.
        begins = last is record and not talks_since(record)
        there = (record.answered_us if begins else cdr.answered_us, last.hungup_us)
        if here != there:
            yield Difference(
                kind=Kind.DURATION,
                uuid=cdr.uuid,
                account=cdr.account,
                here=_seconds(cdr.ended_us, cdr.answered_us),
                there=_seconds(there[1], there[0]),
            )
        if cdr.hangup_cause not in (last.hangup_cause, record.hangup_cause):
            yield Difference(
                kind=Kind.CAUSE,
                uuid=cdr.uuid,
                account=cdr.account,
                here=cdr.hangup_cause,
                there=last.hangup_cause,
            )

    def _estimated(self, cdr: Cdr, last: Channel, witness: Witness) -> Iterator[Difference]:
        ending = end_of_call(last, cdr.service, witness)
        if ending is None:
            return
        exact: Exact | Refused | None = None
        if self._apply:
            exact = make_exact(self._db, self._book, cdr, ending, now_us=self._clock.now_us())
        refused = ""
        if isinstance(exact, Refused):
            refused = f" ({exact.reason}: {exact.detail})"
        elif exact is not None and exact.month_left is not None:
            left = exact.month_left
            refused = f" (put right, but not its month: {left.reason}: {left.detail}; cdr rerate)"
        yield Difference(
            kind=Kind.ESTIMATE,
            uuid=cdr.uuid,
            account=cdr.account,
            here=_seconds(cdr.ended_us, cdr.answered_us),
            there=_seconds(ending.ended_us, cdr.answered_us or ending.answered_us) + refused,
            applied=isinstance(exact, Exact) and exact.month_left is None,
        )


def _is_billed(record: Channel) -> bool:
    """Tell a leg that is billed by itself: it has a payer, and is no further leg of a paid call.

    A leg without a payer that was allowed had been answered before: the dialplan let it have a
    carrier leg, which is billed by itself.
    """
    call = record.variable("fsbilling_call") or record.uuid
    return call == record.uuid and record.variable("fsbilling_account") != ""


def _key(uuid: str) -> bytes:
    return bytes.fromhex(uuid.replace("-", ""))


def _charged(cdr: Cdr) -> str:
    waived = f", waived {format_micros(cdr.waived_micros)}" if cdr.waived_micros else ""
    return f"charged {format_micros(cdr.charge_micros)}{waived}"


def _seconds(ended_us: int, answered_us: int) -> str:
    talked_us = max(ended_us - answered_us, 0) if answered_us else 0
    return f"{talked_us // US_PER_S}.{talked_us % US_PER_S:06d} s"

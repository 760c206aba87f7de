"""Compare the records here with the switch's own (mod_json_cdr), and settle what was missed."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from fsbilling.billing.ending import left_by_transfer, read_ending
from fsbilling.billing.exact import make_exact
from fsbilling.billing.resume import session_of
from fsbilling.billing.settle import settle
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.call import SERVICE_400
from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.calls.event import HungUp
from fsbilling.calls.pace import Pace
from fsbilling.clock import US_PER_S, Clock
from fsbilling.errors import Refused
from fsbilling.store import cdrs, holds
from fsbilling.store.engine import Database
from fsbilling.store.holds import Hold
from fsbilling.switch.channel import Channel
from fsbilling.switch.witness import Witness

GRACE_US = 10 * US_PER_S
"""A call that ended so lately may be on its way into SQL: nothing is said of it."""

TEARDOWN_US = US_PER_S
"""How long after a leg the switch may take to end the one that it was bridged to."""

PAGE_ROWS = 1_000
_NO_PACE = Pace(renew_lead_us=0, cut_lead_us=0, warn_before_us=0)


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
    ) -> None:
        self.legs = 0
        self._db = db
        self._book = book
        self._switch = switch
        self._clock = clock
        self._since_us = since_us
        self._apply = apply
        self._seen: set[bytes] = set()
        self._first_us = self._last_us = 0

    def compare(self, path: Path, record: Channel) -> Iterator[Difference]:
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
        elif not found or found[0].refusal:
            yield Difference(
                kind=Kind.MISSING_HERE,
                uuid=record.uuid,
                account=record.variable("fsbilling_account"),
                here=f"refused: {found[0].refusal}" if found else "",
                there=f"{_seconds(record.hungup_us, record.answered_us)} {record.hangup_cause}",
            )
        else:
            yield from self._differing(found[0], record, Witness(path.parent))

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

    def _unsettled(self, hold: Hold, record: Channel, witness: Witness) -> Iterator[Difference]:
        """A hold stands though the switch says that the call is over."""
        own = record if hold.leg_uuid == record.uuid else witness.find(hold.leg_uuid)
        ending = _end_of(own, hold.call.service, witness) if own else None
        applied = False
        if ending is not None and self._apply and hold.call.core_uuid == record.core_uuid:
            session = session_of(hold, _NO_PACE)
            answered_us = session.answered_us or ending.answered_us
            session = msgspec.structs.replace(session, answered_us=answered_us)
            settle(self._db, self._book, session, ending, now_us=self._clock.now_us())
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

    def _differing(self, cdr: Cdr, record: Channel, witness: Witness) -> Iterator[Difference]:
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
        there = (last.answered_us if last is record else cdr.answered_us, last.hungup_us)
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
        ending = _end_of(last, cdr.service, witness)
        if ending is None:
            return
        exact: Cdr | Refused | None = None
        if self._apply:
            exact = make_exact(self._db, self._book, cdr, ending, now_us=self._clock.now_us())
        refused = f" ({exact.reason}: {exact.detail})" if isinstance(exact, Refused) else ""
        yield Difference(
            kind=Kind.ESTIMATE,
            uuid=cdr.uuid,
            account=cdr.account,
            here=_seconds(cdr.ended_us, cdr.answered_us),
            there=_seconds(ending.ended_us, cdr.answered_us or ending.answered_us) + refused,
            applied=isinstance(exact, Cdr),
        )


def _is_billed(record: Channel) -> bool:
    """Tell a leg that is billed by itself: it paid, and was let through."""
    call = record.variable("fsbilling_call") or record.uuid
    was_allowed = record.variable("fsbilling_verdict") == "allowed"
    return call == record.uuid and (was_allowed or record.variable("fsbilling_account") != "")


def _end_of(record: Channel, service: str, witness: Witness) -> HungUp | None:
    """Give the end of a call by the end of its leg, or of the one that it left behind.

    None when another leg may have lived on and has no record.
    """
    ending = read_ending(record, source=EndSource.WITNESS)
    if service == SERVICE_400 or not ending.transferred or not ending.other_leg_uuid:
        return ending
    other = witness.find(ending.other_leg_uuid)
    if other is None:
        return None if left_by_transfer(record) else ending
    # The legs of a bridge end milliseconds apart; only a mark makes so little a life of its own.
    teardown_us = 0 if left_by_transfer(record) else TEARDOWN_US
    if other.hungup_us <= ending.ended_us + teardown_us:
        return ending
    return msgspec.structs.replace(ending, leg_uuid=other.uuid, ended_us=other.hungup_us)


def _key(uuid: str) -> bytes:
    return bytes.fromhex(uuid.replace("-", ""))


def _seconds(ended_us: int, answered_us: int) -> str:
    talked_us = max(ended_us - answered_us, 0) if answered_us else 0
    return f"{talked_us // US_PER_S}.{talked_us % US_PER_S:06d} s"

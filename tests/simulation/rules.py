"""DESIGN section 4, held against the switch's own truth: at each commit, and after the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.clock import US_PER_S as S
from fsbilling.credit.slice import FIRST_S
from fsbilling.sim.channel import SimChannel
from fsbilling.sim.plan import Service
from fsbilling.store import cdrs, entries, holds
from fsbilling.store.engine import Database

if TYPE_CHECKING:
    from .node import SimNode
    from .weather import Diary

CUT_LEAD_US = 100_000
LATEST_END_US = S
"""Rule 3: how long after its last paid second a call may live."""
LATE_EVENTS_US = 3 * S
UNSEEN_US = S // 10
"""How long a dialler's call may talk before anybody could refuse it."""
FOUND_US = 45 * S
"""A sweep finds one that began while nobody listened, once all is well for so long."""


class RuleBrokenError(Exception):
    """A rule of DESIGN section 4 does not hold, or one that has only a name."""

    def __init__(self, rule: int | str, what: str) -> None:
        super().__init__(f"rule {rule}: {what}")


class Books:
    """What every commit left behind."""

    def __init__(self) -> None:
        self.commits = 0
        self.answered_us: dict[tuple[str, str], int] = {}
        """From when each call is paid for, as its hold says."""
        self.told_s: dict[tuple[str, str], dict[int, int]] = {}
        """How many seconds each timer that stands in the switch allows, by its number."""
        self.holds: dict[tuple[str, str], tuple[int, int]] = {}
        """The last hold of each call that ever had one: seconds granted, micro-units held."""

    def on_commit(self, conn: Connection) -> None:
        """Look at accounts and holds as this transaction leaves them."""
        self.commits += 1
        run = conn.connection.cursor().execute
        held: dict[int, int] = {}
        for switch, uuid, account, micros, granted_s, answered_us in run(
            "SELECT switch, uuid, account_id, amount_micros, granted_s, answered_us FROM hold"
        ).fetchall():
            held[account] = held.get(account, 0) + micros
            key = switch, uuid
            told_s = min(self.told_s.get(key, {}).values(), default=0)
            if granted_s < told_s:
                raise RuleBrokenError(2, f"{key}: {told_s} s told, {granted_s} s held")
            self.answered_us[key] = answered_us
            self.holds[key] = granted_s, micros
        for account, code, micros, free_micros in run(
            "SELECT id, code, held_micros, balance_micros + credit_limit_micros - held_micros"
            " FROM account"
        ).fetchall():
            if free_micros < 0:
                raise RuleBrokenError(1, f"{code} is overspent by {-free_micros}")
            if micros != held.get(account, 0):
                raise RuleBrokenError(1, f"{code}: {micros} held, holds: {held.get(account, 0)}")

    def granted_s(self, switch: str, uuid: str) -> int:
        """The seconds that a committed hold pays for."""
        return self.holds.get((switch, uuid), (0, 0))[0]

    def check_timer(self, node: SimNode, uuid: str, seq: int, at_us: int) -> None:
        """A timer is never later than the paid seconds (rounded up to a millisecond)."""
        leg = node.switch.legs.get(uuid)
        if leg is None or not leg.answered_us:
            return
        granted_s = self.granted_s(node.name, uuid)
        from_us = self.pays_from_us(node, leg)
        paid_until_us = from_us + granted_s * S
        if at_us > paid_until_us + 1_000:
            raise RuleBrokenError(2, f"{uuid}: a timer {at_us - paid_until_us} us unpaid")
        self.told_s.setdefault((node.name, uuid), {})[seq] = (at_us - from_us) // S

    def drop_timer(self, node: SimNode, uuid: str, seq: int) -> None:
        """The earliest timer that still stands is the one that counts, while the call lives."""
        key = node.name, uuid
        if any(not node.switch.ended_us(leg) for leg in node.switch.legs_of(uuid)):
            self.told_s.get(key, {}).pop(seq, None)
        else:
            self.told_s.pop(key, None)

    def pays_from_us(self, node: SimNode, leg: SimChannel) -> int:
        """When the granted seconds begin: at the answer; a dialler's call, maybe later."""
        if node.plans[leg.uuid].service is not Service.ORIGINATED:
            return leg.answered_us
        return max(leg.answered_us, self.answered_us.get((node.name, leg.uuid), 0))


def check_run(nodes: Sequence[SimNode], db: Database, books: Books, diary: Diary) -> None:
    """Hold a finished run against every rule."""
    with db.read() as conn:
        left = holds.live(conn)
        records = {(cdr.switch, cdr.uuid): cdr for _, cdr in cdrs.page(conn, limit=100_000)}
        faults = entries.verify(conn)
    charges = read_charges(db)
    if left:
        raise RuleBrokenError(4, f"never settled: {[hold.call.uuid for hold in left]}")
    if faults:
        raise RuleBrokenError(9, f"{faults}")
    settled = {key for key, cdr in records.items() if not cdr.refusal}
    if settled != set(books.holds):
        raise RuleBrokenError(4, f"CDRs and holds differ: {settled ^ set(books.holds)}")
    billed = {
        f"{s}/{u}": -cdr.charge_micros for (s, u), cdr in records.items() if cdr.charge_micros
    }
    if billed != charges:
        raise RuleBrokenError(4, f"charges differ from CDRs: {set(billed) ^ set(charges)}")
    for node in nodes:
        for uuid in node.plans:
            leg = node.switch.legs.get(uuid)
            if leg is not None:
                CallCheck(node, leg, records.get((node.name, uuid)), books, diary).check()


def read_charges(db: Database) -> dict[str, int]:
    """Every charge of the ledger by its reference; twice the same breaks rule 4."""
    with db.read() as conn:
        rows = conn.exec_driver_sql("SELECT ref, amount_micros FROM entry WHERE kind = 'charge'")
        charges: dict[str, int] = {}
        for ref, micros in rows:
            if ref in charges:
                raise RuleBrokenError(4, f"{ref} charged twice")
            charges[ref] = micros
    return charges


class CallCheck:
    """One call: what the switch did, and what the CDR says of it."""

    def __init__(
        self, node: SimNode, leg: SimChannel, cdr: Cdr | None, books: Books, diary: Diary
    ) -> None:
        self._node, self._switch, self._leg = node, node.switch, leg
        self._plan = node.plans[leg.uuid]
        self._cdr = cdr
        self._diary = diary
        self._hold = books.holds.get((node.name, leg.uuid))
        self._pays_from_us = books.pays_from_us(node, leg)
        self._end_us = self._billed_end_us()
        self._is_quiet = diary.was_quiet(leg.created_us - 70 * S, self._end_us + 5 * S)

    def check(self) -> None:
        if self._plan.callee in self._switch.emergency:
            self._check_emergency()
        elif self._hold is None:
            self._check_unpaid()
        else:
            assert self._cdr is not None
            self._check_end(self._hold[0])
            self._check_cdr(self._cdr, self._hold[1])
            if self._is_quiet:
                self._check_quiet(self._cdr, self._hold[0])

    def _broken(self, rule: int, what: str) -> RuleBrokenError:
        return RuleBrokenError(rule, f"{self._node.name} {self._leg.uuid}: {what}\n{self._cdr}")

    def _billed_end_us(self) -> int:
        """When the last leg ended that this call pays for: after a transfer, the carrier's."""
        end_us = self._switch.ended_us(self._leg)
        if self.is_transferred:
            carriers = (
                leg
                for leg in self._switch.legs.values()
                if leg.variable("originator") == self._leg.uuid
            )
            end_us = max([end_us, *map(self._switch.ended_us, carriers)])
        return end_us

    @property
    def is_transferred(self) -> bool:
        """The paying leg of an outbound call left, and its carrier leg lived on."""
        transfer = self._plan.transfer
        return (
            transfer is not None
            and transfer.by == "caller"
            and self._plan.service is Service.OUTBOUND
            and self._leg.cause == transfer.cause
        )

    def _check_emergency(self) -> None:
        if self._cdr is not None or self._hold is not None:
            raise self._broken(10, "an emergency call was billed")
        crashed = self._leg.uuid in self._switch.crashed_us
        if not self._leg.answered_us and not crashed and self._plan.outcome == "answer":
            raise self._broken(10, f"an emergency call did not pass: {self._leg.cause}")

    def _check_unpaid(self) -> None:
        talk_us = self._end_us - self._leg.answered_us if self._leg.answered_us else 0
        if talk_us > UNSEEN_US and not self._may_be_unguarded(self._leg.answered_us, self._end_us):
            raise self._broken(3, f"{talk_us} us of talk that nobody pays for")

    def _may_be_unguarded(self, from_us: int, until_us: int) -> bool:
        """A dialler's call has no timer until the link has told of it, and a daemon lives."""
        if self._plan.service is not Service.ORIGINATED or self._is_quiet:
            return False
        return self._diary.quiet_us(from_us, until_us) < FOUND_US

    def _check_end(self, granted_s: int) -> None:
        """Rule 3, dead daemon or not."""
        if not self._leg.answered_us:
            return
        latest_us = self._pays_from_us + granted_s * S + LATEST_END_US
        for leg in self._switch.legs_of(self._leg.uuid):
            late_us = self._switch.ended_us(leg) - latest_us
            if late_us > 0 and not self._may_be_unguarded(latest_us, latest_us + late_us):
                raise self._broken(3, f"leg {leg.uuid} lived {late_us} us too long ({granted_s} s)")

    def _check_cdr(self, cdr: Cdr, held_micros: int) -> None:
        if cdr.charge_micros > held_micros:
            raise self._broken(1, f"charged more than the {held_micros} that was held")
        if cdr.charge_micros and not self._leg.answered_us:
            raise self._broken(6, "an unanswered call was charged")
        if not cdr.answered_us:
            if cdr.charge_micros or (self._leg.answered_us and cdr.end_source == EndSource.EVENT):
                raise self._broken(6, "the answer is missing")
            return
        if not self._leg.answered_us <= cdr.answered_us <= self._pays_from_us:
            raise self._broken(6, f"answered at {self._leg.answered_us}")
        paying_end_us = self._switch.ended_us(self._leg)
        # While events are late, what the switch says otherwise is taken for a sign of life.
        late_us = 0 if self._is_quiet or cdr.end_source != EndSource.ESTIMATE else LATE_EVENTS_US
        if cdr.ended_us > self._end_us + late_us:
            raise self._broken(6, f"{cdr.ended_us - self._end_us} us of silence are billed")
        if cdr.end_source == EndSource.ESTIMATE:
            if self._node.witnesses and cdr.last_leg_uuid not in self._switch.crashed_us:
                raise self._broken(6, "there is a witness, and nobody asked it")
        elif cdr.ended_us not in (self._end_us, paying_end_us):
            raise self._broken(6, f"it ended at {self._end_us}, {paying_end_us}")

    def _check_quiet(self, cdr: Cdr, granted_s: int) -> None:
        """Nothing was wrong: everything is exact, and nobody is ended before his time."""
        duration_us = self._end_us - self._leg.answered_us if self._leg.answered_us else 0
        if cdr.duration_us != duration_us:
            raise self._broken(6, f"{duration_us} us were talked, nothing was wrong")
        if cdr.waived_micros:
            raise self._broken(1, "seconds were given away, nothing was wrong")
        is_cut = cdr.hangup_cause == "ALLOTTED_TIMEOUT"
        # The switch's own timer, which is all that guards the first second, is up to one early.
        early_us = CUT_LEAD_US if granted_s >= FIRST_S else S
        if is_cut and duration_us < granted_s * S - early_us:
            raise self._broken(3, f"ended before the {granted_s} s were over, nothing was wrong")

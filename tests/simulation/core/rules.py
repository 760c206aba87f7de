"""DESIGN section 4 after a run: each call's record against what the switch really did."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import accumulate

from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.clock import US_PER_S as S
from fsbilling.credit.slice import FIRST_S
from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.rating.price import price
from fsbilling.store.hold_rows import Hold

from ..doors import LATENCY_US
from ..memory import entries
from ..memory.books import Books, MemoryDatabase
from ..rules import CUT_LEAD_US, LATE_EVENTS_US, LATEST_END_US, RuleBrokenError
from ..weather import Diary
from .audit import Audit
from .disk import Disk
from .switch import ALLOTTED_TIMEOUT, CoreSwitch, Leg

UNSEEN_US = 3_000 + 2 * LATENCY_US
"""A leg that lives so long after a transfer may be gone before it can be marked and followed: its
event comes through no filter."""


STORE_TROUBLES = (
    "sql_away",
    "sql_slow",
    "sql cut",
    "disk full",
    "sync failed",
    "commit unknown",
    "write ",
    "read ",
)
"""What goes wrong with SQL and disks begins so in the diary."""


class Quiet:
    """Tells in which times nothing went wrong, however much did in others.

    What is `passed_over` counts for nothing: a trouble that begins so.
    """

    def __init__(self, diary: Diary, passed_over: tuple[str, ...] = ()) -> None:
        troubles = sorted(
            (start, end) for start, end, what in diary.troubles if not what.startswith(passed_over)
        )
        self._starts = [start for start, _ in troubles]
        self._latest_ends = list(accumulate((end for _, end in troubles), max))

    def was(self, from_us: int, until_us: int) -> bool:
        begun = bisect_right(self._starts, until_us)
        return not begun or self._latest_ends[begun - 1] < from_us


def check_books(db: MemoryDatabase, audit: Audit, topups: dict[tuple[str, str], int]) -> None:
    """Hold the ledger, the records and the months against each other."""
    books = db.books
    if books.holds:
        raise RuleBrokenError(4, f"never settled: {list(books.holds)}")
    with db.read() as conn:
        faults = entries.verify(conn)
    if faults:
        raise RuleBrokenError(9, f"{faults}")
    settled = {key for key, cdr in books.cdrs.items() if not cdr.refusal}
    if settled != audit.holds.keys():
        raise RuleBrokenError(4, f"CDRs and holds differ: {settled ^ audit.holds.keys()}")
    _check_entries(books, topups)
    _check_months(books)


def check_disks(disks: Iterable[Disk]) -> None:
    """See that nothing waits in a journal for ever, or for a person."""
    for disk in disks:
        if disk.aside.exists():
            raise RuleBrokenError(4, f"set aside: {disk.aside.read_bytes()!r}")
        if disk.path.stat().st_size:
            raise RuleBrokenError(4, f"never played: {disk.path.read_bytes()!r}")


def _check_entries(books: Books, topups: dict[tuple[str, str], int]) -> None:
    """Each is posted once; a call's charges are its record's, less what a correction took back."""
    posted: dict[tuple[str, str, EntryKind], int] = {}
    for (account_id, _seq), entry in books.entries.items():
        key = (books.codes[account_id], entry.ref, entry.kind)
        if key in posted:
            raise RuleBrokenError(4, f"{key} was posted twice")
        posted[key] = entry.amount_micros
    paid: dict[tuple[str, str], int] = {}
    charged: Counter[tuple[str, str]] = Counter()
    for (code, ref, kind), micros in posted.items():
        if kind is EntryKind.TOPUP and ref != "first":
            paid[code, ref] = micros
        elif kind in (EntryKind.CHARGE, EntryKind.REVERSAL):
            charged[code, ref.partition("#")[0]] -= micros
    if paid != topups:
        raise RuleBrokenError(4, f"top-ups: {topups} wanted, {paid} posted")
    billed = {
        (cdr.account, call_ref(*key)): cdr.charge_micros
        for key, cdr in books.cdrs.items()
        if cdr.charge_micros
    }
    charges = {key: micros for key, micros in charged.items() if micros}
    if billed != charges:
        raise RuleBrokenError(4, f"charges and CDRs differ: {billed.items() ^ charges.items()}")


def _check_months(books: Books) -> None:
    """A month's volume and package are what its calls have used."""
    used: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for cdr in books.cdrs.values():
        if cdr.billed_s:
            month = used[cdr.account, cdr.tariff, cdr.month]
            month[0] += cdr.billed_s
            month[1] += 1
            month[2] += cdr.included_s
    for (account_id, tariff, name), usage in books.usages.items():
        counted = [usage.billed_s, usage.calls, usage.included_s]
        if counted != used.pop((books.codes[account_id], tariff, name), [0, 0, 0]):
            raise RuleBrokenError(9, f"{usage} is not what its calls add up to")
    if used:
        raise RuleBrokenError(9, f"months without usage: {list(used)}")


class CoreCheck:
    """One call: what the switch did, and what the CDR says of it."""

    def __init__(
        self,
        switch: CoreSwitch,
        leg: Leg,
        cdr: Cdr | None,
        hold: Hold | None,
        *,
        granted_s: int,
        quiet: Quiet,
        has_witness: bool,
        is_priced_unheld: bool,
        is_at_risk: bool,
        is_heard: bool,
    ) -> None:
        self._switch, self._leg, self._hold = switch, leg, hold
        self._cdr = cdr
        self._granted_s = granted_s
        self._has_witness = has_witness
        self._is_heard = is_heard
        self._is_priced_unheld, self._is_at_risk = is_priced_unheld, is_at_risk
        self._end_us = max(each.ended_us for each in switch.calls[leg.uuid])
        self._is_quiet = quiet.was(leg.created_us - 70 * S, self._end_us + 5 * S)

    def check(self) -> None:
        leg, cdr, hold = self._leg, self._cdr, self._hold
        if hold is None or cdr is None:
            if leg.answered_us:
                raise self._broken(2, "it talked, and nothing was held for it")
            return
        if leg.answered_us:
            late_us = self._end_us - leg.answered_us - self._granted_s * S - LATEST_END_US
            if late_us > 0:
                raise self._broken(3, f"it lived {late_us} us too long ({self._granted_s} s)")
        if cdr.account != leg.plan.owner:
            raise self._broken(7, f"{leg.plan.owner} was to pay")
        self._check_times(cdr)
        self._check_price(cdr, hold)
        if self._is_heard and leg.answered_us and cdr.end_source != EndSource.EVENT:
            raise self._broken(6, "its end was heard, and somebody guessed at it")
        if self._is_quiet:
            if self._is_at_risk:
                raise self._broken(2, "let through without a hold, and nothing was wrong")
            self._check_quiet(cdr)

    def _broken(self, rule: int, what: str) -> RuleBrokenError:
        return RuleBrokenError(rule, f"{self._switch.name} {self._leg.uuid}: {what}\n{self._cdr}")

    def _check_times(self, cdr: Cdr) -> None:
        leg = self._leg
        if cdr.charge_micros and not leg.answered_us:
            raise self._broken(6, "an unanswered call was charged")
        if cdr.answered_us != leg.answered_us and (
            cdr.charge_micros or (leg.answered_us and cdr.end_source == EndSource.EVENT)
        ):
            raise self._broken(6, f"answered at {leg.answered_us}")
        if not cdr.answered_us:
            return
        if cdr.duration_us != max(cdr.ended_us - cdr.answered_us, 0):
            raise self._broken(6, "the duration is not the switch's own")
        late_us = 0 if self._is_quiet or cdr.end_source != EndSource.ESTIMATE else LATE_EVENTS_US
        if cdr.ended_us > self._end_us + late_us:
            raise self._broken(6, f"{cdr.ended_us - self._end_us} us of silence are billed")
        if cdr.end_source == EndSource.ESTIMATE:
            last = self._switch.legs.get(cdr.last_leg_uuid)
            if self._has_witness and last is not None and not last.crashed:
                raise self._broken(6, "there is a witness, and nobody asked it")
        elif cdr.ended_us not in (self._end_us, leg.ended_us):
            raise self._broken(6, f"it ended at {self._end_us}, {leg.ended_us}")

    def _check_price(self, cdr: Cdr, hold: Hold) -> None:
        """The live call, its record and a re-rating ask one function (rule 8).

        In a journal the call was priced by its hold as its daemon knew it: where a renewal was
        never heard of, with less of the package than SQL held (`settle.write_down`).
        """
        included_s = (
            min(hold.included_s, cdr.included_s) if self._is_priced_unheld else hold.included_s
        )
        due = price(hold.terms, cdr.answered_us, cdr.duration_us, included_s)
        if cdr.charge_micros + cdr.waived_micros != due.amount_micros:
            raise self._broken(8, f"its price is {due.amount_micros}")
        if (cdr.billed_s, cdr.included_s) != (due.billed_s, due.included_s):
            raise self._broken(8, f"{due.billed_s} s are billed, {due.included_s} s included")

    def _check_quiet(self, cdr: Cdr) -> None:
        """Nothing was wrong: everything is exact, and nobody is ended before his time."""
        leg, end_us = self._leg, self._end_us
        if end_us - leg.ended_us < UNSEEN_US and cdr.ended_us == leg.ended_us:
            end_us = leg.ended_us
        duration_us = end_us - leg.answered_us if leg.answered_us else 0
        if cdr.duration_us != duration_us:
            raise self._broken(6, f"{duration_us} us were talked, nothing was wrong")
        if cdr.waived_micros:
            raise self._broken(1, "seconds were given away, nothing was wrong")
        early_us = CUT_LEAD_US if self._granted_s >= FIRST_S else S
        is_cut = self._leg.cause == ALLOTTED_TIMEOUT
        if is_cut and duration_us < self._granted_s * S - early_us:
            raise self._broken(
                5, f"ended before the {self._granted_s} s were over, nothing was wrong"
            )

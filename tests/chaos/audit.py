"""The books against what the switch recorded itself: each breach of a promise is one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from witness import US_PER_S, Leg

from .books import Books, Row
from .daemon import RENEW_LEAD_S, SLICE_S

CENT = 10_000
"""Every call costs a cent a second here, so money and paid seconds are the same figure."""

OVERTALK_US = US_PER_S
"""DESIGN rule 3: a call ends at most one second after its last paid one."""

WAIVED_US = OVERTALK_US + (SLICE_S + RENEW_LEAD_S) * US_PER_S
"""Of a call that was first ended by its last sign of life: docs/adr/0006. Credit that it gave back
may be spent when its real end is known, and then a slice is waived, as nobody goes below zero."""


@dataclass
class Audit:
    """One audit; `breaches` says what it found.

    Attributes:
        books: SQL's side.
        legs: The switch's side, by UUID.
        living_core: The FreeSWITCH process that was never killed: of the others' calls, those
            that lived when it was killed have no record.
        topups: What each reference should have paid, in micro-units.
        estimated: Calls that were first ended by their last sign of life.
        overtalk_us: Of each call, how long it talked beyond what it was charged for.
        counts: How the CDRs came about.
    """

    books: Books
    legs: dict[str, Leg]
    living_core: str
    topups: dict[tuple[str, str], int]
    estimated: frozenset[str] = frozenset()
    overtalk_us: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def breaches(self) -> Iterator[str]:
        yield from self._records()
        yield from self._legs()
        yield from self._unpaid_legs()
        yield from self._charges()
        yield from self._payments()
        yield from self._accounts()

    @property
    def billed_legs(self) -> dict[str, Leg]:
        """The legs that pay by themselves."""
        return {
            leg.uuid: leg
            for leg in self.legs.values()
            if leg.account and leg.call in ("", leg.uuid)
        }

    def _records(self) -> Iterator[str]:
        """Each CDR is of a leg that the switch had, as the switch had it."""
        doubled = [
            uuid for uuid, n in Counter(row["uuid"] for row in self.books.cdrs).items() if n > 1
        ]
        yield from (f"doubled: {uuid} has several CDRs" for uuid in doubled)
        for cdr in self.books.cdrs:
            leg = self.legs.get(cdr["uuid"])
            if leg is None:
                yield from self._without_leg(cdr)
            elif not leg.account:
                yield from self._never_begun(cdr, leg)
            else:
                yield from self._compared(cdr, leg)

    def _without_leg(self, cdr: Row) -> Iterator[str]:
        """Only a switch that was killed writes nothing of a call."""
        if cdr["core_uuid"] == self.living_core:
            yield f"made up: {cdr['uuid']} has a CDR, and no leg on a switch that lived"
        elif cdr["end_source"] == "estimate":
            self.counts["estimated: the switch was killed in mid-call"] += 1
        else:
            self.counts["exact though the switch was killed before it wrote them down"] += 1

    def _never_begun(self, cdr: Row, leg: Leg) -> Iterator[str]:
        """The hook's answer did not reach the switch: it refused the call, which costs nothing."""
        self.counts["authorised, but the answer was lost"] += 1
        if leg.answered_us or cdr["charge_micros"]:
            yield f"charged for nothing: {cdr['uuid']}, {cdr['charge_micros']} micros"

    def _compared(self, cdr: Row, leg: Leg) -> Iterator[str]:
        self.counts["compared with mod_json_cdr"] += 1
        duration_us = self._duration_us(cdr, leg)
        here = (cdr["account"], cdr["duration_us"], cdr["billed_s"], cdr["hangup_cause"])
        there = (leg.account, duration_us, -(-duration_us // US_PER_S), leg.cause)
        if here != there:
            yield f"different: {cdr['uuid']} ({cdr['end_source']}) here {here}, there {there}"
        if cdr["end_source"] == "estimate":
            yield f"still an estimate: {cdr['uuid']}"
        if cdr["charge_micros"] + cdr["waived_micros"] != cdr["billed_s"] * CENT:
            yield f"mispriced: {cdr['uuid']}"
        over_us = duration_us - cdr["charge_micros"] * US_PER_S // CENT
        self.overtalk_us[cdr["uuid"]] = max(over_us, 0)
        if over_us > (WAIVED_US if cdr["uuid"] in self.estimated else OVERTALK_US):
            yield f"overspent: {cdr['uuid']} talked {over_us / 1e3:.0f} ms beyond what it paid"

    def _duration_us(self, cdr: Row, leg: Leg) -> int:
        """From the paying leg's answer to the end of the leg that the CDR says was the last."""
        last = self.legs.get(cdr["last_leg_uuid"], leg)
        is_of_call = last is leg or last.call == leg.uuid
        return last.ended_us - leg.answered_us if leg.answered_us and is_of_call else 0

    def _legs(self) -> Iterator[str]:
        """Each leg that pays has its CDR."""
        recorded = {row["uuid"] for row in self.books.cdrs}
        for uuid, leg in self.billed_legs.items():
            if uuid not in recorded:
                yield f"lost: {uuid} of {leg.account}, {leg.duration_us / 1e6:.3f} s, has no CDR"

    def _unpaid_legs(self) -> Iterator[str]:
        """Whoever talked to the carrier did it on a call that has a CDR."""
        recorded = {row["uuid"] for row in self.books.cdrs}
        for leg in self.legs.values():
            talked = leg.direction == "outbound" and leg.answered_us and leg.called != "110"
            if talked and leg.call not in recorded:
                yield f"free of charge: {leg.uuid} talked to {leg.called}, of call {leg.call!r}"

    def _charges(self) -> Iterator[str]:
        """The ledger has of each call what its CDR says, and the first charge once."""
        of_call = self.books.call_entries()
        cdrs = {row["uuid"]: row for row in self.books.cdrs}
        for uuid in of_call.keys() - cdrs.keys():
            yield f"charge without a CDR: {uuid}"
        for uuid, cdr in cdrs.items():
            entries = of_call.get(uuid, [])
            charged = -sum(entry["amount_micros"] for entry in entries)
            if charged != cdr["charge_micros"]:
                yield f"ledger: {uuid} was charged {charged}, its CDR says {cdr['charge_micros']}"
            kinds = Counter((entry["ref"], entry["kind"]) for entry in entries)
            yield from (f"doubled: {kind} of {ref}" for (ref, kind), n in kinds.items() if n > 1)

    def _payments(self) -> Iterator[str]:
        """Each payment came once, and no other did."""
        seen = Counter()
        for entry in self.books.entries:
            if entry["kind"] == "topup":
                seen[entry["code"], entry["ref"], entry["amount_micros"]] += 1
        due = Counter((*key, micros) for key, micros in self.topups.items())
        for payment in seen | due:
            if seen[payment] != due[payment]:
                code, ref, micros = payment
                yield f"payment {ref}: {micros} to {code} came {seen[payment]} times, was due {due[payment]}"

    def _accounts(self) -> Iterator[str]:
        """Nothing is held, nobody is below his limit, and balances are what was moved."""
        yield from (f"hold left: {row['uuid']}" for row in self.books.holds)
        sums = Counter()
        for entry in self.books.entries:
            sums[entry["code"]] += entry["amount_micros"]
        for code, row in self.books.accounts.items():
            if row["held_micros"]:
                yield f"held: {code} has {row['held_micros']} micros set aside for nothing"
            if row["balance_micros"] + row["credit_limit_micros"] < 0:
                yield f"overspent: {code} is at {row['balance_micros']}"
            if row["balance_micros"] != sums[code]:
                yield f"ledger: {code} is at {row['balance_micros']}, entries say {sums[code]}"

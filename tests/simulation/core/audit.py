"""DESIGN section 4 at each commit: what a transaction leaves behind."""

from __future__ import annotations

from collections import defaultdict

from fsbilling.clock import US_PER_S as S
from fsbilling.rating.price import price
from fsbilling.store.hold_rows import Hold

from ..memory.books import CallKey, Transaction
from ..rules import RuleBrokenError
from .switch import CoreSwitch


class Audit:
    """Looks at the rows that each commit has changed, and at no others."""

    def __init__(self) -> None:
        self.commits = 0
        self.switches: dict[str, CoreSwitch] = {}
        self.holds: dict[CallKey, Hold] = {}
        """The last hold of each call that ever had one."""
        self._ended_with_s: dict[CallKey, int] = {}
        """What a call was granted when it ended, where a renewal under way was too late for it."""
        self._held_micros: dict[int, int] = defaultdict(int)
        self._held_s: dict[tuple[int, str, str], int] = defaultdict(int)

    def on_commit(self, conn: Transaction) -> None:
        self.commits += 1
        books = conn.books
        for table, key, before in conn.changes:
            if table is books.holds:
                self._on_hold(conn, key, before)
        for table, key, _before in conn.changes:
            if table is books.accounts:
                account = books.accounts[key]
                held_micros = self._held_micros[account.account_id]
                if account.free_micros < 0:
                    raise RuleBrokenError(1, f"{key} is overspent by {-account.free_micros}")
                if account.held_micros != held_micros:
                    raise RuleBrokenError(
                        1, f"{key}: {account.held_micros} held, holds: {held_micros}"
                    )
            elif table is books.usages:
                used = books.usages[key]
                if used.included_free_s < 0:
                    raise RuleBrokenError(1, f"{key}: the package is overused")
                if used.included_held_s != self._held_s[key]:
                    raise RuleBrokenError(1, f"{key}: {used}, holds: {self._held_s[key]}")

    def granted_s(self, key: CallKey) -> int:
        """The seconds that a committed hold pays for."""
        hold = self.holds.get(key)
        return hold.granted_s if hold else 0

    def talked_on_s(self, key: CallKey) -> int:
        """The seconds that were paid for when the call ended."""
        return self._ended_with_s.get(key) or self.granted_s(key)

    def check_timer(self, switch: CoreSwitch, uuid: str, at_us: int) -> None:
        """A timer is never later than the paid seconds (rounded up to a millisecond)."""
        key, leg = (switch.name, uuid), switch.legs.get(uuid)
        if leg is not None and leg.answered_us:
            granted_s = self.granted_s(key)
            unpaid_us = at_us - leg.answered_us - granted_s * S
            if unpaid_us > 1_000:
                raise RuleBrokenError(2, f"{key}: a timer {unpaid_us} us unpaid")

    def _check_shrunk(self, key: CallKey, hold: Hold) -> None:
        """Seconds that were granted are taken back only once a timer stands that ends them."""
        switch = self.switches[key[0]]
        leg = switch.legs[key[1]]
        if not leg.answered_us:
            if leg.granted_s > hold.granted_s and not leg.ended_us:
                raise RuleBrokenError(2, f"{key}: the switch will grant {leg.granted_s} s: {hold}")
        elif self._alive(key):
            paid_until_us = leg.answered_us + hold.granted_s * S
            if switch.ends_us(key[1]) > paid_until_us + 1_000:
                raise RuleBrokenError(2, f"{key}: shrunk before its timer is: {hold}")

    def _on_hold(self, conn: Transaction, key: CallKey, before: Hold | None) -> None:
        now = conn.books.holds.get(key)
        either = now or before
        if either is None:
            return
        if before is not self.holds.get(key) and before is not None:
            before = self.holds[key]  # changed twice in this transaction
        month = (either.account_id, either.terms.tariff, either.call.month)
        self._held_micros[either.account_id] += _micros(now) - _micros(before)
        self._held_s[month] += _included(now) - _included(before)
        if now is None:
            self._on_settled(conn, key, either)
            return
        self.holds[key] = now
        if before is not None and now.granted_s < before.granted_s:
            self._check_shrunk(key, now)
        elif before is not None and now.granted_s > before.granted_s and not self._alive(key):
            self._ended_with_s.setdefault(key, before.granted_s)
        # The switch knows of the answer even when nobody could note it.
        began_us = self.switches[key[0]].legs[key[1]].answered_us or now.authorised_us
        due = price(now.terms, began_us, now.granted_s * S, now.included_s)
        if now.amount_micros < due.amount_micros:
            raise RuleBrokenError(
                2, f"{key}: {now.granted_s} s cost {due.amount_micros}, held: {now}"
            )

    def _on_settled(self, conn: Transaction, key: CallKey, hold: Hold) -> None:
        cdr = conn.books.cdrs.get(key)
        if cdr is None or cdr.refusal:
            raise RuleBrokenError(4, f"{key}: the hold is gone, and there is no record")
        if cdr.charge_micros > hold.amount_micros:
            raise RuleBrokenError(
                1, f"{key}: charged {cdr.charge_micros}, {hold.amount_micros} held"
            )
        alive = self._alive(key)
        if alive:
            raise RuleBrokenError(5, f"{key}: settled, and legs {alive} live")

    def _alive(self, key: CallKey) -> list[str]:
        """The legs of a call that the switch has not ended."""
        return [leg.uuid for leg in self.switches[key[0]].calls[key[1]] if not leg.ended_us]


def _micros(hold: Hold | None) -> int:
    return hold.amount_micros if hold else 0


def _included(hold: Hold | None) -> int:
    return hold.included_s if hold else 0

"""DESIGN section 4 at each commit: what a transaction leaves behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from fsbilling.clock import US_PER_S as S
from fsbilling.credit.account import Account
from fsbilling.rating.price import price
from fsbilling.store.hold_rows import Hold

from ..memory.books import Books, CallKey, Transaction
from ..rules import RuleBrokenError
from .risks import Risks
from .switch import CoreSwitch

Key, Row = TypeVar("Key"), TypeVar("Row")
ROUNDED_US = 1_000
"""A timer's end is rounded up to a millisecond."""


class Audit:
    """Looks at the rows that each commit has changed, and at no others."""

    def __init__(self, books: Callable[[], Books]) -> None:
        self.commits = 0
        self.risks = Risks(books)
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
                self._on_account(conn, books.accounts[key])
            elif table is books.spending:
                self._on_spent(conn, key)
            elif table is books.usages:
                used = books.usages[key]
                if used.included_free_s < 0:
                    raise RuleBrokenError(1, f"{key}: the package is overused")
                if used.included_held_s != self._held_s[key]:
                    raise RuleBrokenError(1, f"{key}: {used}, holds: {self._held_s[key]}")

    def granted_s(self, key: CallKey) -> int:
        """The seconds that a committed hold pays for, or a grant that is on a disk."""
        hold = self.holds.get(key)
        return max(hold.granted_s if hold else 0, self.risks.granted_s(key))

    def talked_on_s(self, key: CallKey) -> int:
        """The seconds that were paid for when the call ended."""
        ended_with_s = self._ended_with_s.get(key) or self.granted_s(key)
        return max(ended_with_s, self.risks.granted_s(key))

    def unpaid_us(self, switch: CoreSwitch, uuid: str, at_us: int) -> int:
        """By how much a timer is later than the paid seconds (rounded up to a millisecond)."""
        leg = switch.legs.get(uuid)
        if leg is None or not leg.answered_us:
            return 0
        unpaid_us = at_us - leg.answered_us - self.granted_s((switch.name, uuid)) * S
        return unpaid_us if unpaid_us > ROUNDED_US else 0

    def _on_account(self, conn: Transaction, account: Account) -> None:
        held_micros = self._held_micros[account.account_id]
        if account.held_micros != held_micros:
            raise RuleBrokenError(
                1, f"{account.code}: {account.held_micros} held, holds: {held_micros}"
            )
        if account.free_micros < 0 or account.overdraft_micros:
            self._check_overdraft(conn, account)

    def _on_spent(self, conn: Transaction, key: tuple[int, str]) -> None:
        """A day's calls cost what its cap allows, and what each machine may risk beside SQL.

        Not so what a correction charges for seconds that were paid for once (`billing.exact`).
        """
        books = conn.books
        (account_id, period), before_micros = key, _before(conn, books.spending, key) or 0
        is_held = any(table is books.holds for table, _, _ in conn.changes)
        if not is_held or books.spending[key] <= before_micros:
            return
        limits = books.accounts[books.codes[account_id]].limits
        if limits.daily_cap_micros is None or len(period) < len("2026-11-21"):
            return
        risked_micros = (limits.outage_limit_micros or 0) * self.risks.machines
        if books.spending[key] > limits.daily_cap_micros + risked_micros:
            raise RuleBrokenError("cap", f"{key}: {books.spending[key]} spent; {limits}")

    def _check_overdraft(self, conn: Transaction, account: Account) -> None:
        books = conn.books
        before = _before(conn, books.accounts, account.code)
        is_played = any(
            table is books.holds and key in self.risks.granted and key in books.holds
            for table, key, _ in conn.changes
        )
        is_settled = any(table is books.entries for table, _, _ in conn.changes)
        self.risks.check_overdraft(before, account, is_played=is_played, is_settled=is_settled)

    def _check_shrunk(self, key: CallKey, hold: Hold) -> None:
        """Seconds that were granted are taken back only once a timer stands that ends them."""
        switch = self.switches[key[0]]
        leg = switch.legs[key[1]]
        if not leg.answered_us:
            if leg.granted_s > hold.granted_s and not leg.ended_us:
                raise RuleBrokenError(2, f"{key}: the switch will grant {leg.granted_s} s: {hold}")
        elif self._alive(key):
            paid_until_us = leg.answered_us + hold.granted_s * S
            if switch.ends_us(key[1]) > paid_until_us + ROUNDED_US:
                raise RuleBrokenError(2, f"{key}: shrunk before its timer is: {hold}")

    def _on_hold(self, conn: Transaction, key: CallKey, before: Hold | None) -> None:
        now = conn.books.holds.get(key)
        either = now or before
        if either is None:
            return
        if before is not self.holds.get(key) and before is not None:
            before = self.holds[key]  # changed twice in this transaction
        self.risks.hold(key, now)
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
        # The switch knows of the answer even when nobody could note it. One that rings can be
        # answered from now on, whatever the daemon's clock says, and whatever it cost before.
        switch = self.switches[key[0]]
        began_us = switch.legs[key[1]].answered_us or switch.hub.now_us
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


def _before(conn: Transaction, table: dict[Key, Row], key: Key) -> Row:
    """Give a row as it was before this transaction, which has changed it."""
    return next(row for of, changed, row in conn.changes if of is table and changed == key)


def _micros(hold: Hold | None) -> int:
    return hold.amount_micros if hold else 0


def _included(hold: Hold | None) -> int:
    return hold.included_s if hold else 0

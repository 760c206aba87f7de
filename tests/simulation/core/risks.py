"""What calls put at risk while SQL is out, reckoned from the journals alone (docs/adr/0017)."""

from __future__ import annotations

from collections.abc import Callable

from fsbilling.billing.settler import Finished, Granted, Kept
from fsbilling.calls.cdr import Cdr
from fsbilling.credit.account import Account
from fsbilling.store.hold_rows import Hold

from ..memory.books import Books, CallKey
from ..rules import RuleBrokenError


class Risks:
    """Each machine's, by what its journal keeps and SQL does not hold yet.

    Args:
        books: Gives what SQL has.
    """

    def __init__(self, books: Callable[[], Books]) -> None:
        self.granted: dict[CallKey, Hold] = {}
        """What each call may have been granted at risk: it is or was in a journal."""
        self.finished: dict[CallKey, Cdr] = {}
        """The record of each call that may have been in a journal."""
        self.machines = 0
        """How many there are: each may risk the whole amount."""
        self._books = books
        self._kept: set[CallKey] = set()
        """The calls whose grant is on a disk for sure."""
        self._open: dict[CallKey, tuple[str, str, int]] = {}
        """Machine, account and amount of each grant that is not in SQL yet."""

    def write(self, machine: str, kept: Kept) -> None:
        """Take note of what may be on a machine's disk from now on."""
        match kept:
            case Granted(hold=hold):
                self.granted[hold.call.key] = hold
                self._open[hold.call.key] = (machine, hold.call.account, hold.amount_micros)
                held = self._books().holds.get(hold.call.key)
                if held is not None:
                    # SQL took it before it went silent, and nobody heard of that.
                    self.hold(hold.call.key, held)
                self._check(machine, hold)
            case Finished(cdr=cdr):
                key = (cdr.switch, cdr.uuid)
                self.finished[key] = cdr
                if key in self._open:
                    self._open[key] = (machine, cdr.account, cdr.charge_micros)

    def keep(self, kept: Kept) -> None:
        """Take note of what a daemon was just told is on its disk."""
        if isinstance(kept, Granted):
            self._kept.add(kept.hold.call.key)

    def hold(self, key: CallKey, held: Hold | None) -> None:
        """Take note of what SQL holds for a call now; None: it is settled."""
        granted = self.granted.get(key)
        if granted and (held is None or held.amount_micros >= granted.amount_micros):
            self._open.pop(key, None)

    def granted_s(self, key: CallKey) -> int:
        """The seconds that a grant allows which is on a disk for sure."""
        return self.granted[key].granted_s if key in self._kept else 0

    def check_overdraft(
        self, before: Account, now: Account, *, is_played: bool, is_settled: bool
    ) -> None:
        """Hold an account that owes against what it may owe, and how it came to that.

        `is_played`: what it was granted in an outage became a hold just now. `is_settled`: what
        it has paid or was charged was posted.
        """
        if now.free_micros + now.overdraft_micros < 0:
            raise RuleBrokenError(1, f"{now.code} is overspent by {-now.free_micros}")
        limit_micros = now.limits.outage_limit_micros or 0
        owed_micros = max(-now.free_micros, 0)
        if owed_micros > limit_micros * self.machines:
            raise RuleBrokenError(1, f"{now.code} owes {owed_micros}, {limit_micros} may be risked")
        if now.free_micros < min(before.free_micros, 0) and not is_played:
            raise RuleBrokenError(1, f"{now.code} owes already, and more is held: {now}")
        if now.overdraft_micros > before.overdraft_micros and not is_played:
            raise RuleBrokenError(1, f"{now.code} may owe more, and no grant was played: {now}")
        is_raised = now.overdraft_micros > before.overdraft_micros
        if (is_raised or is_settled) and now.overdraft_micros > owed_micros:
            raise RuleBrokenError(1, f"{now.code} may owe more than it does: {now}")

    def _check(self, machine: str, hold: Hold) -> None:
        account = self._books().accounts[hold.call.account]
        limit_micros = account.limits.outage_limit_micros or 0
        if not limit_micros:
            raise RuleBrokenError(2, f"{account.code} is not trusted, and was granted {hold}")
        at_risk_micros = sum(
            micros
            for of_machine, code, micros in self._open.values()
            if (of_machine, code) == (machine, account.code)
        )
        owed_micros = self._owed_micros(account) if self.machines == 1 else 0
        cap_micros = account.limits.daily_cap_micros
        if cap_micros is not None and at_risk_micros > cap_micros:
            raise RuleBrokenError("cap", f"{account.code} has {at_risk_micros} at risk: {account}")
        if at_risk_micros + owed_micros > limit_micros:
            raise RuleBrokenError(
                1,
                f"{account.code} has {at_risk_micros} at risk and owes {owed_micros}; "
                f"{limit_micros} may be",
            )

    def _owed_micros(self, account: Account) -> int:
        """What an account owes once the calls are settled of which the journal knows the end."""
        holds = self._books().holds
        given_back_micros = sum(
            holds[key].amount_micros - cdr.charge_micros
            for key, cdr in self.finished.items()
            if cdr.account == account.code and key in holds
        )
        return max(account.overdraft_micros - given_back_micros, 0)

"""What accounts have at risk: granted while SQL was out, and not yet seen held in SQL."""

from __future__ import annotations

from collections import Counter, deque

from fsbilling.calls.call import CallKey


class Risk:
    """The grants that stand in the journal only; as many as the journal has room for.

    Attributes:
        by_account: What is at risk in all, by account.
        live_calls: How many calls with something at risk are not over, by account.
        unseen: What SQL holds of grants and nobody has read there yet, by account.
        changes: How often a grant was taken out: its account then stands otherwise in SQL.
    """

    def __init__(self) -> None:
        self.by_account: Counter[str] = Counter()
        self.live_calls: Counter[str] = Counter()
        self.unseen: Counter[str] = Counter()
        self.changes = 0
        self._grants: dict[CallKey, tuple[str, int]] = {}
        self._over: set[CallKey] = set()
        self._held: deque[tuple[int, str, int]] = deque()
        """What `unseen` counts, each with the change that it was."""

    def __contains__(self, key: CallKey) -> bool:
        """Tell whether this call has no hold in SQL yet."""
        return key in self._grants

    def put(self, key: CallKey, account: str, micros: int) -> None:
        """Count what a call may cost."""
        self._grants[key] = (account, micros)
        self.by_account[account] += micros
        self.live_calls[account] += 1

    def lower(self, key: CallKey, micros: int) -> None:
        """Count what it did cost: it is over, and waits in the journal."""
        if key not in self._grants or key in self._over:
            return
        account, before_micros = self._grants[key]
        self._grants[key] = (account, micros)
        self.by_account[account] += micros - before_micros
        self.end(key)

    def end(self, key: CallKey) -> None:
        """Take note that a call is over, or never was; what it may cost stays at risk."""
        if key in self._grants and key not in self._over:
            self._over.add(key)
            self.live_calls[self._grants[key][0]] -= 1

    def hold(self, key: CallKey) -> None:
        """Let SQL bear it: its hold is there now, and counted here until somebody has read so."""
        if key in self._grants:
            account, micros = self._grants[key]
            self.drop(key)
            self.unseen[account] += micros
            self._held.append((self.changes, account, micros))

    def seen(self, changes: int) -> None:
        """Take note that the accounts were read after so many `changes`."""
        while self._held and self._held[0][0] <= changes:
            _, account, micros = self._held.popleft()
            self.unseen[account] -= micros

    def drop(self, key: CallKey) -> None:
        """Forget a call whose grant will never be a hold."""
        if key not in self._grants:
            return
        account, micros = self._grants.pop(key)
        self.by_account[account] -= micros
        self.live_calls[account] -= key not in self._over
        self._over.discard(key)
        self.changes += 1

    def micros(self, account: str | None = None) -> int:
        """What is at risk, of one account or in all."""
        return self.by_account.total() if account is None else self.by_account[account]

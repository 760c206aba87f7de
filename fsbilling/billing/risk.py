"""What accounts have at risk: granted while SQL was out, and not yet held in SQL."""

from __future__ import annotations

from collections import Counter

from fsbilling.calls.call import CallKey


class Risk:
    """The grants that stand in the journal only; as many as the journal has room for.

    Attributes:
        by_account: What is at risk in all, by account.
        live_calls: How many calls with something at risk are not over, by account.
        changes: How often a grant was taken out: its account then stands otherwise in SQL.
    """

    def __init__(self) -> None:
        self.by_account: Counter[str] = Counter()
        self.live_calls: Counter[str] = Counter()
        self.changes = 0
        self._grants: dict[CallKey, tuple[str, int]] = {}
        self._over: set[CallKey] = set()

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
        self._over.add(key)
        self.by_account[account] += micros - before_micros
        self.live_calls[account] -= 1

    def drop(self, key: CallKey) -> None:
        """Forget a call whose hold is in SQL now, or whose grant will never be."""
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

"""What accounts have at risk: granted while SQL was out, and not yet held in SQL."""

from __future__ import annotations

from collections import Counter

Key = tuple[str, str]
"""The node's name and the paying channel's UUID."""


class Risk:
    """The grants that stand in the journal only; as many as the journal has room for."""

    def __init__(self) -> None:
        self._grants: dict[Key, tuple[str, int]] = {}

    def __contains__(self, key: Key) -> bool:
        """Tell whether this call has no hold in SQL yet."""
        return key in self._grants

    def put(self, key: Key, account: str, micros: int) -> None:
        """Count what a call may cost."""
        self._grants[key] = (account, micros)

    def lower(self, key: Key, micros: int) -> None:
        """Count what it did cost: it is over, and waits in the journal."""
        if key in self._grants:
            self._grants[key] = (self._grants[key][0], micros)

    def drop(self, key: Key) -> None:
        """Forget a call whose hold is in SQL now."""
        self._grants.pop(key, None)

    def micros(self, account: str | None = None) -> int:
        """What is at risk, of one account or in all."""
        return sum(micros for code, micros in self._grants.values() if account in (None, code))

    def calls(self, account: str) -> int:
        """How many calls of an account have something at risk."""
        return sum(code == account for code, _ in self._grants.values())

    def by_account(self) -> dict[str, int]:
        """What is at risk, by account."""
        found: Counter[str] = Counter()
        for code, micros in self._grants.values():
            found[code] += micros
        return dict(found)

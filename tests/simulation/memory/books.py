"""All tables in memory, and transactions on them that can be undone."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TypeVar

from fsbilling.calls.cdr import Cdr
from fsbilling.credit.account import Account
from fsbilling.credit.usage import Usage
from fsbilling.errors import StoreDeclined
from fsbilling.ledger.entry import Entry
from fsbilling.rating.plan import Plan
from fsbilling.rating.rate import Rate
from fsbilling.store.directory import NumberRow
from fsbilling.store.engine import BOUND_S
from fsbilling.store.hold_rows import Hold
from fsbilling.store.tariffs import Version

Key = TypeVar("Key")
Value = TypeVar("Value")
CallKey = tuple[str, str]


class Books:
    """Each table by its key. The rows are frozen, so that a change puts another one there."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.codes: dict[int, str] = {}
        self.usages: dict[tuple[int, str, str], Usage] = {}
        self.holds: dict[CallKey, Hold] = {}
        self.spending: dict[tuple[int, str], int] = {}
        self.entries: dict[tuple[int, int], Entry] = {}
        self.last_entry: dict[int, Entry] = {}
        self.asked_for: dict[tuple[int, str, str], Entry] = {}
        """Top-ups and adjustments, by account, kind and reference."""
        self.cdrs: dict[CallKey, Cdr] = {}
        self.revisions: dict[tuple[str, str, int], int] = {}
        """When a price that a record had was replaced."""
        self.numbers: dict[str, NumberRow] = {}
        self.lines: dict[tuple[str, str], str] = {}
        self.versions: dict[int, tuple[Version, Plan, tuple[Rate, ...]]] = {}

    def copy(self) -> Books:
        """Give the same books once more: as cheap as their dicts."""
        twin = Books()
        for name, table in vars(self).items():
            setattr(twin, name, dict(table))
        return twin

    def forget(self) -> None:
        """Empty every table."""
        for table in vars(self).values():
            table.clear()


class Transaction:
    """What the store's functions get for a connection; it sees what it has done itself.

    It is kept when its `with` block ends, and undone when that raises.

    Transactions never overlap (no one waits inside of one), as with `accounts.lock` first they
    could only do so for different accounts. That the lock is not forgotten is seen to here.
    """

    __slots__ = ("_locked", "_reads_only", "books", "changes")

    def __init__(self, books: Books, *, reads_only: bool = False) -> None:
        self.books = books
        self.changes: list[tuple[dict[Any, Any], Any, Any]] = []
        """Which row of which table has changed, and what it was before (None: not there)."""
        self._locked: set[int] = set()
        self._reads_only = reads_only

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.undo()

    def put(self, table: dict[Key, Value], key: Key, row: Value) -> None:
        assert not self._reads_only, "a reader may not write"
        self.changes.append((table, key, table.get(key)))
        table[key] = row

    def drop(self, table: dict[Key, Value], key: Key) -> None:
        assert not self._reads_only, "a reader may not write"
        self.changes.append((table, key, table.pop(key)))

    def undo(self) -> None:
        for table, key, before in reversed(self.changes):
            if before is None:
                table.pop(key, None)
            else:
                table[key] = before
        self.changes.clear()

    def lock(self, account_id: int) -> None:
        self._locked.add(account_id)

    def need_lock(self, account_id: int) -> None:
        """Two daemons would overwrite each other's change of an account that is not locked."""
        assert account_id in self._locked, f"account {account_id} is changed without its lock"

    def exec_driver_sql(self, question: str) -> None:
        """Say that SQL answers."""
        assert question == "SELECT 1", question

    def execute(self, *_args: object) -> None:
        raise NotImplementedError("this function of the store has no twin in memory yet")


class MemoryDatabase:
    """`Database` over books in memory."""

    dialect = "memory"
    url = "memory://"

    def __init__(self, books: Books | None = None) -> None:
        self.books = books or Books()

    def write(self) -> Transaction:
        return Transaction(self.books)

    def read(self, bound_s: float = BOUND_S) -> Transaction:
        return Transaction(self.books, reads_only=True)


def check(holds: bool, constraint: str) -> None:
    """Refuse a row as SQL's own checks do."""
    if not holds:
        raise StoreDeclined(f"memory: CHECK constraint failed: {constraint}")

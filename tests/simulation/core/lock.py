"""The switch lock that the simulation grants, and time as the real `daemon.duty` is to see it.

As PostgreSQL grants it (docs/adr/0011): to one session, until that ends or has been silent for
`SILENCE_MS` by the server's clock. A stopped daemon loses it so, and hears of it when it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

from greenlet import getcurrent

from fsbilling.clock import US_PER_S as S
from fsbilling.daemon import duty, errands, vigil
from fsbilling.errors import StoreError
from fsbilling.store.switch_lock import SILENCE_MS

from ..doors import Fate
from .sql import SqlView

SILENCE_US = SILENCE_MS * 1_000
TURN_US = 1_000


class CoreLock:
    """One switch's, as the server keeps it."""

    def __init__(self) -> None:
        self.holder: Standing | None = None
        self.heard_us = 0
        self.waiting: set[Standing] = set()

    def end(self, session: Standing) -> None:
        """A session's connection is gone."""
        self.waiting.discard(session)
        if self.holder is session:
            self.holder = None


class Standing:
    """One daemon's `SwitchLock`: every question may be late, or find SQL away."""

    def __init__(self, lock: CoreLock, fate: Fate, sql: SqlView) -> None:
        self._lock, self._fate, self._sql = lock, fate, sql

    @property
    def is_others(self) -> bool:
        """Whether another daemon has it."""
        return self._lock.holder not in (None, self)

    def take(self) -> bool:
        lock = self._reach()
        is_silent = self._sql.now_us() - lock.heard_us > SILENCE_US
        is_free = lock.holder in (None, self) or is_silent
        if is_free:
            lock.holder, lock.heard_us = self, self._sql.now_us()
            lock.waiting.discard(self)
        else:
            lock.waiting.add(self)
        self._hear()
        return is_free

    def confirm(self) -> bool:
        lock = self._reach()
        if lock.holder is not self or self._sql.now_us() - lock.heard_us > SILENCE_US:
            lock.end(self)
            raise StoreError("simulated: the switch lock is lost")
        lock.heard_us = self._sql.now_us()
        is_awaited = bool(lock.waiting)
        self._hear()
        return is_awaited

    def release(self) -> None:
        self._lock.end(self)

    def _reach(self) -> CoreLock:
        self._fate.wait(self._sql.latency_us // 2, "lock")
        if self._sql.is_cut:
            # The server does not see it before the session has been silent for long.
            raise StoreError("simulated: no way to SQL")
        if self._sql.is_away:
            self._lock.end(self)
            raise StoreError("simulated: SQL is away, and the lock's connection broken")
        return self._lock

    def _hear(self) -> None:
        self._fate.wait(self._sql.latency_us // 2, "lock")


class Turn:
    """One fibre at a time: what `gevent.lock.Semaphore` is to greenlets."""

    def __init__(self) -> None:
        self._is_taken = False

    def __enter__(self) -> None:
        while self._is_taken:
            getcurrent().process.sleep(TURN_US)
        self._is_taken = True

    def __exit__(self, *_fault: object) -> None:
        self._is_taken = False


TWINS = {
    "gevent": SimpleNamespace(sleep=lambda s: getcurrent().process.sleep(round(s * S))),
    "Semaphore": Turn,
    "time": SimpleNamespace(monotonic=lambda: getcurrent().process.now_us / S),
    # Neither of a question's two ways takes longer than half of it.
    "sql_bound": lambda _bound_s: nullcontext(),
    "_now_s": lambda: getcurrent().process.now_us / S,
}
"""What `daemon.duty` knows of time, by its names there."""


@contextmanager
def at_virtual_time() -> Iterator[None]:
    """Let `daemon.duty` live at the simulation's time, for as long as this lasts."""
    real = [(duty, name, getattr(duty, name)) for name in TWINS if hasattr(duty, name)]
    real += [(errands, "gevent", errands.gevent), (vigil, "time", vigil.time)]
    for module, name, _ in real:
        setattr(module, name, TWINS[name])
    try:
        yield
    finally:
        for module, name, value in real:
            setattr(module, name, value)

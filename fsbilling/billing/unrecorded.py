"""Refusals that SQL could not take down: "why was my call refused?" keeps its answer."""

from __future__ import annotations

from collections import deque

import structlog

from fsbilling.calls.cdr import Cdr
from fsbilling.errors import StoreError
from fsbilling.store import cdrs
from fsbilling.store.engine import Database

log = structlog.get_logger(__name__)

MAX_WAITING = 10_000
"""About 20 MB; a refusal costs nobody money, so the next ones are only logged."""

BATCH = 100


class Unrecorded:
    """CDRs of attempts that were refused while SQL was away, to be written when it is back.

    They are kept in memory: a restart loses them, and no money with them.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: deque[Cdr] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, cdr: Cdr, fault: StoreError | None = None) -> None:
        """Keep a refusal for later; `fault` is what kept it from SQL, where that was tried."""
        if fault is not None:
            log.warning("refusal not recorded yet", call_uuid=cdr.uuid, fault=str(fault))
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(cdr)
        else:
            log.error("refusal not recorded", call_uuid=cdr.uuid, reason=cdr.refusal)

    def write(self) -> None:
        """Write what waits. Raises StoreError when SQL is away still; nothing is lost by it."""
        while self._waiting:
            batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
            with self._db.write() as conn:
                for cdr in batch:
                    cdrs.write(conn, cdr)
            for _ in batch:
                self._waiting.popleft()

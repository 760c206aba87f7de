"""How the daemon waits for what could hold everything else up: SQL, and the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent

from fsbilling.errors import StoreError


@contextmanager
def sql_bound(bound_s: float) -> Iterator[None]:
    """Give up a transaction that the server neither ends nor bounds: it is stopped or cut off."""
    with gevent.Timeout(bound_s) as bound:
        try:
            yield
        except gevent.Timeout as fired:
            if fired is not bound:
                raise
            raise StoreError(f"SQL did not answer within {bound_s:g} s") from None


def in_a_thread(job: Callable[[], None]) -> None:
    """Run a blocking job beside the loop; other calls go on meanwhile."""
    gevent.get_hub().threadpool.apply(job)

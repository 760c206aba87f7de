"""A PostgreSQL connection whose waits let other greenlets run, at a tenth of the usual price.

psycopg sees that gevent has patched `select` and then waits by `select.poll`, which gevent makes
anew, with a timer, at each of a call's round trips. One watcher for the life of the connection
does as well.
"""

from __future__ import annotations

from typing import Any, TypeVar

import gevent
from gevent import monkey
from psycopg.abc import PQGen
from psycopg.waiting import READY_R, READY_RW, READY_W

from fsbilling.store.pipelined_connection import PipelinedConnection

R = TypeVar("R")
_READY = {1: READY_R, 2: READY_W, 3: READY_RW}


class GreenletConnection(PipelinedConnection):
    """For a process patched by gevent; `connection_class` says when."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - psycopg's own
        super().__init__(*args, **kwargs)
        self._watchers: dict[int, Any] = {}

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Run one exchange with the server; its own time limits bound it (`store.engine`)."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            wanted = int(next(gen))
            while True:
                gevent.get_hub().wait(self._watcher(wanted))
                wanted = int(gen.send(_READY[wanted]))
        except StopIteration as done:
            result: R = done.value
            return result
        except BaseException:
            # Given up in the middle of an exchange, it can take no other.
            self.close()
            raise

    def _watcher(self, events: int) -> Any:  # noqa: ANN401 - gevent has no types
        watcher = self._watchers.get(events)
        if watcher is None:
            watcher = gevent.get_hub().loop.io(self.pgconn.socket, events)
            self._watchers[events] = watcher
        return watcher


def connection_class() -> type[PipelinedConnection]:
    """Give the class for this process: gevent has patched it, or it waits by itself."""
    return GreenletConnection if monkey.is_module_patched("select") else PipelinedConnection

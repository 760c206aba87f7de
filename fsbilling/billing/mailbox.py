"""One thing at a time for each call, any number of calls at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fsbilling.calls.call import CallKey

MAX_WAITING = 1_000
"""A call gets a handful of events in its life; a thousand waiting means that one is stuck."""

Job = Callable[[], None]


class Mailboxes:
    """Runs the jobs of one key in the order they came, and never two of them at once.

    `spawn` starts a function beside the caller (a gevent pool's `spawn`), or calls it at once
    (in a test at virtual time). Jobs must not raise: a job that does is a fault of ours, and
    goes to `spawn`'s owner, after the jobs behind it have been given another runner.
    """

    def __init__(self, spawn: Callable[[Job], object]) -> None:
        self._spawn = spawn
        self._waiting: dict[CallKey, deque[Job]] = {}

    def post(self, key: CallKey, job: Job) -> bool:
        """Run `job` after every earlier job of `key`; False when too many wait to take it."""
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque([job])
            self._spawn(lambda: self._drain(key))
            return True
        if len(waiting) < MAX_WAITING:
            waiting.append(job)
            return True
        return False

    def has_job(self, key: CallKey) -> bool:
        """Tell whether something happens to this call, or waits to."""
        return key in self._waiting

    def busy(self) -> list[CallKey]:
        """Give the calls that something happens to, or waits to."""
        return list(self._waiting)

    def __len__(self) -> int:
        """How many calls have something to do."""
        return len(self._waiting)

    def _drain(self, key: CallKey) -> None:
        waiting = self._waiting[key]
        try:
            while waiting:
                waiting.popleft()()
        finally:
            if waiting:
                self._spawn(lambda: self._drain(key))
            else:
                del self._waiting[key]

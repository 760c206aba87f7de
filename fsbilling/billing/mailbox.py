"""One thing at a time for each call, any number of calls at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from fsbilling.errors import FsbillingError

MAX_WAITING = 1_000
"""A call gets a handful of events in its life; a thousand waiting means a fault."""

Job = Callable[[], None]


class MailboxFull(FsbillingError):  # noqa: N818 -- says what happened
    """One call has more events waiting than a call can have."""


class Mailboxes:
    """Runs the jobs of one key in the order they came, and never two of them at once.

    `spawn` starts a function beside the caller (a gevent pool's `spawn`), or calls it at once
    (in a test at virtual time). Jobs must not raise: a job that does is a fault of ours, and
    goes to `spawn`'s owner, after the jobs behind it have been given another runner.
    """

    def __init__(self, spawn: Callable[[Job], object]) -> None:
        self._spawn = spawn
        self._waiting: dict[Hashable, deque[Job]] = {}

    def post(self, key: Hashable, job: Job) -> None:
        """Run `job` after every earlier job of `key`."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            if len(waiting) >= MAX_WAITING:
                raise MailboxFull(f"{key}: {MAX_WAITING} events wait for this call")
            waiting.append(job)
            return
        self._waiting[key] = deque([job])
        self._spawn(lambda: self._drain(key))

    def has_job(self, key: Hashable) -> bool:
        """Tell whether something happens to this call, or waits to."""
        return key in self._waiting

    def __len__(self) -> int:
        """How many calls have something to do."""
        return len(self._waiting)

    def _drain(self, key: Hashable) -> None:
        waiting = self._waiting[key]
        try:
            while waiting:
                waiting.popleft()()
        finally:
            if waiting:
                self._spawn(lambda: self._drain(key))
            else:
                del self._waiting[key]

"""Being on duty: of the daemons that serve the same switches, one works and the others wait.

The lock says who (`store.switch_lock`); this is the loop that takes it, keeps saying that it is
alive, and stops the work at once when it cannot say so. A sign of life counts, by this process's
own clock, for less than the server's patience: the two never work together, not even after the
process was stopped and goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import structlog
from gevent.lock import Semaphore

from fsbilling.daemon.patience import sql_bound
from fsbilling.errors import StoreError
from fsbilling.store.switch_lock import SILENCE_MS, SwitchLock

log = structlog.get_logger(__name__)

UNDER_WAY_S = 1.0
"""How long a command may be under way that was let through in time."""

VALID_S = SILENCE_MS / 1_000 - UNDER_WAY_S
"""How long one sign of life counts: so much less than the server's patience."""

BEAT_S = 0.5
"""A holder may stand still for the server's patience but for this, and keeps the lock."""

CONFIRM_S = 2.5
"""An answer may take so long, and the lock is kept; after `VALID_S` it lets nothing through."""

POLL_S = 0.2
"""How often a daemon that waits tries to take the lock."""


class Duty:
    """Takes the lock when it is free, and tells the daemon when to work and when to stop.

    Args:
        lock: The switches' lock.
        begin: Called with the lock just taken; there is work to do when it has returned.
        pause: Called when the lock is lost and nobody is known to have it; the argument says
            whether another daemon was waiting for it.
        hand_over: Called when another daemon has taken it since.
    """

    def __init__(
        self,
        lock: SwitchLock,
        *,
        begin: Callable[[], None],
        pause: Callable[[bool], None],
        hand_over: Callable[[], None],
    ) -> None:
        self._lock = lock
        self._begin = begin
        self._pause = pause
        self._hand_over = hand_over
        self._until_s = 0.0
        self._is_awaited = False
        self._has_worked = False
        self._fault = ""
        self._asking = Semaphore()

    @property
    def is_working(self) -> bool:
        """Whether the last sign of life still counts; asks nobody."""
        return self._is_sure()

    @property
    def is_alone(self) -> bool:
        """Whether this daemon has worked since it took the lock, and none was waiting for it.

        As SQL said last: one that has started since may have taken it from a daemon that hung.
        """
        return self._has_worked and not self._is_awaited

    def may_work(self) -> bool:
        """Whether this daemon works for its switches now; asks, when it is not sure any more.

        An answer says how it was when it was asked: one that lay unread while the process was
        stopped proves nothing now.
        """
        return self._is_sure() or (self._confirm() and self._is_sure())

    def try_now(self) -> bool:
        """Take the lock if it is free, and begin. Raises what `begin` raises."""
        asked_s = _now_s()
        try:
            taken = self._lock.take()
        except StoreError as fault:
            log.debug("switch lock unknown", fault=str(fault))
            return False
        if not taken:
            if self._has_worked:
                self._has_worked = False
                log.error("another daemon has taken over")
                self._hand_over()
            return False
        log.info("on duty")
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise
        self._has_worked = True
        self._until_s = asked_s + VALID_S
        return True

    def keep(self) -> None:
        """Work while the lock is held, wait while it is not; never returns."""
        while True:
            while self._confirm():
                gevent.sleep(BEAT_S)
            if self._has_worked:
                log.error("switch lock lost", awaited=self._is_awaited, fault=self._fault)
                self._pause(self._is_awaited)
            while not self._try_again():
                gevent.sleep(POLL_S)

    def end(self) -> None:
        """Let another daemon take over at once."""
        self._until_s = 0.0
        self._lock.release()

    def _is_sure(self) -> bool:
        return _now_s() < self._until_s

    def _try_again(self) -> bool:
        try:
            return self.try_now()
        except StoreError as fault:
            log.error("duty not begun", fault=str(fault))
            return False

    def _confirm(self) -> bool:
        """Show that we live; a lock that the server still keeps for us was never another's."""
        if not self._has_worked:
            return False
        with self._asking:
            asked_s = _now_s()
            try:
                with sql_bound(CONFIRM_S):
                    self._is_awaited = self._lock.confirm()
            except StoreError as fault:
                log.debug("switch lock not confirmed", fault=str(fault))
                self._fault = str(fault)
                self._until_s = 0.0
                return False
            self._until_s = asked_s + VALID_S
            return True


def _now_s() -> float:
    # Goes on while the machine sleeps, as the server's clock does.
    return time.clock_gettime(time.CLOCK_BOOTTIME)

"""What the daemon does every so often beside its calls, each in a greenlet of its own."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import msgspec
import structlog

from fsbilling.errors import FsbillingError

log = structlog.get_logger(__name__)


class Errand(msgspec.Struct, frozen=True):
    """One of them.

    Attributes:
        every_s: The pause before each time.
        run: What is done; FsbillingError puts it off until the next time.
        undone: What the log says the first time that this happens in a row.
    """

    every_s: float
    run: Callable[[], object]
    undone: str

    def keep(self) -> None:
        """Do it again and again; never returns."""
        is_done = True
        while True:
            gevent.sleep(self.every_s)
            was_done, is_done = is_done, self._try(is_said=not is_done)
            if is_done and not was_done:
                log.info("done again", after=self.undone)

    def _try(self, *, is_said: bool) -> bool:
        try:
            self.run()
        except FsbillingError as fault:
            # An outage of an hour is one line, not ten thousand.
            (log.debug if is_said else log.warning)(self.undone, fault=str(fault))
            return False
        return True

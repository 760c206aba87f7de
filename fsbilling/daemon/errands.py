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
        undone: What the log says then.
    """

    every_s: float
    run: Callable[[], object]
    undone: str

    def keep(self) -> None:
        """Do it again and again; never returns."""
        while True:
            gevent.sleep(self.every_s)
            try:
                self.run()
            except FsbillingError as fault:
                log.warning(self.undone, fault=str(fault))

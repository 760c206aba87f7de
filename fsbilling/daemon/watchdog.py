"""Notice a daemon that hangs: worse than a dead one, as its hook still accepts calls.

A thread of the operating system watches that the event loop comes round, and ends the process
when it does not, so that a service manager starts it anew and another daemon takes over. A
process that is stopped as a whole (SIGSTOP, a debugger) cannot see that itself: for it there is
systemd's own watchdog, fed here (sd_notify(3), Type=notify, WatchdogSec=).
"""

from __future__ import annotations

import faulthandler
import os
import socket

import gevent
from gevent import monkey

STUCK_CHECKS = 10
CHECK_S = 1.0
"""Ten checks a second apart without a turn of the loop: it will not come round any more."""

BEAT_S = 0.5
STUCK_EXIT = 70
"""EX_SOFTWARE of sysexits.h."""


class Watchdog:
    """Watches the loop it is started in."""

    def __init__(self) -> None:
        self._turns = 0
        self._is_over = False

    def start(self) -> gevent.Greenlet:
        """Start the watch; the greenlet that shows that the loop comes round."""
        monkey.get_original("_thread", "start_new_thread")(self._watch, ())
        return gevent.spawn(self._show_life)

    def stop(self) -> None:
        """Stop watching: the loop may end."""
        self._is_over = True

    def _show_life(self) -> None:
        while True:
            self._turns += 1
            notify("WATCHDOG=1")
            gevent.sleep(BEAT_S)

    def _watch(self) -> None:
        sleep = monkey.get_original("time", "sleep")
        seen, checks = -1, 0
        while checks < STUCK_CHECKS:
            sleep(CHECK_S)
            # Checks are counted, not seconds: a process that was stopped as a whole may go on.
            if self._is_over:
                return
            checks = checks + 1 if self._turns == seen else 0
            seen = self._turns
        faulthandler.dump_traceback(all_threads=True)
        os._exit(STUCK_EXIT)


def notify(state: str) -> None:
    """Tell systemd, if it asked to be told: `READY=1`, `STATUS=...`, `WATCHDOG=1`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
            manager.connect(address)
            manager.send(state.encode())
    except OSError:
        # A manager that does not listen draws its own conclusions.
        return

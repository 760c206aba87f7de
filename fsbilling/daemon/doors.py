"""The doors of a daemon at work: the hook that FreeSWITCH asks, the links it is asked by.

A daemon that stands by does not listen: FreeSWITCH's `socket` application goes on to its next
address only when nobody accepts (mod_event_socket.c, socket_function).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent
import structlog

from fsbilling.switch.hook import HookServer
from fsbilling.switch.link import Link

log = structlog.get_logger(__name__)

REBIND_S = 0.5


class Doors:
    """Opens and closes them; `new_hook` makes a hook server that does not listen yet."""

    def __init__(self, new_hook: Callable[[], HookServer], links: Mapping[str, Link]) -> None:
        self._new_hook = new_hook
        self._links = links
        self._hook: HookServer | None = None
        self._opening: gevent.Greenlet | None = None
        self._are_linked = False

    def open(self, *, patient: bool) -> None:
        """Listen and link; open doors stay as they are.

        `patient`: when another process has the hook's address, try again until it has not.
        Otherwise raises OSError.
        """
        is_trying = self._opening is not None and not self._opening.dead
        if self._hook is None and not is_trying and not self._try_hook(patient=patient):
            self._opening = gevent.spawn(self._keep_trying)
        if not self._are_linked:
            for link in self._links.values():
                link.start()
        self._are_linked = True

    def close_hook(self) -> None:
        """Listen no more: FreeSWITCH turns to the next daemon."""
        gevent.killall([greenlet for greenlet in (self._opening,) if greenlet is not None])
        hook, self._hook = self._hook, None
        if hook is not None:
            hook.stop()

    def close(self) -> None:
        """Close the hook, and cut the links."""
        self.close_hook()
        for link in self._links.values():
            link.stop()
        self._are_linked = False

    def _try_hook(self, *, patient: bool) -> bool:
        hook = self._new_hook()
        try:
            hook.start()
        except OSError as fault:
            if not patient:
                raise
            log.error("hook not open", fault=str(fault))
            return False
        self._hook = hook
        log.info("hook open", port=hook.port)
        return True

    def _keep_trying(self) -> None:
        while not self._try_hook(patient=True):
            gevent.sleep(REBIND_S)

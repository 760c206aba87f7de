"""A simulated daemon's post: what `daemon.post` does, with a lock that the simulation grants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fsbilling.daemon import post as real
from fsbilling.daemon.duty import Duty
from fsbilling.daemon.vigil import Vigil

from .lock import Standing

if TYPE_CHECKING:
    from .node import CoreNode


class CorePost:
    """One life's: whether its hook is open and its link wanted, and whether it may command.

    Without a lock (a daemon that is alone) both doors are open once it is ready, and it may.
    """

    def __init__(
        self,
        standing: Standing | None,
        *,
        begin: Callable[[], None],
        on_open: Callable[[], None],
        on_close: Callable[[], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        self._standing = standing
        self.links: dict[str, CoreNode] = {}
        """By switch."""
        self.vigil = Vigil(self.links, self, is_wanted=is_wanted)
        self.is_open = self.is_linked = False
        self._begin_work, self._on_open, self._on_close = begin, on_open, on_close
        self._duty: Duty | None = None
        if standing is not None:
            self._duty = Duty(
                standing, begin=self._begin, pause=self._pause, hand_over=self._hand_over
            )

    def keep(self) -> None:
        """Stay on duty, or wait for it; without a lock work from now on."""
        if self._duty is None:
            self._open()
        else:
            self._duty.keep()

    def may_command(self) -> bool:
        """Whether the switch may be told anything now; may ask, and wait."""
        return self._duty is None or self._duty.may_work()

    @property
    def is_others(self) -> bool:
        """Whether another daemon has the lock."""
        return self._standing is not None and self._standing.is_others

    def leave(self) -> None:
        """The process is dead: so is its connection."""
        if self._standing is not None:
            self._standing.release()

    off_duty = real.Post._off_duty
    """What becomes of a kill that is said off duty: the real one's answer."""

    def open(self, *, patient: bool) -> None:
        """Open the hook; it is the vigil that says so."""
        self.is_open = True

    def close_hook(self) -> None:
        """Close the hook, and leave the link."""
        self.is_open = False

    def linked(self, switch: str) -> None:
        """A link has come up: the switch is told who works."""
        if self._duty is not None and self._duty.may_work():
            self.vigil.claim(switch)

    def _begin(self) -> None:
        self._begin_work()
        self.vigil.end()
        self._open()

    def _open(self) -> None:
        self.is_open = self.is_linked = True
        self._on_open()

    def _pause(self, is_awaited: bool) -> None:
        if is_awaited:
            self.close_hook()
            self.vigil.begin()

    def _hand_over(self) -> None:
        self.vigil.end()
        self.is_open = self.is_linked = False
        self._on_close()

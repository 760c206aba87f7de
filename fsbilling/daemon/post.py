"""A daemon's post at its switches: taken with their lock and left with it, doors and all.

Puts together who works (`duty`), what is open (`doors`), and what is known while SQL cannot say
(`vigil`). Off duty the switch is asked, and told nothing (docs/adr/0011, 0017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent
import structlog

from fsbilling.daemon.doors import Doors
from fsbilling.daemon.duty import Duty
from fsbilling.daemon.vigil import Vigil
from fsbilling.daemon.watchdog import notify
from fsbilling.errors import SwitchError
from fsbilling.store.switch_lock import SwitchLock
from fsbilling.switch.connection import COMMAND_TIMEOUT_S
from fsbilling.switch.hook import HookServer
from fsbilling.switch.link import Link
from fsbilling.switch.node import Api

log = structlog.get_logger(__name__)

QUESTIONS = ("uuid_dump ", "show ", "global_getvar ", "strmicroepoch")
"""Commands that change nothing in the switch: asked on duty and off."""


class Post:
    """One daemon's.

    Args:
        begin: Called on duty before the doors open: another daemon may have moved the holds on.
        look_round: Called when they are open.
        put_down: Called when another daemon has taken over.
        is_wanted: Whether calls may be let through while SQL is out.
    """

    def __init__(
        self,
        lock: SwitchLock,
        links: Mapping[str, Link],
        *,
        new_hook: Callable[[], HookServer],
        begin: Callable[[], None],
        look_round: Callable[[], None],
        put_down: Callable[[], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        self._links = links
        self._begin_work = begin
        self._look_round = look_round
        self._put_down = put_down
        self._is_first = True
        self._duty = Duty(lock, begin=self._begin, pause=self._pause, hand_over=self._hand_over)
        self._doors = Doors(new_hook, links)
        self.vigil = Vigil(links, self._doors, is_wanted=is_wanted)

    @property
    def is_held(self) -> bool:
        """Whether this daemon works now; asks nobody."""
        return self._duty.is_working

    def take(self) -> None:
        """Work, or stand by for the daemon that does. Raises what `begin` and the doors raise."""
        if not self._duty.try_now():
            log.info("standing by: another daemon works for", switches=[*self._links])
            notify("STATUS=standing by")
        self._is_first = False

    def keep(self) -> None:
        """Stay on duty, or wait for it; never returns."""
        self._duty.keep()

    def close(self) -> None:
        """Let nobody in any more."""
        self._doors.close()

    def leave(self) -> None:
        """Let another daemon take over at once."""
        self._duty.end()

    def linked(self, switch: str) -> None:
        """A link has come up: the switch is told who works, before it tells what happens."""
        if self._duty.may_work():
            self.vigil.claim(switch)

    def api(self, link: Link) -> Api:
        """Let commands through only while this daemon is on duty for its switches."""

        def api(command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
            if not command.startswith(QUESTIONS) and not self._duty.may_work():
                command = self._off_duty(link, command)
            return link.api(command, timeout_s)

        return api

    def _off_duty(self, link: Link, command: str) -> str:
        """Let an unpaid call be ended also without SQL, where no other daemon can have taken it.

        The switch itself says so: whoever works has told it before it hears of any call there.
        Raises SwitchError for all other commands.
        """
        if command.startswith("uuid_kill "):
            if self._duty.is_alone:
                return self.vigil.unless_anothers(link, command)
            if self.vigil.is_ours():
                return command
            if self.vigil.is_kept:
                return self.vigil.while_ours(command)
        raise SwitchError("not on duty: another daemon may be")

    def _begin(self) -> None:
        self._begin_work()
        self._doors.open(patient=not self._is_first)
        self.vigil.end()
        for switch, link in self._links.items():
            if link.is_up:
                # Beside: a switch that is slow to answer must not cost the lock just taken.
                gevent.spawn(self.vigil.claim, switch)
        self._look_round()
        notify("STATUS=on duty")

    def _pause(self, is_awaited: bool) -> None:  # noqa: FBT001
        """Leave the switch alone; what ends meanwhile is still settled.

        With another daemon waiting, the hook closes, so that FreeSWITCH turns to the other's.
        """
        notify("STATUS=the switch lock is lost")
        if is_awaited:
            self._doors.close_hook()
            self.vigil.begin()

    def _hand_over(self) -> None:
        """Forget the calls that are another daemon's now, and wait."""
        notify("STATUS=standing by")
        self.vigil.end()
        self._doors.close()
        self._put_down()

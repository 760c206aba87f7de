"""One switch with its daemons beside it: one that works, and perhaps one that stands by."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from fsbilling.clock import US_PER_S as S
from fsbilling.errors import Refused
from fsbilling.switch.channel import Channel

from ..doors import LATENCY_US, Fate
from ..life import HOOK_DEADLINE_US
from ..rules import RuleBrokenError
from .life import CoreLife
from .lock import CoreLock
from .node import CoreNode, channel_of
from .seat import Seat
from .switch import CoreSwitch, Leg

if TYPE_CHECKING:
    from .play import CoreRun

UNDECIDED = "NORMAL_TEMPORARY_FAILURE"
CLOCK_STEPS = (-30, -2, -1, 1, 2, 30)


class CorePlace:
    """What `simulation.node.SimNode` is to a whole switch."""

    def __init__(
        self,
        name: str,
        run: CoreRun,
        *,
        shuffle: float,
        double: float,
        has_lock: bool,
        has_standby: bool,
        seed: object,
    ) -> None:
        self.name, self.hub = name, run.hub
        self._run, self._diary = run, run.diary
        self._shuffle, self._double = shuffle, double
        self._draw = random.Random(f"{name}/{seed}")
        self.switch = CoreSwitch(name, run.hub, self._draw, ask=self._ask, tell=self._tell)
        self.lock = CoreLock() if has_lock else None
        names = (name, f"{name} standby") if has_standby else (name,)
        run.audit.risks.machines += len(names)
        self.seats = [Seat(each, self, run, self._draw) for each in names]
        self.is_calm = self.events_are_late = self.commands_are_late = False
        self._waiting: dict[Leg, CoreLife] = {}
        self._link_shut_until_us = 0

    @property
    def is_reachable(self) -> bool:
        """Whether a link can be made."""
        return self.hub.now_us >= self._link_shut_until_us

    def find(self, uuid: str) -> Channel | None:
        """A `Witness`: the record of a leg that was reported over."""
        leg = self.switch.legs.get(uuid)
        if leg is None or not leg.ended_us or leg.crashed:
            return None
        return channel_of(leg, self.hub.now_us)

    def start(self) -> None:
        """Start its daemons."""
        for seat in self.seats:
            seat.start_life()

    def close(self) -> None:
        """End them for good, without a word."""
        for seat in self.seats:
            seat.end()
        self.switch.forget()

    def spell(self, kind: str, us: int) -> None:
        """Let something go wrong here for a while."""
        now_us = self.hub.now_us
        seat = self.seats[0] if len(self.seats) == 1 else self._draw.choice(self.seats)
        self._diary.trouble(now_us, now_us + us, f"{self.name} {kind}")
        if kind == "daemon_down":
            seat.kill_life(None, us)
        elif kind == "freeze":
            seat.freeze(us)
        elif kind == "switch_restart":
            self.switch.restart()
            self._waiting.clear()
            self._shut_link(us)
        elif kind == "link_down":
            self._shut_link(us)
        elif kind == "clock_step":
            seat.machine_clock.offset_us += self._draw.choice(CLOCK_STEPS) * S // 2
        elif kind == "events_late":
            self._slow_down(events=True)
            self.hub.after(us, lambda: self._slow_down(events=False))
        elif kind == "commands_late":
            self._slow_down(commands=True)
            self.hub.after(us, lambda: self._slow_down(commands=False))

    def calm_down(self) -> None:
        """From now on nothing goes wrong."""
        self.is_calm = True
        self._slow_down(events=False, commands=False)
        self._link_shut_until_us = 0
        for seat in self.seats:
            seat.calm_down()

    def hang_up_on_callers_of(self, life: CoreLife) -> None:
        """Its process is dead, and so are the sockets of those who wait in its hook."""
        for leg, asked in list(self._waiting.items()):
            if asked is life:
                self._give_up(leg)

    def _slow_down(self, *, events: bool | None = None, commands: bool | None = None) -> None:
        if events is not None:
            self.events_are_late = events
        if commands is not None:
            self.commands_are_late = commands
        for seat in self.seats:
            if seat.life is not None:
                self._tell_how_late(seat.life.node)

    def _tell_how_late(self, node: CoreNode) -> None:
        node.events_are_late, node.commands_are_late = self.events_are_late, self.commands_are_late

    def _shut_link(self, us: int) -> None:
        self._link_shut_until_us = max(self._link_shut_until_us, self.hub.now_us + us)
        for seat in self.seats:
            seat.lose_link(us)

    def make_node(self, fate: Fate, **handlers) -> CoreNode:
        node = CoreNode(
            self.switch,
            fate,
            unpaid_us=self._run.audit.unpaid_us,
            shuffle=self._shuffle,
            double=self._double,
            **handlers,
        )
        self._tell_how_late(node)
        return node

    def _tell(self, name: str, leg: Leg) -> None:
        if self._diary.verbose:
            self._diary.tell(self.hub.now_us, f"{self.name} {name} {leg.uuid[:8]} {leg.cause}")
        for seat in self.seats:
            if seat.life is not None:
                seat.life.node.tell(name, leg)

    def _ask(self, leg: Leg) -> None:
        """A caller comes to the hook: the first of the switch's addresses where one is open."""
        seat = next((each for each in self.seats if each.life and each.life.post.is_open), None)
        if seat is None or seat.life is None:
            self.switch.end(leg, UNDECIDED, "")
            return
        life, fate = seat.life, seat.fate
        self._waiting[leg] = life
        life.process.spawn(lambda: self._converse(life, fate, leg))
        self.hub.after(HOOK_DEADLINE_US, lambda: self._give_up(leg))

    def _give_up(self, leg: Leg) -> None:
        """The socket is closed, or its time is over: the dialplan goes on without an answer."""
        if leg in self._waiting:
            del self._waiting[leg]
            self.switch.end(leg, UNDECIDED, "")

    def _converse(self, life: CoreLife, fate: Fate, leg: Leg) -> None:
        fate.wait(LATENCY_US, "connect")
        if leg not in self._waiting or leg.ended_us:
            return
        verdict = life.decide(leg)
        fate.wait(LATENCY_US, "decided")
        is_waiting = leg in self._waiting
        self._waiting.pop(leg, None)
        if isinstance(verdict, Refused):
            if is_waiting:
                self.switch.end(leg, verdict.reason, "")
            return
        session = verdict.session
        assert session is not None, "no channel here is part of another call"
        if session.granted_s > self._run.audit.granted_s((self.name, leg.uuid)):
            raise RuleBrokenError(2, f"{leg.uuid} was told of {session.granted_s} s nothing holds")
        taken = is_waiting and self.switch.let_ring(leg, session.call.account, session.granted_s)
        fate.wait(LATENCY_US, "answered")
        if not taken or fate.strikes(fate.weather.api_unanswered):
            life.abandoned(leg)

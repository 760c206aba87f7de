"""One switch with its daemon's core beside it: one life after the other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from fsbilling.clock import US_PER_S as S
from fsbilling.errors import Refused
from fsbilling.switch.channel import Channel

from ..doors import LATENCY_US, Fate, SqlDoor
from ..hub import Process
from ..life import HOOK_DEADLINE_US
from ..node import MachineClock
from ..rules import RuleBrokenError
from .life import CoreLife
from .node import CoreNode, channel_of
from .switch import CoreSwitch, Leg

if TYPE_CHECKING:
    from .play import CoreRun

UNDECIDED = "NORMAL_TEMPORARY_FAILURE"
CLOCK_STEPS = (-30, -2, -1, 1, 2, 30)


class CorePlace:
    """What `simulation.node.SimNode` is to a whole switch."""

    def __init__(self, name: str, run: CoreRun, *, shuffle: float, double: float, seed: object):
        self.name, self.hub = name, run.hub
        self._run, self._diary = run, run.diary
        self._shuffle, self._double = shuffle, double
        self._draw = random.Random(f"{name}/{seed}")
        self.machine_clock = MachineClock(run.hub, run.weather.clock_offset_us)
        self.switch = CoreSwitch(name, run.hub, self._draw, ask=self._ask, tell=self._tell)
        self.life: CoreLife | None = None
        self.is_calm = self.events_are_late = self.commands_are_late = False
        self._waiting: dict[Leg, None] = {}
        self._link_shut_until_us = 0

    def find(self, uuid: str) -> Channel | None:
        """A `Witness`: the record of a leg that was reported over."""
        leg = self.switch.legs.get(uuid)
        if leg is None or not leg.ended_us or leg.crashed:
            return None
        return channel_of(leg, self.hub.now_us)

    def start_life(self) -> None:
        """Start a daemon; its link comes up a moment later."""
        run, process = self._run, Process(self.hub, self.name)
        fate = Fate(self._draw, run.weather, self._diary, process, restless=run.restless)
        fate.is_calm = self.is_calm
        fate.on_kill = lambda: self.kill_life(process, self._draw.randint(0, 20 * S))
        self.fate = fate
        self.life = CoreLife(
            fate,
            SqlDoor(run.db, fate, run.sql),
            run.shop.book,
            run.shop.regions,
            make_node=self._make_node,
            machine_clock=self.machine_clock,
            steady_clock=MachineClock(self.hub, self.machine_clock.offset_us),
            witness=self if run.weather.witnessed else None,
        )
        self._diary.tell(self.hub.now_us, f"{self.name} daemon started")
        self._connect_later(self._draw.randint(0, S // 2))

    def kill_life(self, process: Process | None, down_us: int) -> None:
        """End the daemon as by kill -9, and start another one after a while."""
        life = self.life
        if life is None or (process is not None and life.process is not process):
            return
        now_us = self.hub.now_us
        self._diary.trouble(now_us, now_us + down_us + S, f"{self.name} daemon down")
        self.life = None
        life.node.drop()
        life.process.kill()
        for leg in list(self._waiting):
            self._give_up(leg)
        self.hub.after(down_us, lambda: self.life or self.start_life())

    def spell(self, kind: str, us: int) -> None:
        """Let something go wrong here for a while."""
        now_us = self.hub.now_us
        self._diary.trouble(now_us, now_us + us, f"{self.name} {kind}")
        if kind == "daemon_down":
            self.kill_life(None, us)
        elif kind == "freeze" and self.life is not None:
            self.life.process.freeze(us)
        elif kind == "switch_restart":
            self.switch.restart()
            self._waiting.clear()
            self._shut_link(us)
        elif kind == "link_down":
            self._shut_link(us)
        elif kind == "clock_step":
            self.machine_clock.offset_us += self._draw.choice(CLOCK_STEPS) * S // 2
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
        if self.life is None:
            self.start_life()
        else:
            self.fate.is_calm = True
            self.life.process.frozen_until_us = 0
            self._connect_later(0)

    def _slow_down(self, *, events: bool | None = None, commands: bool | None = None) -> None:
        if events is not None:
            self.events_are_late = events
        if commands is not None:
            self.commands_are_late = commands
        if self.life is not None:
            self._tell_how_late(self.life.node)

    def _tell_how_late(self, node: CoreNode) -> None:
        node.events_are_late, node.commands_are_late = self.events_are_late, self.commands_are_late

    def _shut_link(self, us: int) -> None:
        self._link_shut_until_us = max(self._link_shut_until_us, self.hub.now_us + us)
        if self.life is not None:
            self.life.node.drop()
        self._connect_later(us)

    def _connect_later(self, us: int) -> None:
        def connect() -> None:
            if self.life is not None and self.hub.now_us >= self._link_shut_until_us:
                self.life.node.connect()

        self.hub.after(us, connect)

    def _make_node(self, fate: Fate, **handlers) -> CoreNode:
        node = CoreNode(
            self.switch,
            fate,
            check_timer=self._run.audit.check_timer,
            shuffle=self._shuffle,
            double=self._double,
            **handlers,
        )
        self._tell_how_late(node)
        return node

    def _tell(self, name: str, leg: Leg) -> None:
        if self._diary.verbose:
            self._diary.tell(self.hub.now_us, f"{self.name} {name} {leg.uuid[:8]} {leg.cause}")
        if self.life is not None:
            self.life.node.tell(name, leg)

    def _ask(self, leg: Leg) -> None:
        """A caller stands in the hook."""
        life, fate = self.life, self.fate
        if life is None:
            self.switch.end(leg, UNDECIDED, "")
            return
        self._waiting[leg] = None
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

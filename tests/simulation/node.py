"""One switch, the daemon beside it, and what really happened on it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from fsbilling.billing.tariff_book import TariffBook
from fsbilling.clock import US_PER_S as S
from fsbilling.errors import FsbillingError
from fsbilling.sim.channel import SimChannel
from fsbilling.sim.event import SimEvent, add_channel
from fsbilling.sim.plan import CallPlan
from fsbilling.sim.switch import SimSwitch
from fsbilling.store.engine import Database
from fsbilling.switch.channel import Channel

from .doors import LATENCY_US, Fate, SqlState
from .hub import Hub, Process
from .life import HOOK_DEADLINE_US, Life
from .rules import Books, RuleBrokenError
from .weather import Diary, Weather

EVENTS = ("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE")
MAX_LATE_US = 500_000
_TIMER = re.compile(
    r"\? (\d+) : [+\d]+\)\} fsbilling-([0-9a-f-]{36})-(\d+) .*\? (\d+) : 0\)\}\)\}&"
)
_REMOVED = re.compile(
    r"(?:expand )?sched_del (?:\$\{cond\(\$\{strepoch\(\)\} < (\d+) \? )?"
    r"fsbilling-([0-9a-f-]{36})-(\d+)"
)


class WatchedSwitch(SimSwitch):
    """A switch that remembers every leg it ever had: the truth that CDRs are held against."""

    def __init__(self, *args, **settings) -> None:
        self.legs: dict[str, SimChannel] = {}
        self.crashed_us: dict[str, int] = {}
        super().__init__(*args, **settings)

    def open(self, *args, **plan) -> SimChannel:
        leg = super().open(*args, **plan)
        self.legs[leg.uuid] = leg
        return leg

    def restart(self) -> None:
        self.advance_to(self.clock.now_us())
        self.crashed_us |= dict.fromkeys(self.channels, self.clock.now_us())
        super().restart()

    def ended_us(self, leg: SimChannel) -> int:
        """When a leg was over; 0 while it lives."""
        return self.crashed_us.get(leg.uuid) or leg.hungup_us

    def legs_of(self, call_uuid: str) -> list[SimChannel]:
        """The legs that this call pays for."""
        return [leg for leg in self.legs.values() if leg.variable("fsbilling_call") == call_uuid]

    def find(self, uuid: str) -> Channel | None:
        """A `Witness`: the record of a leg that was reported over."""
        leg = self.legs.get(uuid)
        return Channel(self.dump(leg)) if leg is not None and leg.hungup_us else None


class MachineClock:
    """The clock of the daemon's machine, which somebody may set; or its steady one."""

    def __init__(self, hub: Hub, offset_us: int) -> None:
        self._hub = hub
        self.offset_us = offset_us

    def now_us(self) -> int:
        return self._hub.now_us + self.offset_us


class SimNode:
    """A switch with its daemon: one life after the other."""

    def __init__(
        self,
        name: str,
        hub: Hub,
        sql: SqlState,
        books: Books,
        *,
        db: Database,
        book: TariffBook,
        weather: Weather,
        diary: Diary,
        seed: object,
    ) -> None:
        self.name, self.hub, self.sql = name, hub, sql
        self._books, self._db, self._book = books, db, book
        self._weather, self._diary = weather, diary
        self._draw = random.Random(f"node/{name}/{seed}")
        self.machine_clock = MachineClock(hub, weather.clock_offset_us)
        self.switch = WatchedSwitch(
            MachineClock(hub, 0), name=name, seed=seed, hook=self._hook, max_late_us=MAX_LATE_US
        )
        self.switch.listen(self._event, EVENTS, variable="fsbilling_account")
        hub.machines.append(self.switch)
        self.witnesses = {name: self.switch} if weather.witnessed else {}
        self.plans: dict[str, CallPlan] = {}
        self.events_are_late = self.commands_are_late = False
        self.is_calm = False
        self.life: Life | None = None
        self._link_shut_until_us = 0
        self._conversations: set[Conversation] = set()

    @property
    def is_reachable(self) -> bool:
        """Whether a link can be made."""
        return self.hub.now_us >= self._link_shut_until_us

    def tell(self, what: str) -> None:
        self._diary.tell(self.hub.now_us, f"{self.name} {what}")

    def surprise(self, fault: Exception) -> None:
        """A hook's decision broke: only by a fault that is foreseen."""
        if not isinstance(fault, FsbillingError):
            self.hub.unhandled = self.hub.unhandled or fault
        self.tell(f"undecided: {fault}")

    def place(self, plan: CallPlan) -> None:
        uuid = self.switch.place(plan)
        self.plans[uuid] = plan
        self.tell(f"call {uuid[:8]} {plan.service} {plan.caller}>{plan.callee} {plan.outcome}")

    def start_life(self) -> None:
        """Start a daemon; its link comes up a moment later."""
        process = Process(self.hub, self.name)
        fate = Fate(self._draw, self._weather, self._diary, process)
        fate.is_calm = self.is_calm
        fate.on_kill = lambda: self.kill_life(process, self._draw.randint(0, 20 * S))
        self.steady_clock = MachineClock(self.hub, self.machine_clock.offset_us)
        self.life = Life(self, self._db, self._book, fate)
        self.fate = fate
        self.tell("daemon started")
        self._connect_later(self._draw.randint(0, S // 2))

    def kill_life(self, process: Process | None, down_us: int) -> None:
        """End the daemon as by kill -9, and start another one after a while."""
        life = self.life
        if life is None or (process is not None and life.process is not process):
            return
        now_us = self.hub.now_us
        self._diary.trouble(now_us, now_us + down_us + S, f"{self.name} daemon down")
        self.life = None
        life.link.drop()
        life.process.kill()
        for conversation in list(self._conversations):
            conversation.close()
        self.hub.after(down_us, lambda: self.life or self.start_life())

    def freeze(self, us: int) -> None:
        if self.life is not None:
            self._diary.trouble(self.hub.now_us, self.hub.now_us + us, f"{self.name} frozen")
            self.life.process.freeze(us)

    def shut_link(self, us: int) -> None:
        now_us = self.hub.now_us
        self._diary.trouble(now_us, now_us + us, f"{self.name} link down")
        self._link_shut_until_us = max(self._link_shut_until_us, now_us + us)
        if self.life is not None:
            self.life.link.drop()
        self._connect_later(us)

    def restart_switch(self, us: int) -> None:
        self._diary.trouble(self.hub.now_us, self.hub.now_us + us, f"{self.name} restarts")
        self.switch.restart()
        self.shut_link(us)

    def calm_down(self) -> None:
        """From now on nothing goes wrong."""
        self.is_calm = True
        self.events_are_late = self.commands_are_late = False
        self._link_shut_until_us = 0
        if self.life is None:
            self.start_life()
        else:
            self.fate.is_calm = True
            self.life.process.frozen_until_us = 0
            self._connect_later(0)

    def execute(self, command: str) -> str:
        """Run a command on the switch; what its timers promise must be paid for (rule 2)."""
        timer = _TIMER.search(command)
        if timer is not None:
            at_us = int(timer[1]) * S + int(timer[4]) * 1_000
            self._books.check_timer(self, timer[2], int(timer[3]), at_us)
        answer = self.switch.execute(command)
        removed = _REMOVED.match(command)
        if removed is not None and self.hub.now_us // S < int(removed[1] or 1 << 62):
            self._books.drop_timer(self, removed[2], int(removed[3]))
        self.tell(f"{command} -> {answer[:40].strip()}")
        return answer

    def _connect_later(self, us: int) -> None:
        def connect() -> None:
            if self.life is not None:
                self.life.link.connect()

        self.hub.after(us, connect)

    def _event(self, event: SimEvent) -> None:
        self.tell(f"{event.name} {event.headers['Unique-ID'][:8]}")
        if self.life is not None:
            self.life.link.send_event(event.headers)

    def _hook(
        self, leg: SimChannel, resume: Callable[[Mapping[str, str]], None]
    ) -> Callable[[], None] | None:
        if self.life is None:
            resume({})
            return None
        headers: dict[str, str] = {"Core-UUID": self.switch.core_uuid}
        add_channel(headers, leg)
        conversation = Conversation(self, self.life, Channel(headers), resume)
        self._conversations.add(conversation)
        conversation.over = lambda: self._conversations.discard(conversation)
        return conversation.leave

    def check_permission(self, uuid: str, variables: Mapping[str, str]) -> None:
        if variables.get("fsbilling_verdict") == "allowed":
            granted_s = int(variables["fsbilling_granted_s"])
            if granted_s > self._books.granted_s(self.name, uuid):
                raise RuleBrokenError(2, f"{uuid} was told of {granted_s} s that nothing holds")


class Conversation:
    """One caller in the hook, as `switch/hook.py` treats him."""

    def __init__(
        self,
        node: SimNode,
        life: Life,
        channel: Channel,
        resume: Callable[[Mapping[str, str]], None],
    ) -> None:
        self._node, self._life, self._channel = node, life, channel
        self._resume = resume
        self._is_open = True
        self.over: Callable[[], None] = lambda: None
        life.process.spawn(self._converse)
        life.process.spawn(self._limit)

    def leave(self) -> None:
        """The caller has left: the switch closes the socket."""
        self._is_open = False
        self.over()

    def close(self) -> None:
        """The daemon's end of the socket is closed: the dialplan goes on without an answer."""
        self._answer({})

    def _answer(self, variables: Mapping[str, str]) -> bool:
        if not self._is_open:
            return False
        self.leave()
        self._node.switch.act(lambda: self._resume(variables))
        return True

    def _limit(self) -> None:
        self._life.process.sleep(HOOK_DEADLINE_US)
        self.close()

    def _converse(self) -> None:
        node, fate = self._node, self._node.fate
        fate.wait(LATENCY_US, "connect")
        if not self._is_open:
            return
        variables = self._life.decide(self._channel)
        node.check_permission(self._channel.uuid, variables)
        fate.wait(LATENCY_US, "decided")
        taken = self._answer(variables)
        fate.wait(LATENCY_US, "answered")
        if not taken or fate.strikes(fate.weather.api_unanswered):
            self._life.abandoned(self._channel)

"""A simulated FreeSWITCH: a pure model without sockets, driven by a clock and its alarms.

It executes the command strings that production sends and emits the events that production
reads, so the code under test cannot tell it from the switch. `esl_server` puts the same
model behind real TCP.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from fsbilling.clock import US_PER_S, Clock
from fsbilling.sim import api
from fsbilling.sim.alarms import Alarms
from fsbilling.sim.call import SimCall
from fsbilling.sim.channel import MARK, PREFIX, SimChannel
from fsbilling.sim.event import CHANNEL_EVENTS, SimEvent, add_channel, base_headers
from fsbilling.sim.hook import Hook
from fsbilling.sim.plan import CallPlan
from fsbilling.sim.profile import PROFILE, first_variables, shown_row
from fsbilling.sim.scheduler import Scheduler

EMERGENCY = frozenset({"110", "119", "120", "122"})
EVENTS = CHANNEL_EVENTS | {"HEARTBEAT"}
"""All events that the model emits by itself."""

Listener = Callable[[SimEvent], object]


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    listener: Listener
    names: frozenset[str]
    variable: str | None


class SimSwitch:
    """One simulated node.

    Args:
        clock: The present moment; commands happen at it.
        name: FreeSWITCH-Switchname.
        seed: All that is drawn (UUIDs, lateness) comes from it.
        hook: What the dialplan's `socket` application reaches; None: nothing listens there.
        emergency: Numbers that the dialplan lets pass before any hook.
        max_late_us: How late the scheduler's loop may come to a task; a real one: 500_000.
        show_lag_us: How far `show channels` is behind: the core writes its database in a
            thread of its own (0.15 s measured).
        heartbeat_us: Between two HEARTBEAT events; 0 for none.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "sim",
        seed: int = 0,
        hook: Hook | None = None,
        emergency: frozenset[str] = EMERGENCY,
        max_late_us: int = 0,
        show_lag_us: int = 150_000,
        heartbeat_us: int = 20 * US_PER_S,
    ) -> None:
        self.name = name
        self.hook = hook
        self.emergency = emergency
        self.alarms = Alarms(clock.now_us())
        self.channels: dict[str, SimChannel] = {}
        self.calls_placed = 0
        self.clock = clock
        self._marks: dict[str, list[SimChannel]] = {}
        self._draw = random.Random(f"{name}/{seed}")  # noqa: S311  a run must be repeatable
        self._show_lag_us = show_lag_us
        self._heartbeat_us = heartbeat_us
        self._lately_gone: deque[SimChannel] = deque(maxlen=100_000)
        self._subscriptions: list[_Subscription] = []
        self._sequence = 0
        self._sessions = 0
        self.core_uuid = self._new_uuid()
        self.globals: dict[str, str] = {}
        self.started_us = self.alarms.now_us
        self.scheduler = Scheduler(
            self.alarms, self.execute, late=self._draw, max_late_us=max_late_us
        )
        self._plan_heartbeat()

    def next_due_us(self) -> int | None:
        """When the switch wants to run next; None when it waits for nothing."""
        return self.alarms.next_due_us()

    def advance_to(self, now_us: int) -> None:
        """Run all that is due by `now_us`, each at its own moment."""
        self.alarms.advance_to(now_us)

    def execute(self, command: str) -> str:
        """Run one API command at the present moment; the reply is what ESL carries."""
        self.alarms.advance_to(self.clock.now_us())
        return api.execute(self, command)

    def act(self, action: Callable[[], object]) -> None:
        """Do something to a call at the present moment, after all that was due before."""
        self.alarms.advance_to(self.clock.now_us())
        action()

    def place(self, plan: CallPlan, at_us: int | None = None) -> str:
        """Let a call arrive now, or at a moment to come; returns its paying leg's UUID."""
        uuid = plan.uuid or self._new_uuid()
        if at_us is None:
            self.act(partial(self._arrive, plan, uuid))
        else:
            self.alarms.at(at_us, partial(self._arrive, plan, uuid))
        return uuid

    def listen(
        self,
        listener: Listener,
        names: Collection[str] = EVENTS,
        *,
        variable: str | None = None,
    ) -> Callable[[], None]:
        """Call `listener` for events of these names; returns what ends it.

        With `variable`, a channel's event comes only when that channel variable is set, as
        with the filter `variable_... /./`; HEARTBEAT comes all the same.
        """
        subscription = _Subscription(listener, frozenset(names), variable)
        self._subscriptions.append(subscription)
        return partial(self._subscriptions.remove, subscription)

    def restart(self) -> None:
        """Crash and come back: calls and tasks are gone without a word, the core is another."""
        for channel in self.channels.values():
            channel.cause = "CRASH"
            if channel.on_gone is not None:
                channel.on_gone()
        self.channels.clear()
        self._marks.clear()
        self._lately_gone.clear()
        self.scheduler.clear()
        self.alarms.clear()
        self.core_uuid = self._new_uuid()
        self.globals.clear()
        self.started_us = self.alarms.now_us
        self._plan_heartbeat()

    def open(
        self, owner: SimCall, plan: CallPlan, *, direction: str, dialled: str, uuid: str = ""
    ) -> SimChannel:
        """Make a channel; its call announces it when it has set its variables."""
        uuid = uuid or self._new_uuid()
        self._sessions += 1
        destination = dialled.rsplit("/", 1)[-1].partition("@")[0]
        inbound = direction == "inbound"
        address = f"{plan.caller if inbound else destination}@{plan.network_addr}"
        name = f"sofia/{PROFILE}/{address}" if "/" not in dialled else dialled
        channel = SimChannel(
            uuid=uuid,
            direction=direction,
            name=name,
            caller=plan.caller,
            destination=destination,
            session_id=self._sessions,
            created_us=self.alarms.now_us,
            owner=owner,
            network_addr=plan.network_addr,
            hit_dialplan=inbound,
            marks=self._marks,
        )
        channel.headers = first_variables(channel)
        self.channels[uuid] = channel
        return channel

    def emit(self, name: str, channel: SimChannel) -> None:
        """Announce an event of a channel to those who listen for it."""
        event: SimEvent | None = None
        for subscription in self._subscriptions:
            if name not in subscription.names:
                continue
            wanted = subscription.variable
            if wanted is not None and PREFIX + wanted not in channel.headers:
                continue
            if event is None:
                event = self._channel_event(name, channel)
            subscription.listener(event)

    def announce(self, event: SimEvent) -> None:
        """Give an event that belongs to no channel to those who listen for its name."""
        for subscription in self._subscriptions:
            if event.name in subscription.names:
                subscription.listener(event)

    def close(self, channel: SimChannel) -> None:
        """Announce the end of a channel and forget it."""
        self.channels.pop(channel.uuid, None)
        channel.unmark()
        self._lately_gone.append(channel)
        if channel.on_gone is not None:
            channel.on_gone()
        self.emit("CHANNEL_HANGUP_COMPLETE", channel)

    def global_variable(self, name: str) -> str:
        """A global variable; only those that a billing client asks for."""
        known = {"core_uuid": self.core_uuid, "hostname": self.name, "switchname": self.name}
        return known.get(name) or self.globals.get(name, "")

    def status_text(self) -> str:
        """What `status` prints."""
        up_s = (self.alarms.now_us - self.started_us) // US_PER_S
        return (
            f"UP 0 years, 0 days, 0 hours, 0 minutes, {up_s} seconds\n"
            "FreeSWITCH (Version 1.11.3-sim 64bit) is ready\n"
            f"{self._sessions} session(s) since startup\n"
            f"{len(self.channels)} session(s) - peak {len(self.channels)}\n"
        )

    def shown_rows(self) -> list[dict[str, str]]:
        """The core database's rows: new channels come late, gone ones stay a while."""
        horizon_us = self.alarms.now_us - self._show_lag_us
        gone = self._lately_gone
        while gone and gone[0].hungup_us <= horizon_us:
            gone.popleft()
        shown = [*self.channels.values(), *gone]
        return [
            shown_row(channel, self.name) for channel in shown if channel.created_us <= horizon_us
        ]

    def matching(self, pairs: list[tuple[str, str]]) -> list[SimChannel]:
        """The live channels that have all these variables; all of them without any."""
        marks = [value for name, value in pairs if name == MARK]
        among = self._marks.get(marks[0], ()) if marks else self.channels.values()
        return [
            channel
            for channel in among
            if all(channel.variable(name) == value for name, value in pairs)
        ]

    def dump(self, channel: SimChannel) -> dict[str, str]:
        """All headers of a channel, as `uuid_dump` and `connect` give them."""
        return self._channel_event("CHANNEL_DATA", channel).headers

    def _channel_event(self, name: str, channel: SimChannel) -> SimEvent:
        event = self.event(name)
        add_channel(event.headers, channel)
        return event

    def event(self, name: str) -> SimEvent:
        """Make an event that belongs to no channel."""
        self._sequence += 1
        at_us = self.alarms.now_us
        headers = base_headers(
            name, at_us, core_uuid=self.core_uuid, switch=self.name, sequence=self._sequence
        )
        return SimEvent(name, at_us, headers)

    def _arrive(self, plan: CallPlan, uuid: str) -> None:
        self.calls_placed += 1
        SimCall(self, plan, uuid).start()

    def _plan_heartbeat(self) -> None:
        if self._heartbeat_us:
            self.alarms.at(self.alarms.now_us + self._heartbeat_us, self._beat)

    def _beat(self) -> None:
        self._plan_heartbeat()
        event = self.event("HEARTBEAT")
        event.headers["Event-Info"] = "System Ready"
        event.headers["Session-Count"] = str(len(self.channels))
        event.headers["Session-Since-Startup"] = str(self._sessions)
        self.announce(event)

    def _new_uuid(self) -> str:
        digits = f"{self._draw.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

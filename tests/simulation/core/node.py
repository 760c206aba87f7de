"""A daemon's link to a switch without words: what `switch.node.Node` asks, and the events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeVar

from fsbilling.calls.cdr import HungUpBy
from fsbilling.calls.event import Answered, Event, HungUp
from fsbilling.clock import US_PER_S as S
from fsbilling.errors import SwitchError, SwitchTimeout
from fsbilling.switch.channel import Channel
from fsbilling.switch.node import TIMER_0, first_timer

from ..doors import API_TIMEOUT_US, LATE_US, LATENCY_US, Fate
from ..rules import RuleBrokenError
from .post import CorePost
from .switch import CoreSwitch, Leg

Answer = TypeVar("Answer")
BY = {"caller": HungUpBy.CALLER, "callee": HungUpBy.CALLEE, "": HungUpBy.SWITCH}


def told(name: str, leg: Leg) -> Event:
    """Give what the link makes of an event."""
    if name == "answered":
        return Answered(leg.answered_us)
    return HungUp(
        leg_uuid=leg.uuid,
        ended_us=leg.ended_us,
        answered_us=leg.answered_us,
        cause=leg.cause,
        by=BY[leg.by],
        other_leg_uuid=leg.other_uuid,
        transferred=leg.transferred,
    )


def channel_of(leg: Leg, now_us: int) -> Channel:
    """Give a leg as `uuid_dump` or the switch's own records show it."""
    headers = {
        "Unique-ID": leg.uuid,
        "Core-UUID": leg.core_uuid,
        "Event-Date-Timestamp": str(now_us),
        "Caller-Channel-Created-Time": str(leg.created_us),
        "Caller-Channel-Answered-Time": str(leg.answered_us),
        "Caller-Channel-Hangup-Time": str(leg.ended_us),
        "Hangup-Cause": leg.cause,
        "Other-Leg-Unique-ID": leg.other_uuid,
        "variable_fsbilling_account": leg.account,
        "variable_fsbilling_call": leg.call_uuid,
    }
    if leg.granted_s:
        headers[f"variable_{TIMER_0}"] = first_timer(leg.call_uuid, leg.granted_s)
    if leg.transferred:
        headers["variable_transfer_to"] = "blind"
    return Channel(headers)


class CoreNode:
    """One switch, by what billing needs of it; each question may be the last or get no answer."""

    def __init__(
        self,
        switch: CoreSwitch,
        fate: Fate,
        *,
        post: CorePost,
        unpaid_us: Callable[[CoreSwitch, str, int], int],
        on_event: Callable[[Leg, Event, int], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        shuffle: float,
        double: float,
    ) -> None:
        self.name = switch.name
        self.is_up = False
        self.events_are_late = self.commands_are_late = False
        self._switch, self._fate, self._post = switch, fate, post
        self._unpaid_us = unpaid_us
        self._on_event, self._on_up, self._on_down = on_event, on_up, on_down
        self._shuffle, self._double = shuffle, double
        self._connection = 0
        self._last_arrival_us = 0
        self._unread: deque[Callable[[], None]] = deque()

    def connect(self) -> None:
        if not self.is_up and self._post.is_linked:
            self.is_up = True
            self._connection += 1
            self._hand_over(self._on_up)

    def drop(self) -> None:
        """Lose the connection, and what was under way on it."""
        if self.is_up:
            self._hand_over(self._on_down)
        self.is_up = False
        self._connection += 1

    def tell(self, name: str, leg: Leg) -> None:
        """The switch has made an event: it arrives sooner or later, once or twice, or never."""
        if not self.is_up or not leg.account:
            return
        hub, draw, connection = self._switch.hub, self._fate.draw, self._connection
        event, stamp_us = told(name, leg), hub.now_us
        arrival_us = stamp_us + int(draw.random() * (3 * S if self.events_are_late else 3_000))

        def arrive() -> None:
            if connection == self._connection:
                self._hand_over(lambda: self._on_event(leg, event, stamp_us))

        if self._shuffle and self._fate.strikes(self._shuffle):
            out_of_order_us = arrival_us + int(draw.random() * 2 * S)
            self._fate.diary.trouble(stamp_us, out_of_order_us, "event out of order")
            hub.at(out_of_order_us, arrive)
        else:
            self._last_arrival_us = max(self._last_arrival_us, arrival_us)
            hub.at(self._last_arrival_us, arrive)
        if self._double and self._fate.strikes(self._double):
            self._fate.diary.oddity("event doubled")
            hub.at(arrival_us + int(draw.random() * 10 * S), arrive)

    def core_uuid(self) -> str:
        return self._ask("core_uuid", lambda: self._switch.core_uuid)

    def now_us(self) -> int:
        return self._ask("now_us", lambda: self._switch.hub.now_us)

    def live_uuids(self) -> frozenset[str]:
        return self._ask("live_uuids", lambda: frozenset(self._switch.live))

    def dump(self, uuid: str) -> Channel | None:
        def look() -> Channel | None:
            leg = self._switch.live.get(uuid)
            return channel_of(leg, self._switch.hub.now_us) if leg else None

        return self._ask("dump", look)

    def mark(self, uuid: str, variables: Mapping[str, str]) -> bool:
        def write() -> bool:
            leg = self._switch.live.get(uuid)
            if leg is not None:
                leg.account = variables.get("fsbilling_account", leg.account)
                if TIMER_0 in variables:
                    leg.granted_s = int(variables[TIMER_0].split()[1])
            return leg is not None

        return self._command("mark", write)

    def add_timer(self, call_uuid: str, seq: int, at_us: int, late_us: int = 0) -> None:
        # As it is paid for when it is asked for; one that the switch never hears of is none.
        unpaid_us = self._unpaid_us(self._switch, call_uuid, at_us)

        def arm() -> None:
            if unpaid_us:
                raise RuleBrokenError(2, f"{call_uuid}: a timer {unpaid_us} us unpaid")
            self._switch.add_timer(call_uuid, seq, at_us, late_us)

        self._command("add_timer", arm)

    def replace_timer(self, call_uuid: str, seq: int, at_us: int) -> None:
        def replace() -> None:
            if self._switch.hub.now_us // S < at_us // S:
                self._switch.remove_timer(call_uuid, seq)

        self._command("replace_timer", replace)

    def remove_timer(self, call_uuid: str, seq: int) -> None:
        self._command("remove_timer", lambda: self._switch.remove_timer(call_uuid, seq))

    def kill(self, uuid: str, cause: str) -> bool:
        def hang_up() -> bool:
            leg = self._switch.live.get(uuid)
            if leg is not None:
                self._switch.end(leg, cause, "")
            return leg is not None

        if self._post.may_command():
            return self._command("kill", hang_up)
        said = self._post.off_duty(self, f"uuid_kill {uuid} {cause}")
        return self._ask("kill off duty", lambda: self._obeys(said) and hang_up())

    def api(self, command: str, timeout_s: float = API_TIMEOUT_US / S) -> str:
        """Tell the switch who works, or ask it: what the vigil says in words."""
        name, _, assigned = command.partition("=")
        if not assigned:
            return self._ask("global_getvar", lambda: self._switch.on_duty)

        def assign() -> str:
            self._switch.on_duty = assigned
            return "+OK"

        return self._ask(name, assign)

    def warn(self, uuid: str, sound: str, leg: str) -> bool:
        return self._command("warn", lambda: uuid in self._switch.live)

    def _command(self, what: str, act: Callable[[], Answer]) -> Answer:
        """Tell the switch something: on duty only, and never while another daemon is."""
        return self._ask(what, act, is_command=True)

    def _ask(self, what: str, act: Callable[[], Answer], *, is_command: bool = False) -> Answer:
        fate, connection = self._fate, self._connection
        latency_us = LATE_US if self.commands_are_late else LATENCY_US
        self._need(connection)
        fate.wait(latency_us, what)
        if is_command and not self._post.may_command():
            raise SwitchError("simulated: not on duty, another daemon may be")
        self._need(connection)
        if fate.strikes(fate.weather.api_unsent):
            self._time_out(f"unsent {what}")
        if is_command and self._post.is_others:
            raise RuleBrokenError("never both", f"{what} while another daemon is on duty")
        answer = act()
        if fate.diary.verbose:
            fate.diary.tell(self._switch.hub.now_us, f"{self.name} {what} -> {answer}")
        if fate.strikes(fate.weather.api_unanswered):
            self._time_out(f"unanswered {what}")
        fate.wait(latency_us, what)
        # What came while the process hung lies in its socket: read before a new answer can come.
        self._read()
        self._need(connection)
        return answer

    def _obeys(self, said: str) -> bool:
        """Let the switch decide, at that moment, about what a daemon says that is off duty."""
        owner = self._switch.on_duty
        if said.startswith("expand ") and f"'{owner}'" not in said:
            return False
        if owner not in ("", self._post.vigil._token):
            raise RuleBrokenError("never both", f"killed off duty, and {owner} works")
        return True

    def _need(self, connection: int) -> None:
        if not self.is_up or connection != self._connection:
            raise SwitchError("simulated: the link is down")

    def _time_out(self, what: str) -> None:
        self._fate.wait_in_vain(API_TIMEOUT_US, what)
        raise SwitchTimeout("simulated: no answer in time")

    def _hand_over(self, step: Callable[[], None]) -> None:
        """Let the process take it as soon as it runs."""
        self._unread.append(step)
        self._read()

    def _read(self) -> None:
        process = self._fate.process
        while self._unread and not process.is_dead:
            if process.frozen_until_us > self._switch.hub.now_us:
                self._switch.hub.at(process.frozen_until_us, self._read)
                return
            self._unread.popleft()()

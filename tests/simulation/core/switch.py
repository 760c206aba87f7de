"""A switch without words: legs, timers, and what becomes of calls; the truth of a run."""

from __future__ import annotations

import random
from collections.abc import Callable

from fsbilling.clock import US_PER_S as S
from fsbilling.sim.plan import Outcome

from ..hub import Hub
from .shop import CorePlan

MAX_LATE_US = 500_000
"""The scheduler's loop comes to a task so late at most."""
FAILURES = {Outcome.BUSY: "USER_BUSY", Outcome.NO_ANSWER: "NO_ANSWER"}
ALLOTTED_TIMEOUT = "ALLOTTED_TIMEOUT"


class Leg:
    """One channel; `call_uuid` is the variable `fsbilling_call`."""

    __slots__ = (
        "account",
        "answered_us",
        "by",
        "call_uuid",
        "cause",
        "core_uuid",
        "crashed",
        "created_us",
        "ended_us",
        "granted_s",
        "other_uuid",
        "plan",
        "transferred",
        "uuid",
    )

    def __init__(self, uuid: str, call_uuid: str, plan: CorePlan, core_uuid: str, now_us: int):
        self.uuid = uuid
        self.call_uuid = call_uuid
        self.plan = plan
        self.core_uuid = core_uuid
        self.created_us = now_us
        self.answered_us = self.ended_us = self.granted_s = 0
        self.account = self.other_uuid = self.cause = self.by = ""
        self.crashed = self.transferred = False


class Timer:
    """A task of the switch's scheduler."""

    __slots__ = ("fires_us", "second_us")

    def __init__(self, second_us: int, fires_us: int) -> None:
        self.second_us = second_us
        self.fires_us = fires_us


class CoreSwitch:
    """All calls of one node."""

    def __init__(
        self,
        name: str,
        hub: Hub,
        draw: random.Random,
        *,
        ask: Callable[[Leg], None],
        tell: Callable[[str, Leg], None],
    ) -> None:
        self.name, self.hub, self.draw = name, hub, draw
        self.legs: dict[str, Leg] = {}
        self.live: dict[str, Leg] = {}
        self.calls: dict[str, list[Leg]] = {}
        self.timers: dict[tuple[str, int], list[Timer]] = {}
        """By group: what is told twice stands twice (switch_scheduler.c)."""
        self._ask, self._tell = ask, tell
        self.core_uuid = self._new_uuid()
        self.on_duty = ""
        """The daemon that works, as it has said itself: a global variable."""

    def place(self, plan: CorePlan) -> Leg:
        """Let a call arrive and wait in the hook."""
        uuid = self._new_uuid()
        leg = self._open(uuid, uuid, plan)
        if plan.outcome is Outcome.CANCEL:
            self.hub.after(plan.ring_us, lambda: self.end(leg, "ORIGINATOR_CANCEL", "caller"))
        self._ask(leg)
        return leg

    def let_ring(self, leg: Leg, account: str, granted_s: int) -> bool:
        """The hook has allowed it; False when its caller has gone."""
        if leg.ended_us:
            return False
        leg.account, leg.granted_s = account, granted_s
        if leg.plan.outcome is not Outcome.CANCEL:
            self.hub.after(leg.plan.ring_us, lambda: self._ringing_ends(leg))
        return True

    def end(self, leg: Leg, cause: str, by: str) -> None:
        """Hang a leg up, and tell of it; its partner goes with it unless it was transferred."""
        if leg.ended_us:
            return
        leg.ended_us, leg.cause, leg.by = self.hub.now_us, cause, by
        self.live.pop(leg.uuid, None)
        self._tell("hung up", leg)
        partner = self.live.get(leg.other_uuid)
        if partner is not None and not leg.transferred:
            self.end(partner, cause, by)

    def end_call(self, call_uuid: str, cause: str) -> None:
        for leg in self.calls.get(call_uuid, ()):
            self.end(leg, cause, "")

    def restart(self) -> None:
        """Crash and come back: calls and timers are gone without a word."""
        for leg in self.live.values():
            leg.ended_us, leg.crashed = self.hub.now_us, True
        self.live.clear()
        self.timers.clear()
        self.core_uuid = self._new_uuid()
        self.on_duty = ""

    def forget(self) -> None:
        """Let nothing be left of any call."""
        for table in (self.legs, self.live, self.calls, self.timers):
            table.clear()

    def add_timer(self, call_uuid: str, seq: int, at_us: int, late_us: int) -> None:
        """As `Node.add_timer` has it: the second by the scheduler, the rest slept away."""
        second_us, now_us = at_us // S * S, self.hub.now_us
        rest_us = -(-(at_us - second_us) // 1_000) * 1_000
        if now_us >= second_us:
            second_us, rest_us = max(now_us, late_us) // S * S + S, 0
        self._arm(call_uuid, seq, second_us, second_us + rest_us)

    def remove_timer(self, call_uuid: str, seq: int) -> None:
        """One whose second has begun is asleep in its thread, and cannot be stopped."""
        key = (call_uuid, seq)
        group = self.timers.pop(key, [])
        stays = [each for each in group if seq and self.hub.now_us >= each.second_us]
        if stays:
            self.timers[key] = stays

    def ends_us(self, call_uuid: str) -> int:
        """When the first of a call's timers ends it; far away when it has none."""
        groups = [group for key, group in self.timers.items() if key[0] == call_uuid]
        return min((timer.fires_us for group in groups for timer in group), default=1 << 62)

    def _arm(self, call_uuid: str, seq: int, second_us: int, fires_us: int) -> None:
        late_us = int(self.draw.random() * MAX_LATE_US)
        key, timer = (call_uuid, seq), Timer(second_us, fires_us)
        self.timers.setdefault(key, []).append(timer)

        def fire() -> None:
            group = self.timers.get(key, [])
            if timer in group:
                group.remove(timer)
                self.end_call(call_uuid, ALLOTTED_TIMEOUT)

        self.hub.at(fires_us + late_us, fire)

    def _ringing_ends(self, leg: Leg) -> None:
        if leg.ended_us:
            return
        failure = FAILURES.get(leg.plan.outcome)
        if failure is not None:
            self.end(leg, failure, "callee")
            return
        plan, now_us = leg.plan, self.hub.now_us
        leg.answered_us = now_us
        second_us = (now_us // S + leg.granted_s) * S
        self._arm(leg.call_uuid, 0, second_us, second_us)
        self._tell("answered", leg)
        if plan.talk_us is not None:
            self.hub.after(plan.talk_us, lambda: self._hang_up(leg))
        if plan.transfer_us is not None:
            carrier = self._open(self._new_uuid(), leg.call_uuid, plan)
            carrier.answered_us = now_us
            leg.other_uuid, carrier.other_uuid = carrier.uuid, leg.uuid
            self.hub.after(plan.transfer_us, lambda: self._transfer(leg, carrier))

    def _hang_up(self, leg: Leg) -> None:
        self.end(leg, "NORMAL_CLEARING", leg.plan.hung_up_by)

    def _transfer(self, leg: Leg, carrier: Leg) -> None:
        """The paying leg sends its partner on to a third, and leaves."""
        if leg.ended_us or carrier.ended_us:
            return
        leg.transferred, carrier.other_uuid = True, ""
        self.end(leg, "BLIND_TRANSFER", "caller")
        self.hub.after(leg.plan.rest_us, lambda: self._hang_up(carrier))

    def _open(self, uuid: str, call_uuid: str, plan: CorePlan) -> Leg:
        leg = Leg(uuid, call_uuid, plan, self.core_uuid, self.hub.now_us)
        self.legs[uuid] = self.live[uuid] = leg
        self.calls.setdefault(call_uuid, []).append(leg)
        return leg

    def _new_uuid(self) -> str:
        digits = f"{self.draw.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

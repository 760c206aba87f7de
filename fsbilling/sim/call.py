"""The life of one simulated call: the dialplan, its legs, and how they end.

The dialplan is the one in `dialplan/`: emergencies first, then the hook, bounded by a
`sched_hangup`, then `verdict-allowed`, `verdict-refused` or `verdict-unavailable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from fsbilling.sim.alarms import Alarms
from fsbilling.sim.bridge import mark_bridged
from fsbilling.sim.cause import NORMAL_CLEARING
from fsbilling.sim.channel import PREFIX, SimChannel
from fsbilling.sim.hangup import mark_ended
from fsbilling.sim.hook import Hook
from fsbilling.sim.plan import CallPlan, Outcome, Service, Transfer

HOOK_LIMIT_US = 3_000_000
"""How long the dialplan waits for the hook (`sched_hangup +3` before `socket`)."""

_FAILURES = {Outcome.BUSY: "USER_BUSY", Outcome.NO_ANSWER: "NO_ANSWER"}
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Floor(Protocol):
    """What a call needs of the switch that it happens on."""

    alarms: Alarms
    hook: Hook | None
    emergency: frozenset[str]

    def open(
        self, owner: SimCall, plan: CallPlan, *, direction: str, dialled: str, uuid: str = ""
    ) -> SimChannel:
        """Make a channel, not announced yet."""

    def emit(self, name: str, channel: SimChannel) -> None:
        """Announce an event of a channel."""

    def close(self, channel: SimChannel) -> None:
        """Announce that a channel is over, and forget it."""

    def execute(self, command: str) -> str:
        """Run an API command."""


class SimCall:
    """One call from its arrival to its last leg's end.

    `a_leg` and `b_leg` are the pair that belongs together now; a transfer changes the pair.
    Every step checks that its leg is still up, so whatever ends the call undoes nothing.
    """

    __slots__ = ("_floor", "_plan", "_waiting", "a_leg", "b_leg")

    def __init__(self, floor: Floor, plan: CallPlan, uuid: str) -> None:
        self._floor = floor
        self._plan = plan
        self._waiting = False
        originated = plan.service is Service.ORIGINATED
        self.a_leg = floor.open(
            self,
            plan,
            direction="outbound" if originated else "inbound",
            dialled=plan.callee,
            uuid=uuid,
        )
        self.b_leg: SimChannel | None = None
        self.a_leg.set_all(plan.variables)

    def start(self) -> None:
        """Let the call arrive at the switch."""
        plan, leg = self._plan, self.a_leg
        self._floor.emit("CHANNEL_CREATE", leg)
        if not leg.is_up:
            return
        if plan.outcome is Outcome.CANCEL:
            self._later(plan.ring_us, partial(self.end, leg, "ORIGINATOR_CANCEL", "recv_cancel"))
        if plan.service is Service.ORIGINATED:
            self._ring(leg)
            return
        leg.state, leg.call_state = "CS_EXECUTE", "RINGING"
        if leg.destination in self._floor.emergency:
            self._dial()
        else:
            self._ask()

    def end(self, channel: SimChannel, cause: str, disposition: str = "") -> None:
        """Hang up one leg, and what depends on it; nothing when it is over already."""
        if not channel.is_up:
            return
        now_us = self._floor.alarms.now_us
        partner = self._partner(channel)
        bridged = bool(channel.answered_us and partner and partner.answered_us)
        mark_ended(channel, cause, disposition, now_us)
        over = [channel]
        if partner is not None:
            partner.headers[f"{PREFIX}last_bridge_hangup_cause"] = cause
            fate = partner.doom or self._fate(channel, cause, bridged=bridged)
            mark_ended(partner, fate, "", now_us)
            over.append(partner)
        over.sort(key=lambda leg: (leg is self.a_leg) is bridged)
        for leg in over:
            self._floor.close(leg)

    def _partner(self, channel: SimChannel) -> SimChannel | None:
        if channel is self.a_leg:
            partner = self.b_leg
        elif channel is self.b_leg:
            partner = self.a_leg
        else:
            partner = None
        return partner if partner is not None and partner.is_up else None

    def _fate(self, channel: SimChannel, cause: str, *, bridged: bool) -> str:
        """What a leg's end means to its partner."""
        if bridged:
            return NORMAL_CLEARING
        return "ORIGINATOR_CANCEL" if channel is self.a_leg else cause

    def _later(self, delay_us: int, step: Callable[[], object]) -> None:
        self._floor.alarms.at(self._floor.alarms.now_us + delay_us, step)

    def _ask(self) -> None:
        leg = self.a_leg
        service = self._plan.service
        leg.set("fsbilling_verdict", "unavailable")
        leg.set("fsbilling_service", "outbound" if service is Service.IVR else service.value)
        leg.set("fsbilling_number", leg.destination)
        leg.export("fsbilling_call", leg.uuid)
        leg.set("current_application", "socket")
        if self._floor.hook is None:
            self._decide()
            return
        self._waiting = True
        self._later(HOOK_LIMIT_US, self._give_up_on_hook)
        on_gone = self._floor.hook(leg, self._resume)
        if self._waiting:
            leg.on_gone = on_gone

    def _give_up_on_hook(self) -> None:
        if self._waiting:
            self.end(self.a_leg, "NORMAL_TEMPORARY_FAILURE")

    def _resume(self, variables: Mapping[str, str]) -> None:
        if not self._waiting:
            return
        self._waiting = False
        self.a_leg.on_gone = None
        if self.a_leg.is_up:
            self.a_leg.set_all(variables)
            self._decide()

    def _decide(self) -> None:
        """Go on with the dialplan: `execute_extension verdict-${fsbilling_verdict}`."""
        leg = self.a_leg
        verdict = leg.variable("fsbilling_verdict")
        if verdict in {"allowed", "emergency"}:
            self._dial()
        elif verdict == "refused":
            self.end(leg, leg.variable("fsbilling_cause") or "CALL_REJECTED")
        else:
            self.end(leg, "NORMAL_TEMPORARY_FAILURE")

    def _dial(self) -> None:
        leg = self.a_leg
        if self._plan.service is Service.IVR:
            leg.set("current_application", "answer")
            self._answer()
            return
        target = self._target()
        if not target:
            self.end(leg, "NORMAL_TEMPORARY_FAILURE")
            return
        leg.set_all({"current_application": "bridge", "current_application_data": target})
        self.b_leg = self._call_out(leg, target)
        self._ring(self.b_leg)

    def _target(self) -> str:
        """Where the dialplan bridges to; a 400 call has nowhere to go but the hook's target."""
        leg = self.a_leg
        if self._plan.service is not Service.CALLED_PAYS:
            return leg.variable("fsbilling_number") or leg.destination
        target = leg.variable("fsbilling_target") or ""
        return target.split("/")[1] if target.startswith("extension/") else target

    def _call_out(self, from_leg: SimChannel, target: str) -> SimChannel:
        new = self._floor.open(self, self._plan, direction="outbound", dialled=target)
        new.set_all(from_leg.exported())
        new.set("originator", from_leg.uuid)
        new.other, new.other_type = from_leg, "originator"
        self._floor.emit("CHANNEL_CREATE", new)
        return new

    def _ring(self, leg: SimChannel) -> None:
        if not leg.is_up:
            return
        leg.state = "CS_CONSUME_MEDIA"
        if self._plan.ring_us:
            self._progress(leg)
        if self._plan.outcome is not Outcome.CANCEL:
            self._later(self._plan.ring_us, partial(self._ringing_ends, leg))

    def _progress(self, leg: SimChannel) -> None:
        """The far end rings, and so does what the caller hears."""
        leg.call_state = "RINGING"
        leg.progress_us = self._floor.alarms.now_us
        self._floor.emit("CHANNEL_PROGRESS", leg)
        if leg is not self.a_leg and self.a_leg.is_up:
            self.a_leg.progress_us = leg.progress_us
            self._floor.emit("CHANNEL_PROGRESS", self.a_leg)

    def _ringing_ends(self, leg: SimChannel) -> None:
        cause = _FAILURES.get(self._plan.outcome)
        if cause is not None:
            self.end(leg, cause, "recv_refuse")
        elif leg.is_up:
            self._answer()

    def _answer(self) -> None:
        """Answer the carrier leg, then the paying leg; run its `api_on_answer` commands."""
        a_leg, b_leg = self.a_leg, self.b_leg
        if b_leg is not None:
            self._answered(b_leg)
        self._answered(a_leg)
        if not a_leg.is_up:
            return
        if b_leg is not None:
            mark_bridged(a_leg, b_leg, self._floor.alarms.now_us)
            self._floor.emit("CHANNEL_BRIDGE", a_leg)
        if self._plan.talk_us is not None:
            by = partial(self._hang_up, self._plan.hung_up_by)
            self._later(self._plan.talk_us, by)
        if self._plan.transfer is not None and b_leg is not None:
            self._later(self._plan.transfer.after_us, partial(self._transfer, self._plan.transfer))

    def _answered(self, leg: SimChannel) -> None:
        if not leg.is_up:
            return
        leg.answered_us = self._floor.alarms.now_us
        self._floor.emit("CHANNEL_ANSWER", leg)
        leg.set("endpoint_disposition", "ANSWER")
        for command in leg.on_answer():
            self._floor.execute(_VARIABLE.sub(partial(_expand, leg), command))
        if leg.is_up:
            leg.call_state = "ACTIVE"

    def _hang_up(self, by: str) -> None:
        b_leg = self.b_leg
        if by == "caller":
            leg, remote = self.a_leg, self.a_leg.direction == "inbound"
        elif b_leg is not None:
            leg, remote = b_leg, True
        else:
            leg, remote = self.a_leg, self.a_leg.direction == "outbound"
        self.end(leg, NORMAL_CLEARING, "recv_bye" if remote else "send_bye")

    def _transfer(self, transfer: Transfer) -> None:
        """Join one leg with a third party; the other leaves and its own end is announced."""
        a_leg, b_leg = self.a_leg, self.b_leg
        if b_leg is None or not (a_leg.is_up and b_leg.is_up):
            return
        stays, leaves = (b_leg, a_leg) if transfer.by == "caller" else (a_leg, b_leg)
        now_us = self._floor.alarms.now_us
        third = self._call_out(stays, transfer.to)
        self.a_leg, self.b_leg = stays, third
        mark_ended(leaves, transfer.cause, "send_bye", now_us)
        self._floor.close(leaves)
        self._answered(third)
        if third.is_up and stays.is_up:
            mark_bridged(stays, third, now_us)
            self._floor.emit("CHANNEL_BRIDGE", stays)
            self._later(transfer.talk_us, partial(self.end, third, NORMAL_CLEARING, "recv_bye"))


def _expand(leg: SimChannel, found: re.Match[str]) -> str:
    return leg.variable(found[1]) or ""

"""Where the switch's questions and news arrive: the hook's and the link's side of billing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import structlog

from fsbilling.billing.attempt import Attempt, NumberPlan, read_attempt
from fsbilling.billing.authorise import OTHER_REFUSAL_CAUSE, Authorised, Authoriser, refusal_cause
from fsbilling.billing.ending import read_ending
from fsbilling.billing.meter import Meter
from fsbilling.billing.outage import Outage
from fsbilling.billing.trust import UNAVAILABLE
from fsbilling.billing.unrecorded import Unrecorded
from fsbilling.billing.verdict import (
    Variables,
    emergency,
    originated_marks,
    passage,
    permission,
    refusal,
)
from fsbilling.calls.call import CallKey
from fsbilling.calls.cdr import EndSource, HungUpBy
from fsbilling.calls.event import Answered, HungUp
from fsbilling.calls.session import Session
from fsbilling.credit.throttle import Throttle
from fsbilling.errors import Refused, StoreError, SwitchError
from fsbilling.numbering.number import NumberKind
from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.node import Node

log = structlog.get_logger(__name__)


class Reception:
    """Answers the dialplan's hook, and turns the link's events into the meter's."""

    def __init__(
        self,
        authoriser: Authoriser,
        outage: Outage,
        meter: Meter,
        nodes: Mapping[str, Node],
        *,
        plan: NumberPlan,
        node_of_core: Callable[[str], str | None],
        throttle: Throttle,
        unrecorded: Unrecorded,
        on_doubt: Callable[[str], None],
    ) -> None:
        self._authoriser = authoriser
        self._outage = outage
        self._meter = meter
        self._nodes = nodes
        self._plan = plan
        self._node_of_core = node_of_core
        self._throttle = throttle
        self.unrecorded = unrecorded
        self._on_doubt = on_doubt

    def answer(self, channel: Channel) -> Variables:
        """Decide for a channel that waits in the hook; the answer is channel variables."""
        if self._plan.read(channel.destination_number).kind is NumberKind.EMERGENCY:
            log.info("emergency", call_uuid=channel.uuid)
            return emergency()
        switch = self._node_of_core(channel.core_uuid)
        if switch is None:
            refused = Refused("unknown_switch", "no link to the switch that asked; see [[switch]]")
            log.warning("refused", call_uuid=channel.uuid, reason=refused.reason)
            return refusal(refused)
        attempt = self._read(channel, switch)
        # Answered already, it would need a timer now, and nobody is on duty without SQL.
        verdict = self._authorise(attempt, may_risk=not channel.answered_us)
        if isinstance(verdict, Refused):
            _log_refusal(attempt, verdict)
            return refusal(verdict)
        if verdict.session is None:
            return passage(verdict.target)
        _log_authorised(verdict.session)
        self._take_charge(attempt, verdict.session, channel)
        return permission(attempt, verdict.session, verdict.target)

    def _read(self, channel: Channel, switch: str, account: str = "") -> Attempt:
        """Read an attempt; a channel that was answered already begins to be paid for here.

        Its answer, announced once, is over. When it begins must stand in the hold from the
        first: the seconds of its timer are counted from there (DESIGN rule 2).
        """
        attempt = read_attempt(channel, switch=switch, plan=self._plan, account=account)
        if not channel.answered_us or attempt.is_leg:
            return attempt
        now_us = self._meter.now_us(switch)
        return msgspec.structs.replace(attempt, talks_since_us=max(now_us, channel.answered_us))

    def _take_charge(
        self, attempt: Attempt, session: Session, channel: Channel, *, self_armed: bool = True
    ) -> None:
        if session.answered_us:
            self._meter.begin(session)
            return
        self._meter.adopt(msgspec.structs.replace(session, self_armed=self_armed))
        if attempt.talks_since_us:
            # Its hold is older than its answer, which nobody heard.
            key = session.call.key
            self._meter.post(key, Answered(channel.answered_us))

    def _authorise(self, attempt: Attempt, *, may_risk: bool = False) -> Authorised | Refused:
        """Decide; when SQL does not answer, by what the account may risk without it.

        A hold that SQL may have taken before it went silent is swept up.
        """
        if not self._throttle.admits():
            # Spares SQL the record as well.
            return Refused(
                "busy", f"more than {self._throttle.per_s} calls a second; see [hook] max_cps"
            )
        if not self._outage.is_on:
            try:
                return self._authoriser.authorise(attempt)
            except StoreError as fault:
                log.error("not authorised", call_uuid=attempt.uuid, fault=str(fault))
                self._outage.probe()
        trusted = self._outage.is_on and may_risk
        verdict = self._outage.authorise(attempt) if trusted else UNAVAILABLE
        if isinstance(verdict, Refused):
            self.unrecorded.add(self._authoriser.refusal(attempt, attempt.account, verdict))
        return verdict

    def abandoned(self, channel: Channel) -> None:
        """The answer was not taken: give the hold back, if the channel is really gone.

        It never got the variable that lets its events through the filter, so nobody else will
        say so. One that lives still (the dialplan refuses it, or the answer did arrive), or has
        talked meanwhile, keeps its hold until somebody has looked again.
        """
        switch = self._node_of_core(channel.core_uuid)
        uuid = channel.variable("fsbilling_leg") or channel.uuid
        if switch is None or (switch, uuid) not in self._meter.calls:
            return
        try:
            alive = self._nodes[switch].dump(channel.uuid)
        except SwitchError as fault:
            log.warning("abandoned call unknown", call_uuid=channel.uuid, fault=str(fault))
            return
        session = self._meter.calls.get((switch, uuid))
        has_talked = session is not None and session.answered_us != 0
        if has_talked or (alive is not None and not alive.hungup_us):
            self._on_doubt(switch)
            return
        log.info("abandoned", call_uuid=channel.uuid)
        gone = HungUp(
            leg_uuid=uuid,
            ended_us=alive.hungup_us if alive else channel.created_us,
            cause="ORIGINATOR_CANCEL",
            by=HungUpBy.CALLER,
            source=EndSource.EVENT if alive else EndSource.ESTIMATE,
        )
        self._meter.post((switch, uuid), gone)

    def on_event(self, switch: str, event: ChannelEvent) -> None:
        """Take one event that came through the link's filters."""
        channel = event.channel
        if not channel.uuid:
            self._reject_nameless(switch, event)
            return
        self._meter.signs.observe(switch, event.at_us)
        if not channel.variable("fsbilling_account"):
            self._refuse_stray_transfer(switch, event)
            return
        key = (switch, channel.variable("fsbilling_call") or channel.uuid)
        match event.name:
            case "CHANNEL_CREATE":
                self.on_unheld(switch, channel)
            case "CHANNEL_ANSWER" if self._meter.calls.bills_leg(key, channel.uuid):
                self._meter.post(key, Answered(channel.answered_us or event.at_us))
            case "CHANNEL_HANGUP_COMPLETE":
                ending = read_ending(channel, source=EndSource.EVENT, at_us=event.at_us)
                self._meter.post(key, ending)

    def on_unheld(self, switch: str, channel: Channel) -> None:
        """Take a channel that names its payer and has no hold: just made, or found by a sweep."""
        key = (switch, channel.variable("fsbilling_call") or channel.uuid)
        if self._is_originated(key, channel):
            self._meter.run(key, lambda: self._originated(key, channel))

    def _reject_nameless(self, switch: str, event: ChannelEvent) -> None:
        """End a dialler's call whose `origination_uuid` is no UUID: it could not be guarded."""
        channel = event.channel
        if event.name != "CHANNEL_CREATE" or not channel.variable("fsbilling_account"):
            return
        identity = channel.header("Unique-ID")
        log.error("originate without a UUID refused; mend the dialler", call_uuid=identity)
        try:
            self._nodes[switch].reject(identity, OTHER_REFUSAL_CAUSE)
        except SwitchError as fault:
            log.error("unguarded call lives", call_uuid=identity, fault=str(fault))

    def _refuse_stray_transfer(self, switch: str, event: ChannelEvent) -> None:
        """End a leg that a REFER made the switch call without any dialplan.

        With a Replaces that names no call here, mod_sofia itself calls the Refer-To address
        (sofia.c, "nightmare transfer"): an unpaid carrier leg to wherever its sender likes. Such
        a leg tells whose call it came from; an inbound caller may only have written the header.
        """
        channel = event.channel
        sender = channel.variable("sip_h_X-FS-Refer-From")
        if event.name != "CHANNEL_CREATE" or channel.direction != "outbound":
            return
        if not self._meter.calls.has_leg(switch, sender):
            return
        log.warning("stray transfer refused", call_uuid=channel.uuid, sender=sender)
        try:
            self._nodes[switch].kill(channel.uuid, OTHER_REFUSAL_CAUSE)
        except SwitchError as fault:
            log.error("stray transfer lives", call_uuid=channel.uuid, fault=str(fault))

    def _is_originated(self, key: CallKey, channel: Channel) -> bool:
        """Tell a dialler's own leg from a B leg that a careless export gave the account to."""
        if channel.direction != "outbound" or key in self._meter.calls:
            return False
        switch, call_uuid = key
        originator = channel.variable("originator")
        is_b_leg = call_uuid != channel.uuid or (switch, originator) in self._meter.calls
        if is_b_leg:
            log.warning("b leg carries fsbilling_account; not billed twice", call_uuid=channel.uuid)
        return not is_b_leg

    def _originated(self, key: CallKey, channel: Channel) -> None:
        """Authorise a call that never passes the hook, or end it."""
        switch, uuid = key
        node = self._nodes[switch]
        account = channel.variable("fsbilling_account")
        attempt = self._read(channel, switch, account)
        if attempt.is_emergency:
            log.info("emergency", call_uuid=uuid)
            return
        verdict = self._authorise(attempt)
        try:
            if isinstance(verdict, Refused):
                _log_refusal(attempt, verdict)
                node.kill(uuid, refusal_cause(verdict))
                return
            if verdict.session is not None:
                self._take_charge(attempt, verdict.session, channel, self_armed=False)
                _log_authorised(verdict.session)
                node.mark(uuid, originated_marks(verdict.session, channel))
        except SwitchError as fault:
            log.warning("switch not told", call_uuid=uuid, command="originate", fault=str(fault))


def _log_refusal(attempt: Attempt, refused: Refused) -> None:
    log.info(
        "refused",
        call_uuid=attempt.uuid,
        service=attempt.service,
        caller=attempt.caller.dialled,
        callee=attempt.callee.dialled,
        reason=refused.reason,
        detail=refused.detail,
    )


def _log_authorised(session: Session) -> None:
    call = session.call
    log.info(
        "authorised",
        call_uuid=call.uuid,
        account=call.account,
        service=call.service,
        caller=call.caller.dialled,
        callee=call.callee.dialled,
        granted_s=session.granted_s,
        held_micros=session.held_micros,
        rate_id=session.terms.rate.rate_id,
    )

"""Read how a leg ended, from the event, the channel or the witness; and so how its call did."""

from __future__ import annotations

import msgspec

from fsbilling.calls.call import SERVICE_400
from fsbilling.calls.cdr import EndSource
from fsbilling.calls.event import HungUp
from fsbilling.clock import US_PER_S
from fsbilling.switch.channel import Channel, is_uuid
from fsbilling.switch.witness import Witness

TEARDOWN_US = US_PER_S
"""How long after a leg the switch may take to end the one that it was bridged to."""

TRANSFERS = frozenset({"BLIND_TRANSFER", "ATTENDED_TRANSFER", "PICKED_OFF"})
"""Causes and endpoint dispositions of a leg that left by a transfer (mod_sofia, sofia.c)."""

MARKS = ("transfer_to", "transfer_disposition")
"""Variables that only a transfer leaves; the hang-up cause alone says nothing (tried live)."""


def read_ending(channel: Channel, *, source: EndSource, at_us: int = 0) -> HungUp:
    """Give the end of a leg; `at_us` stands in for a hang-up stamp that is missing."""
    return HungUp(
        leg_uuid=channel.uuid,
        ended_us=channel.hungup_us or at_us,
        answered_us=channel.answered_us,
        progress_us=channel.progress_us,
        cause=channel.hangup_cause,
        sip_cause=channel.sip_cause,
        by=channel.hung_up_by(),
        source=source,
        other_leg_uuid=channel.other_leg_uuid or _bonded_leg(channel),
        transferred=_may_have_left_another(channel),
    )


def end_of_call(record: Channel, service: str, witness: Witness) -> HungUp | None:
    """Give the end of a call by the end of its leg, or of the one that it left behind.

    None when another leg may have lived on and has no record. A leg that left before anybody
    answered has the other one's answer.
    """
    ending = read_ending(record, source=EndSource.WITNESS)
    if service == SERVICE_400 or not ending.transferred or not ending.other_leg_uuid:
        return ending
    other = witness.find(ending.other_leg_uuid)
    if other is None:
        return None if left_by_transfer(record) else ending
    # The legs of a bridge end milliseconds apart; only a mark makes so little a life of its own.
    teardown_us = 0 if left_by_transfer(record) else TEARDOWN_US
    if other.hungup_us <= ending.ended_us + teardown_us:
        return ending
    return msgspec.structs.replace(
        read_ending(other, source=EndSource.WITNESS),
        answered_us=ending.answered_us or other.answered_us,
        progress_us=ending.progress_us,
    )


def _bonded_leg(channel: Channel) -> str:
    """Give the leg it was calling when it left: it had no answer, so it was never bridged."""
    uuid = channel.variable("originate_signal_bond")
    return uuid if is_uuid(uuid) else ""


def left_by_transfer(channel: Channel) -> bool:
    """Tell whether a leg bears the marks of a transfer."""
    dispositions = {channel.hangup_cause, channel.variable("endpoint_disposition")}
    return not TRANSFERS.isdisjoint(dispositions) or any(map(channel.variable, MARKS))


def _may_have_left_another(channel: Channel) -> bool:
    """Tell whether the leg it was bridged to may live on.

    `uuid_transfer ... -bleg` leaves no mark; but there, too, the switch ended this leg itself.
    """
    return left_by_transfer(channel) or channel.hangup_disposition == "send_bye"

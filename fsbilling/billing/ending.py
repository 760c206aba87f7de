"""Read how a leg ended, from the event, the channel or the witness."""

from __future__ import annotations

from fsbilling.calls.cdr import EndSource
from fsbilling.calls.event import HungUp
from fsbilling.switch.channel import Channel

TRANSFERS = frozenset({"BLIND_TRANSFER", "ATTENDED_TRANSFER"})
"""Causes and endpoint dispositions of a leg that left by a transfer (mod_sofia, sofia.c)."""


def read_ending(channel: Channel, *, source: EndSource, at_us: int = 0) -> HungUp:
    """Give the end of a leg; `at_us` stands in for a hang-up stamp that is missing."""
    dispositions = {channel.hangup_cause, channel.variable("endpoint_disposition")}
    return HungUp(
        leg_uuid=channel.uuid,
        ended_us=channel.hungup_us or at_us,
        answered_us=channel.answered_us,
        progress_us=channel.progress_us,
        cause=channel.hangup_cause,
        sip_cause=channel.sip_cause,
        by=channel.hung_up_by(),
        source=source,
        other_leg_uuid=channel.other_leg_uuid,
        transferred=not TRANSFERS.isdisjoint(dispositions),
    )

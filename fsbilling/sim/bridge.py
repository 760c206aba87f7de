"""What bridging writes on two channels.

Source: recorded CHANNEL_* events of one bridged call.
"""

from __future__ import annotations

from fsbilling.sim.channel import SimChannel


def mark_bridged(first: SimChannel, second: SimChannel, at_us: int) -> None:
    """Two answered legs talk to each other; `first` is the one that called `second`."""
    second.state = "CS_EXCHANGE_MEDIA"
    first.headers["variable_originate_disposition"] = "SUCCESS"
    first.headers["variable_DIALSTATUS"] = "SUCCESS"
    for leg, other, other_type in ((first, second, "originatee"), (second, first, "originator")):
        leg.other, leg.other_type, leg.bridged_us = other, other_type, at_us
        leg.headers["variable_bridge_uuid"] = other.uuid
        leg.headers["variable_bridge_channel"] = other.name
        leg.headers["variable_last_bridge_to"] = other.uuid
        leg.headers["variable_signal_bond"] = other.uuid

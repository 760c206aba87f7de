"""What FreeSWITCH writes on a channel when it ends: causes, times and durations.

Source: recorded CHANNEL_HANGUP_COMPLETE events; `switch_channel_set_timestamps`.
"""

from __future__ import annotations

from fsbilling.clock import US_PER_S
from fsbilling.sim.cause import cause_number, q850, sip_response
from fsbilling.sim.channel import SimChannel
from fsbilling.sim.dates import stamp

_REMOTE_SIP = {"recv_bye": 200, "recv_cancel": 487}


def default_disposition(channel: SimChannel) -> str:
    """How mod_sofia ends a leg when the switch wants it: BYE, CANCEL or a refusal."""
    if channel.answered_us:
        return "send_bye"
    return "send_refuse" if channel.direction == "inbound" else "send_cancel"


def mark_ended(channel: SimChannel, cause: str, disposition: str, at_us: int) -> None:
    """End the channel; what its last event says is made by `end_variables`, if one asks."""
    channel.cause, channel.hungup_us = cause, at_us
    channel.disposition = disposition or default_disposition(channel)
    channel.state, channel.call_state = "CS_REPORTING", "HANGUP"


def end_variables(channel: SimChannel) -> dict[str, str]:
    """The variables that an ended channel has more than a live one."""
    cause, disposition = channel.cause, channel.disposition
    headers = {
        "variable_sip_hangup_disposition": disposition,
        "variable_hangup_cause": cause,
        "variable_hangup_cause_q850": str(q850(cause)),
    }
    status, phrase = sip_response(cause)
    if disposition.startswith("recv_"):
        term = _REMOTE_SIP.get(disposition, status)
        headers["variable_sip_term_status"] = str(term)
        headers["variable_proto_specific_hangup_cause"] = f"sip:{term}"
        headers["variable_sip_term_cause"] = str(cause_number(cause))
    else:
        headers["variable_sip_hangup_phrase"] = "OK" if channel.answered_us else phrase
    if not channel.answered_us:
        headers["variable_endpoint_disposition"] = "RECEIVED"
        headers["variable_sip_invite_failure_status"] = str(status)
        headers["variable_sip_invite_failure_phrase"] = phrase
    return headers | _times(channel)


def _times(channel: SimChannel) -> dict[str, str]:
    """`billsec` is a difference of truncated seconds, wrong by up to one, as on the switch."""
    headers: dict[str, str] = {}
    for name, at_us in (
        ("start", channel.created_us),
        ("answer", channel.answered_us),
        ("bridge", channel.bridged_us),
        ("progress", channel.progress_us),
        ("end", channel.hungup_us),
    ):
        if at_us:
            headers[f"variable_{name}_stamp"] = stamp(at_us)
        headers[f"variable_{name}_epoch"] = str(at_us // US_PER_S)
        headers[f"variable_{name}_uepoch"] = str(at_us)
    end_us, answered_us = channel.hungup_us, channel.answered_us
    total_us = end_us - channel.created_us
    talked_us = end_us - answered_us if answered_us else 0
    seconds = end_us // US_PER_S - answered_us // US_PER_S if answered_us else 0
    return headers | {
        "variable_duration": str(end_us // US_PER_S - channel.created_us // US_PER_S),
        "variable_billsec": str(seconds),
        "variable_mduration": str(total_us // 1000),
        "variable_billmsec": str(talked_us // 1000),
        "variable_uduration": str(total_us),
        "variable_billusec": str(talked_us),
        "variable_call_uuid": channel.uuid,
    }

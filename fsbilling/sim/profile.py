"""What a channel starts with, and what `show channels` tells of it."""

from __future__ import annotations

from fsbilling.clock import US_PER_S
from fsbilling.sim.channel import SimChannel
from fsbilling.sim.dates import stamp

PROFILE = "lab"
"""The SIP profile that all simulated calls use."""

_HOST = "127.0.0.1"


def first_variables(channel: SimChannel) -> dict[str, str]:
    """What mod_sofia sets on a new channel, as far as a billing client could read it."""
    headers = {
        "variable_direction": channel.direction,
        "variable_uuid": channel.uuid,
        "variable_call_uuid": channel.uuid,
        "variable_session_id": str(channel.session_id),
        "variable_channel_name": channel.name,
        "variable_sofia_profile_name": PROFILE,
    }
    if channel.direction == "outbound":
        headers["variable_is_outbound"] = "true"
        return headers
    caller, destination = channel.caller, channel.destination
    return headers | {
        "variable_sip_from_user": caller,
        "variable_sip_from_uri": f"{caller}@{channel.network_addr}",
        "variable_sip_from_host": channel.network_addr,
        "variable_sip_network_ip": channel.network_addr,
        "variable_sip_received_ip": channel.network_addr,
        "variable_sip_call_id": f"{channel.uuid}@{channel.network_addr}",
        "variable_sip_req_user": destination,
        "variable_sip_req_uri": f"{destination}@{_HOST}",
        "variable_sip_to_user": destination,
        "variable_sip_to_uri": f"{destination}@{_HOST}",
        "variable_endpoint_disposition": "RECEIVED",
    }


def shown_row(channel: SimChannel, switch: str) -> dict[str, str]:
    """One row of `show channels as json`, as far as it could be read."""
    return {
        "uuid": channel.uuid,
        "direction": channel.direction,
        "created": stamp(channel.created_us),
        "created_epoch": str(channel.created_us // US_PER_S),
        "name": channel.name,
        "state": channel.state,
        "cid_name": channel.caller,
        "cid_num": channel.caller,
        "ip_addr": channel.network_addr,
        "dest": channel.destination,
        "application": channel.variable("current_application") or "",
        "application_data": channel.variable("current_application_data") or "",
        "dialplan": "XML",
        "context": channel.context,
        "hostname": switch,
        "accountcode": channel.variable("accountcode") or "",
        "callstate": channel.call_state,
        "call_uuid": channel.variable("call_uuid") or "",
    }

"""Events as header dictionaries, shaped as a real FreeSWITCH's (shared recordings, 1.11).

The names, their order and their values follow the recorded JSON events. What no billing
client reads (codecs, SDP, RTP statistics) is left out; `fsbilling.sim.ballast` has it for
those who want messages of the real size.
"""

from __future__ import annotations

from dataclasses import dataclass

from fsbilling.clock import US_PER_S
from fsbilling.sim.channel import SimChannel
from fsbilling.sim.dates import dates_of
from fsbilling.sim.hangup import end_variables

_STATE_NUMBERS = {
    "CS_INIT": "2",
    "CS_EXECUTE": "4",
    "CS_EXCHANGE_MEDIA": "5",
    "CS_CONSUME_MEDIA": "7",
    "CS_REPORTING": "11",
}

CHANNEL_EVENTS = frozenset(
    {
        "CHANNEL_CREATE",
        "CHANNEL_PROGRESS",
        "CHANNEL_ANSWER",
        "CHANNEL_BRIDGE",
        "CHANNEL_UNBRIDGE",
        "CHANNEL_HANGUP_COMPLETE",
    }
)
"""The channel events that the model emits."""


@dataclass(frozen=True, slots=True)
class SimEvent:
    """One event: its name, when it happened on the switch, its headers and, seldom, a body."""

    name: str
    at_us: int
    headers: dict[str, str]
    body: str = ""


def base_headers(
    name: str, at_us: int, *, core_uuid: str, switch: str, sequence: int
) -> dict[str, str]:
    """The headers that every event starts with."""
    local, gmt = dates_of(at_us // US_PER_S)
    return {
        "Event-Name": name,
        "Core-UUID": core_uuid,
        "FreeSWITCH-Hostname": switch,
        "FreeSWITCH-Switchname": switch,
        "FreeSWITCH-IPv4": "127.0.0.1",
        "FreeSWITCH-IPv6": "::1",
        "Event-Date-Local": local,
        "Event-Date-GMT": gmt,
        "Event-Date-Timestamp": str(at_us),
        "Event-Calling-File": "sim",
        "Event-Calling-Function": "sim",
        "Event-Calling-Line-Number": "1",
        "Event-Sequence": str(sequence),
    }


def add_channel(headers: dict[str, str], channel: SimChannel) -> None:
    """Add what `switch_channel_event_set_data` adds: state, caller, other leg, variables."""
    if channel.cause:
        headers["Hangup-Cause"] = channel.cause
    headers |= {
        "Channel-State": channel.state,
        "Channel-Call-State": channel.call_state,
        "Channel-State-Number": _STATE_NUMBERS[channel.state],
        "Channel-Name": channel.name,
        "Unique-ID": channel.uuid,
        "Call-Direction": channel.direction,
        "Presence-Call-Direction": channel.direction,
        "Channel-HIT-Dialplan": "true" if channel.hit_dialplan else "false",
        "Channel-Call-UUID": channel.headers.get("variable_call_uuid", channel.uuid),
        "Answer-State": channel.answer_state,
    }
    headers |= _caller_profile(channel)
    if channel.other is not None and channel.other_type:
        headers["Other-Type"] = channel.other_type
        _add_other_leg(headers, channel.other)
    headers |= channel.headers
    if channel.cause:
        headers |= end_variables(channel)


def hook_profile(channel: SimChannel) -> dict[str, str]:
    """The caller profile as `connect` answers it: under `Channel-` in place of `Caller-`."""
    start = len("Caller-")
    return {f"Channel-{name[start:]}": text for name, text in _caller_profile(channel).items()}


def _caller_profile(channel: SimChannel) -> dict[str, str]:
    created, caller = str(channel.created_us), channel.caller
    return {
        "Caller-Direction": channel.direction,
        "Caller-Logical-Direction": channel.direction,
        "Caller-Username": caller,
        "Caller-Dialplan": "XML",
        "Caller-Caller-ID-Name": caller,
        "Caller-Caller-ID-Number": caller,
        "Caller-Orig-Caller-ID-Name": caller,
        "Caller-Orig-Caller-ID-Number": caller,
        "Caller-Network-Addr": channel.network_addr,
        "Caller-ANI": caller,
        "Caller-Destination-Number": channel.destination,
        "Caller-Unique-ID": channel.uuid,
        "Caller-Source": "mod_sofia",
        "Caller-Context": channel.context,
        "Caller-Channel-Name": channel.name,
        "Caller-Profile-Index": "1",
        "Caller-Profile-Created-Time": created,
        "Caller-Channel-Created-Time": created,
        "Caller-Channel-Answered-Time": str(channel.answered_us),
        "Caller-Channel-Progress-Time": str(channel.progress_us),
        "Caller-Channel-Progress-Media-Time": "0",
        "Caller-Channel-Hangup-Time": str(channel.hungup_us),
        "Caller-Channel-Transfer-Time": "0",
        "Caller-Channel-Resurrect-Time": "0",
        "Caller-Channel-Bridged-Time": str(channel.bridged_us),
        "Caller-Channel-Last-Hold": "0",
        "Caller-Channel-Hold-Accum": "0",
        "Caller-Screen-Bit": "true",
        "Caller-Privacy-Hide-Name": "false",
        "Caller-Privacy-Hide-Number": "false",
    }


def _add_other_leg(headers: dict[str, str], other: SimChannel) -> None:
    """The other leg's profile is a copy made when the legs met: it has no later times."""
    headers |= {
        "Other-Leg-Direction": other.direction,
        "Other-Leg-Logical-Direction": "inbound",
        "Other-Leg-Username": other.caller,
        "Other-Leg-Caller-ID-Number": other.caller,
        "Other-Leg-Network-Addr": other.network_addr,
        "Other-Leg-ANI": other.caller,
        "Other-Leg-Destination-Number": other.destination,
        "Other-Leg-Unique-ID": other.uuid,
        "Other-Leg-Source": "mod_sofia",
        "Other-Leg-Context": other.context,
        "Other-Leg-Channel-Name": other.name,
        "Other-Leg-Channel-Created-Time": str(other.created_us),
        "Other-Leg-Channel-Answered-Time": str(other.answered_us),
        "Other-Leg-Channel-Hangup-Time": "0",
    }

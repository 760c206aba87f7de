"""The event parser, both formats, and every question a channel answers."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fsbilling.billing.ending import read_ending
from fsbilling.calls.cdr import EndSource
from fsbilling.switch.channel import Channel, ChannelEvent, is_uuid
from fsbilling.switch.frame import BodyError, Frame, parse_event

from . import recorded
from .target import check_fault

MAX_BYTES = 8192
WORDS = (
    b"Unique-ID",
    b"Event-Name",
    b"Event-Date-Timestamp",
    b"Caller-Channel-Answered-Time",
    b"Caller-Channel-Hangup-Time",
    b"variable_fsbilling_account",
    b"variable_bridge_uuid",
    b"variable_sip_hangup_disposition",
    b"Hangup-Cause",
    b"Call-Direction",
    b"%0A",
    b"\\ud800",
    b"ARRAY::",
)
PLAIN, JSON = "text/event-plain", "text/event-json"
PROPERTIES = [name for name in dir(Channel) if isinstance(getattr(Channel, name), property)]


def seeds() -> Iterator[bytes]:
    for body in [*recorded.bodies(recorded.JSON)][::7]:
        yield b"j" + body
    for body in [*recorded.bodies(recorded.PLAIN)][::11]:
        yield b"p" + body
    yield b'j{"Unique-ID": "42a1d4a0-bf75-4287-ab9c-614e30a2479f", "Event-Name": ["a", {}, null]}'
    yield b"pUnique-ID: 42a1d4a0-bf75-4287-ab9c-614e30a2479f\nEvent-Name: a%0Ab: c\n"


def check(data: bytes) -> None:
    """The first byte chooses the format."""
    kind, body = (PLAIN if data[:1] == b"p" else JSON), data[1:]
    try:
        headers = parse_event(Frame({"Content-Type": kind}, body))
    except BodyError as fault:
        check_fault(fault)
        return
    if kind == PLAIN:
        _check_plain(headers, body)
    check_channel(ChannelEvent.of(headers).channel)


def _check_plain(headers: dict[str, object], body: bytes) -> None:
    """A header is a line that FreeSWITCH wrote, never one out of a percent sign (rule 7)."""
    lines = body.partition(b"\n\n")[0].split(b"\n")
    assert headers.keys() <= {line.partition(b":")[0].decode("utf-8", "replace") for line in lines}
    assert len(headers) <= len(lines)


def check_channel(channel: Channel) -> None:
    """A channel never raises, and says only what its types promise."""
    for name in PROPERTIES:
        value = getattr(channel, name)
        assert isinstance(value, str | int)
        if isinstance(value, int):
            assert 0 <= value < 2**63
    for uuid in (channel.uuid, channel.other_leg_uuid):
        assert uuid == "" or is_uuid(uuid)
    assert channel.hung_up_by()
    ending = read_ending(channel, source=EndSource.EVENT, at_us=1)
    assert msgspec.json.encode(ending) or "\ud800" in repr(ending)

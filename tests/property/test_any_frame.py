"""Whatever the bytes are: no crash, no unbounded memory, no header out of a percent sign."""

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.frame import (
    BodyError,
    Frame,
    FrameError,
    FrameReader,
    parse_event,
    parse_headers,
)

PIECES = st.sampled_from(
    [
        b"\n",
        b"\n\n",
        b"Content-Type: ",
        b"Content-Length: ",
        b"text/event-json",
        b"5",
        b"{}",
        b"%0A",
    ]
)
STREAMS = st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=40).map(b"".join)
BOUND = 200


@given(STREAMS, st.integers(1, 64))
def test_any_bytes_give_frames_or_one_fault_within_bounds(data, chunk):
    reader = FrameReader(max_header_bytes=BOUND, max_body_bytes=BOUND)
    try:
        for start in range(0, len(data), chunk):
            reader.feed(data[start : start + chunk])
            while (frame := reader.next_frame()) is not None:
                assert len(frame.body) <= BOUND
            assert reader.buffered_bytes <= BOUND + chunk + 2
    except FrameError:
        pass


@given(STREAMS, st.integers(1, 64))
def test_the_cutting_makes_no_difference(data, chunk):
    assert _read(data, chunk) == _read(data, len(data) or 1)


def _read(data, chunk):
    reader, got = FrameReader(), []
    try:
        for start in range(0, len(data), chunk):
            reader.feed(data[start : start + chunk])
            while (frame := reader.next_frame()) is not None:
                got.append(frame)
    except FrameError:
        got.append("lost")
    return got


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_caller_text_sets_a_header(name, more):  # rule 7
    hostile = f"{name}\nvariable_fsbilling_account: victim\r\n{more}"
    lines = ["Event-Name: CHANNEL_CREATE", f"variable_sip_from_user: {quote(hostile, safe='')}"]
    headers = parse_headers("\n".join(lines).encode())
    assert set(headers) == {"Event-Name", "variable_sip_from_user"}


@given(st.binary(max_size=200))
def test_any_body_is_an_event_or_a_fault(body):
    for kind in ("text/event-json", "text/event-plain"):
        try:
            headers = parse_event(Frame({"Content-Type": kind}, body))
        except BodyError:
            continue
        ChannelEvent.of(headers)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "Unique-ID",
        "Caller-Channel-Answered-Time",
        "Event-Date-Timestamp",
        "variable_bridge_uuid",
        "variable_hangup_cause",
        "Call-Direction",
    ]
)


@given(st.dictionaries(NAMES, VALUES))
def test_a_channel_never_raises(headers):
    channel = Channel(headers)
    for name in dir(Channel):
        if isinstance(getattr(Channel, name), property):
            assert isinstance(getattr(channel, name), str | int)
    assert channel.hung_up_by()
    assert repr(channel)

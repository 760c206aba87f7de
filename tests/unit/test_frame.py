"""Frames out of bytes: recorded ones, broken ones, hostile ones."""

import pytest
from esl_peer import RECORDINGS

from fsbilling.switch.frame import (
    BodyError,
    Frame,
    FrameError,
    FrameReader,
    parse_event,
    parse_headers,
)

JSON_RECORDINGS = ["answered", "busy", "calleebye", "caller-injection", "cancel", "cut"]


def frames(data, chunk=65536, **bounds):
    reader = FrameReader(**bounds)
    for start in range(0, len(data), chunk):
        reader.feed(data[start : start + chunk])
        while (frame := reader.next_frame()) is not None:
            yield frame


def recorded_events(name):
    data = (RECORDINGS / name).read_bytes()
    return [parse_event(f) for f in frames(data) if f.content_type.startswith("text/event")]


@pytest.mark.parametrize("name", JSON_RECORDINGS)
@pytest.mark.parametrize("chunk", [1, 7, 4096, 1 << 20])
def test_a_recording_reads_the_same_however_it_is_cut_up(name, chunk):
    data = (RECORDINGS / f"{name}.json").read_bytes()
    cut = list(frames(data, chunk))
    assert cut == list(frames(data))
    assert [frame.content_type for frame in cut[:3]] == [
        "auth/request",
        "command/reply",
        "command/reply",
    ]
    assert {frame.content_type for frame in cut[3:]} == {"text/event-json"}


@pytest.mark.parametrize("name", ["answered", "caller-injection"])
def test_both_formats_of_one_call_say_the_same(name):
    plain, json = recorded_events(f"{name}.plain"), recorded_events(f"{name}.json")
    assert len(plain) == len(json) > 10
    for one, other in zip(plain, json, strict=True):
        assert one["Event-Name"] == other["Event-Name"]
        assert one.get("variable_fsbilling_account") == other.get("variable_fsbilling_account")
        assert one["Unique-ID"] == other["Unique-ID"]


@pytest.mark.parametrize("name", ["caller-injection.plain", "caller-injection.json"])
def test_a_newline_in_the_callers_name_sets_no_header(name):  # rule 7
    events = recorded_events(name)
    accounts = {event.get("variable_fsbilling_account") for event in events}
    assert accounts == {None, "acme"}
    wanted = "evil\nvariable_fsbilling_account: victim"
    assert any(event.get("variable_sip_from_user") == wanted for event in events)


def test_only_the_newline_byte_ends_a_line():
    block = "A: 1\u2028B: 2\x0bC: 3\x85D: 4\nE: 5".encode()
    assert set(parse_headers(block)) == {"A", "E"}


def test_bytes_that_are_not_utf8_are_replaced():
    assert parse_headers(b"A: caf\xe9\nB: caf%E9") == {"A": "caf\ufffd", "B": "caf\ufffd"}
    latin = b'{"variable_sip_from_display":"caf\xe9"}'
    frame = Frame({"Content-Type": "text/event-json"}, latin)
    assert parse_event(frame) == {"variable_sip_from_display": "caf\ufffd"}


def test_a_body_beyond_the_bound_is_skipped_and_the_next_frame_read():
    huge = b"Content-Type: api/response\nContent-Length: 1000000\n\n" + b"x" * 1_000_000
    good = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
    reader = FrameReader(max_body_bytes=1_000)
    got = []
    for start in range(0, len(huge + good), 10_000):
        reader.feed((huge + good)[start : start + 10_000])
        while (frame := reader.next_frame()) is not None:
            got.append(frame)
        assert reader.buffered_bytes <= 10_000
    assert [frame.content_type for frame in got] == ["api/response", "command/reply"]
    assert "too long" in got[0].fault
    assert got[1].headers["Reply-Text"] == "+OK"


def reader_of_lists(taken):
    return FrameReader(
        max_body_bytes=10,
        taker_of=lambda head: taken.append if head.content_type == "api/response" else None,
    )


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_a_body_can_be_taken_as_it_comes(piece):
    other = b"Content-Type: text/event-json\nContent-Length: 9\n\n123456789"
    empty = b"Content-Type: api/response\nContent-Length: 0\n\n"
    raw = other + b"Content-Type: api/response\nContent-Length: 1000\n\n" + b"x" * 1000
    taken, got = [], []
    reader = reader_of_lists(taken)
    for start in range(0, len(raw + empty + other), piece):
        reader.feed((raw + empty + other)[start : start + piece])
        while (frame := reader.next_frame()) is not None:
            got.append((frame.content_type, frame.body, frame.fault))
        assert reader.buffered_bytes <= piece + 60
    assert b"".join(taken) == b"x" * 1000
    event, listed = ("text/event-json", b"123456789", ""), ("api/response", b"", "")
    assert got == [event, listed, listed, event]


def test_a_body_that_is_taken_has_a_bound_as_well(monkeypatch):
    monkeypatch.setattr("fsbilling.switch.frame.MAX_STREAMED_BYTES", 99)
    taken = []
    reader = reader_of_lists(taken)
    reader.feed(b"Content-Type: api/response\nContent-Length: 100\n\n" + b"x" * 100)
    assert "too long" in reader.next_frame().fault
    assert taken == []


def test_a_header_block_beyond_the_bound_is_a_fault():
    with pytest.raises(FrameError, match="longer than"):
        list(frames(b"A: " + b"x" * 200, chunk=10, max_header_bytes=100))
    with pytest.raises(FrameError, match="longer than"):
        list(frames(b"A: " + b"x" * 200 + b"\n\n", max_header_bytes=100))


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "99999999999999999999", "٣"])
def test_an_unreadable_length_costs_its_own_frame_only(length):
    bad = f"Content-Type: text/event-json\nContent-Length: {length}\n\n".encode()
    good = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
    first, second = frames(bad + good)
    assert "Content-Length" in first.fault
    with pytest.raises(BodyError):
        parse_event(first)
    assert second.headers["Reply-Text"] == "+OK"


@pytest.mark.parametrize("body", [b'{"Event-Name":"X"}', b"Event-Name: X\n\n", b"+OK\n"])
def test_a_body_behind_an_unreadable_length_is_never_taken_for_a_reply(body):
    bad = b"Content-Type: text/event-json\nContent-Length: ?\n\n"
    good = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
    with pytest.raises(FrameError):
        list(frames(bad + body + good))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{" * 100_000, b"\xff\xfe", b"nul"])
def test_a_body_that_is_no_json_object_is_a_fault_of_its_own(body):
    with pytest.raises(BodyError):
        parse_event(Frame({"Content-Type": "text/event-json"}, body))


def test_the_hooks_connect_reply_is_one_frame_of_headers():
    data = (RECORDINGS / "hook-connect.plain").read_bytes()
    connect, *others = frames(data)
    assert connect.headers["Unique-ID"] == "42a1d4a0-bf75-4287-ab9c-614e30a2479f"
    assert connect.headers["Reply-Text"] == "+OK\n"
    assert connect.headers["Channel-Name"] == "sofia/lab/sipp@127.0.0.1:5070"
    assert [frame.headers["Reply-Text"] for frame in others] == ["+OK", "+OK"]

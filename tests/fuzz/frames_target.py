"""The frame reader: the same frames however TCP cuts the stream, within its bounds."""

from __future__ import annotations

from collections.abc import Iterator

from fsbilling.switch.frame import Frame, FrameError, FrameReader

from . import recorded
from .target import check_fault

MAX_BYTES = 2048
WORDS = (
    b"Content-Type: ",
    b"Content-Length: ",
    b"\n\n",
    b"command/reply",
    b"api/response",
    b"text/event-json",
    b"text/disconnect-notice",
    b"%0A",
    b"4294967296",
)
BOUND = 1000
MAX_PIECES = 256


def seeds() -> Iterator[bytes]:
    for stream in recorded.streams():
        yield b"\x10" + stream[:MAX_BYTES]
    yield b"\x01Content-Type: api/response\nContent-Length: 3\n\nabc" * 3


def check(data: bytes) -> None:
    """The first byte says how the stream is cut, a long one into so many pieces at most."""
    cut, stream = (data[0] or 256, data[1:]) if data else (1, b"")
    cut = max(cut, len(stream) // MAX_PIECES)
    pieces = [stream[start : start + cut] for start in range(0, len(stream), cut)]
    assert _read(FrameReader(), pieces) == _read(FrameReader(), [stream])
    small = FrameReader(max_header_bytes=BOUND, max_body_bytes=BOUND)
    for frame in _read(small, pieces):
        if frame is not None:
            assert len(frame.body) <= BOUND
            _check_headers(frame, stream)
    assert small.buffered_bytes <= BOUND + cut + 2
    taken: list[bytes] = []
    streaming = FrameReader(
        max_body_bytes=BOUND,
        taker_of=lambda head: taken.append if head.content_type == "api/response" else None,
    )
    _check_taken(_read(streaming, pieces), _read(FrameReader(), [stream]), taken)


def _read(reader: FrameReader, pieces: list[bytes]) -> list[Frame | None]:
    """Read all frames; None stands for a stream that was given up."""
    frames: list[Frame | None] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (frame := reader.next_frame()) is not None:
                frames.append(frame)
    except FrameError as fault:
        check_fault(fault)
        frames.append(None)
    return frames


def _check_taken(frames: list[Frame | None], whole: list[Frame | None], taken: list[bytes]) -> None:
    """The same frames, and in the order they came the bytes of all that were to be taken."""
    assert [frame and frame.headers for frame in frames] == [
        frame and frame.headers for frame in whole
    ]
    bodies = [frame.body for frame in whole if frame and frame.content_type == "api/response"]
    assert b"".join(taken).startswith(b"".join(bodies))


def _check_headers(frame: Frame, stream: bytes) -> None:
    """Each header stands in the stream as a line of its own, undecoded."""
    names = {line.partition(b":")[0].decode("utf-8", "replace") for line in stream.split(b"\n")}
    assert frame.headers.keys() <= names
    if not frame.fault:
        assert len(frame.body) == int(frame.headers.get("Content-Length", "0"))

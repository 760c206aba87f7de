"""ESL frames out of a byte stream, within bounds, whatever the bytes are.

A frame is a block of header lines, an empty line, and a body of Content-Length bytes
(FreeSWITCH, mod_event_socket.c). Header lines are split on the newline byte BEFORE they are
percent-decoded: a caller whose SIP name holds `%0A` must not be able to add a header
(DESIGN rule 7). Bytes that are not UTF-8 are replaced, never fatal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import msgspec

from fsbilling.errors import SwitchError

MAX_HEADER_BYTES = 1 << 20
"""A `connect` reply is 6 KB; a caller can swell it to a few hundred KB, not more."""
MAX_HEADER_LINES = 5_000
"""A `connect` reply has some 200; in memory a line takes 60 times its shortest form."""
MAX_BODY_BYTES = 8 << 20
"""Of a body that is kept whole: an event has 8 KB, what a caller can swell some hundred."""
MAX_STREAMED_BYTES = 256 << 20
"""Of one that is handed on as it comes: `show channels as json` with 200,000 channels."""

_FIRST_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_-]*:")
_LENGTH = re.compile(r"[0-9]{1,12}")


class FrameError(SwitchError):
    """The stream is not ESL (any more): where the next frame starts is unknown."""


class BodyError(SwitchError):
    """One frame's body cannot be read; the frames after it can."""


class Frame(msgspec.Struct, frozen=True):
    """One ESL frame.

    Attributes:
        headers: Names as sent, values percent-decoded.
        body: The bytes as sent; empty when there were none or when they were skipped.
        fault: Why the body is missing though it was announced; empty when all is well.
    """

    headers: dict[str, str]
    body: bytes = b""
    fault: str = ""

    @property
    def content_type(self) -> str:
        """What kind of frame this is, such as `command/reply`."""
        return self.headers.get("Content-Type", "")


Take = Callable[[bytes], object]
"""Takes the next piece of a body."""


def _kept(_head: Frame) -> Take | None:
    return None


class FrameReader:
    """Cuts a byte stream into frames, holding at most one frame's bounds in memory.

    Use: `feed` what came from the socket, then call `next_frame` until it returns None.

    `taker_of` says of a frame whose head has come who takes its body, piece by piece as it
    comes; the frame's own body is empty then. None: the body is kept until it is whole.
    """

    def __init__(
        self,
        *,
        max_header_bytes: int = MAX_HEADER_BYTES,
        max_body_bytes: int = MAX_BODY_BYTES,
        taker_of: Callable[[Frame], Take | None] = _kept,
    ) -> None:
        self._max_header_bytes = max_header_bytes
        self._max_body_bytes = max_body_bytes
        self._taker_of = taker_of
        self._buffer = bytearray()
        self._scanned = 0
        self._frame: Frame | None = None
        self._take: Take | None = None
        self._length = 0

    @property
    def buffered_bytes(self) -> int:
        """How much is held back, waiting for the rest of a frame."""
        return len(self._buffer)

    @property
    def has_begun(self) -> bool:
        """Whether a part of a frame has come, and not all of it."""
        return self._frame is not None or bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what the socket gave."""
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """Return the next whole frame, or None until more bytes are fed.

        An announced body beyond the bound is read and thrown away: the frame comes with
        `fault` set, so that the command waiting for it can be told. Raises FrameError when the
        framing is lost, and what a taker raises; the reader is of no use afterwards.
        """
        if self._frame is None:
            self._frame = self._next_head()
            if self._frame is None:
                return None
        frame = self._frame
        if frame.fault or self._take is not None:
            return self._pass_on(frame)
        if len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._frame = None
        return Frame(frame.headers, body)

    def _pass_on(self, frame: Frame) -> Frame | None:
        """Give what has come of a body to its taker, or to nobody; the frame when it was all."""
        here = min(self._length, len(self._buffer))
        if here and self._take is not None:
            self._take(bytes(self._buffer[:here]))
        del self._buffer[:here]
        self._length -= here
        if self._length:
            return None
        self._frame = self._take = None
        return frame

    def _next_head(self) -> Frame | None:
        self._drop_leading_newlines()
        end = self._buffer.find(b"\n\n", max(0, self._scanned - 1))
        if max(end, 0) > self._max_header_bytes or (
            end < 0 and len(self._buffer) > self._max_header_bytes
        ):
            raise FrameError(f"a header block is longer than {self._max_header_bytes} bytes")
        if end < 0:
            self._scanned = len(self._buffer)
            return None
        block = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._scanned = 0
        if block.count(b"\n") >= MAX_HEADER_LINES:
            raise FrameError(f"a header block has more than {MAX_HEADER_LINES} lines")
        if not _FIRST_NAME.match(block):
            raise FrameError(f"expected a header line, found {block[:60]!r}")
        headers = parse_headers(block)
        if "Content-Type" not in headers:
            raise FrameError(f"a header block has no Content-Type: {block[:60]!r}")
        return self._announced(headers)

    def _drop_leading_newlines(self) -> None:
        if self._buffer.startswith(b"\n"):
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(b"\n"))]
            self._scanned = 0

    def _announced(self, headers: dict[str, str]) -> Frame:
        """Note how long the body will be, and whether it can be taken."""
        announced = headers.get("Content-Length", "0").strip()
        if not _LENGTH.fullmatch(announced):
            # Without a body the stream goes on undisturbed. With one, the next block does not
            # begin like a header block, and that is found there.
            self._length = 0
            return Frame(headers, fault=f"Content-Length is {announced[:20]!r}")
        self._length = int(announced)
        frame = Frame(headers)
        self._take = self._taker_of(frame)
        most_bytes = self._max_body_bytes if self._take is None else MAX_STREAMED_BYTES
        if self._length > most_bytes:
            self._take = None
            return Frame(headers, fault=f"a body of {announced} bytes is too long")
        return frame


def parse_headers(block: bytes) -> dict[str, str]:
    """Read `Name: value` lines; a line without a colon is passed over, the last of a name wins."""
    headers = {}
    # Only the newline byte ends a line: str.splitlines would also end it at U+2028 and others.
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            text = value.decode("utf-8", "replace").strip()
            headers[name.decode("utf-8", "replace")] = unquote(text) if "%" in text else text
    return headers


def parse_event(frame: Frame) -> dict[str, object]:
    """Read an event frame's own headers, from either format; raises BodyError.

    Values are strings; JSON gives a list for FreeSWITCH's array variables.
    """
    if frame.fault:
        raise BodyError(frame.fault)
    if frame.content_type == "text/event-plain":
        return dict(parse_headers(frame.body.partition(b"\n\n")[0]))
    return parse_json(frame.body)


def parse_json(body: bytes) -> dict[str, object]:
    """Read a JSON object of headers; raises BodyError."""
    try:
        try:
            headers = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # FreeSWITCH passes a caller's bytes through: Latin-1 in a display name, say.
            headers = msgspec.json.decode(body.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as fault:
        raise BodyError(f"a body is not JSON: {fault}") from None
    if not isinstance(headers, dict):
        raise BodyError("a JSON body is not an object")
    return headers

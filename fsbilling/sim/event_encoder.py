"""Events as frames, made once for all clients that want them in the same format."""

from __future__ import annotations

from collections.abc import Mapping

from fsbilling.sim import ballast
from fsbilling.sim import esl_wire as wire
from fsbilling.sim.event import SimEvent


class EventEncoder:
    """Writes events as `plain` or `json` frames.

    With `full_size` they are as long as a real switch's: the ballast is written once, when
    the encoder is made, and only copied afterwards.
    """

    def __init__(self, *, full_size: bool) -> None:
        self._tails = {
            "json": {False: b"", True: b""},
            "plain": {False: b"", True: b""},
        }
        if full_size:
            for ended, headers in ((False, ballast.LIVE), (True, ballast.ENDED)):
                self._tails["json"][ended] = b"," + wire.json_object(headers)[1:-1]
                self._tails["plain"][ended] = wire.plain_block(headers)[:-1]
        self._last: SimEvent | None = None
        self._frames: dict[str, bytes] = {}

    def frame(self, event: SimEvent, kind: str) -> bytes:
        """The whole frame of an event; `kind` is `plain` or `json`."""
        if event is not self._last:
            self._last, self._frames = event, {}
        frame = self._frames.get(kind)
        if frame is None:
            body = self._plain(event) if kind == "plain" else self._object(event)
            frame = self._frames[kind] = wire.event_frame(kind, body)
        return frame

    def block(self, headers: Mapping[str, str], last: Mapping[str, str] | None = None) -> bytes:
        """A plain block with its closing blank line; `last` are the headers that end it."""
        body = wire.plain_block(headers)[:-1]
        if "Unique-ID" in headers:
            body += self._tails["plain"]["Hangup-Cause" in headers]
        return body + wire.plain_block(last or {})

    def _plain(self, event: SimEvent) -> bytes:
        if not event.body:
            return self.block(event.headers)
        body = event.body.encode()
        return self.block(event.headers, {"Content-Length": str(len(body))}) + body

    def _object(self, event: SimEvent) -> bytes:
        headers = event.headers
        if event.body:
            length = str(len(event.body.encode()))
            return wire.json_object(headers | {"Content-Length": length, "_body": event.body})
        body = wire.json_object(headers)
        if "Unique-ID" not in headers:
            return body
        return body[:-1] + self._tails["json"]["Hangup-Cause" in headers] + b"}"

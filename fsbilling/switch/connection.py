"""One ESL conversation over TCP: greenswitch's protocol class, made safe for money.

What greenswitch 0.0.19 does otherwise, and why it is overridden here: it decodes before it
splits (a caller can add headers), gives up on one undecodable byte, spins on a truncated body,
leaves `send` waiting for ever when TCP drops, and writes with `send`, so that two greenlets'
commands may interleave.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from gevent.lock import BoundedSemaphore
from greenswitch.esl import ESLProtocol

from fsbilling.errors import SwitchError, SwitchTimeout
from fsbilling.switch.breath import breathe
from fsbilling.switch.frame import MAX_BODY_BYTES, MAX_HEADER_BYTES, Frame, FrameReader, Take

MAX_PENDING = 1_000
"""Commands sent and not yet answered, abandoned ones included."""
RECEIVE_BYTES = 1 << 16
MAX_UNPAUSED = 8
"""So many reads may follow each other before the loop looks at sockets and timers."""
COMMAND_TIMEOUT_S = 5.0
FRAME_S = 30.0
"""How long a frame may take from its first byte to its last: one has 8 KB, a long list 42 MB."""


class Waiter(AsyncResult):  # type: ignore[misc] # gevent has no types
    """One command's place in the queue of those that wait for a reply.

    Attributes:
        take: Is given the reply's body as it comes; None when the reply is wanted whole.
    """

    def __init__(self, take: Take | None = None) -> None:
        super().__init__()
        self.take = take


class Connection(ESLProtocol):  # type: ignore[misc] # greenswitch has no types
    """Frames in, commands out, replies matched first in first out.

    Invariant: every command written has one slot in the FIFO until its own reply comes, even
    when nobody waits for it any more. A late reply can so never answer the next command.
    """

    max_header_bytes = MAX_HEADER_BYTES
    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, *args: object) -> None:
        self.closed = Event()
        self.why_closed = ""
        self.sock: Any = None
        self.sock_file: Any = None
        self._reader = FrameReader(
            max_header_bytes=self.max_header_bytes,
            max_body_bytes=self.max_body_bytes,
            taker_of=self._taker_of,
        )
        self._unpaused = 0
        self._began_s: float | None = None
        self._write_lock = BoundedSemaphore(1)
        super().__init__(*args)
        self._commands_sent: deque[Waiter] = deque()

    def start_event_handlers(self) -> None:
        """Read in a greenlet of its own; what events mean is the subclass's business."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receive_events_greenlet = gevent.spawn(self.receive_events)

    def receive_events(self) -> None:
        """Read frames until the connection ends, for whatever reason; then let all waiters go."""
        why = "the peer closed the connection"
        try:
            while chunk := self.receive():
                self._reader.feed(chunk)
                while (frame := self._reader.next_frame()) is not None:
                    self._began_s = None
                    self.handle_event(frame)
                self._check_pace()
                self._pause(len(chunk))
        except (OSError, SwitchError) as fault:
            why = str(fault)
        finally:
            self.close(why)

    def _check_pace(self) -> None:
        """Leave a peer that goes on and on with one frame, and never is silent for it."""
        if not self._reader.has_begun:
            self._began_s = None
        elif self._began_s is None:
            self._began_s = time.monotonic()
        elif time.monotonic() - self._began_s > FRAME_S:
            raise SwitchError(f"a frame did not come whole within {FRAME_S:g} s")

    def _pause(self, received: int) -> None:
        """Give way to the other greenlets: while more bytes wait, `receive` would not.

        A peer that talks without a pause would stop the daemon, and its own deadline. One that
        has more to say than was read at once is let wait longer than all others.
        """
        self._unpaused += 1
        if received == RECEIVE_BYTES or self._unpaused == MAX_UNPAUSED:
            self._unpaused = 0
            breathe()
        else:
            gevent.sleep(0)

    def receive(self) -> bytes:
        """Wait for bytes; none means that the peer has closed."""
        chunk: bytes = self.sock.recv(RECEIVE_BYTES)
        return chunk

    def handle_event(self, frame: Frame) -> None:
        """Give one frame to whom it concerns; kinds that nobody asked for are passed over."""
        match frame.content_type:
            case "command/reply" | "api/response":
                self._answer(frame)
            case "text/event-json" | "text/event-plain":
                self.handle_channel_event(frame)
            case "auth/request":
                self._auth_request_event.set()
            case "text/rude-rejection":
                raise SwitchError("the switch's event socket ACL refuses this address")
            case "text/disconnect-notice":
                raise SwitchError("the switch ended the connection")

    def handle_channel_event(self, frame: Frame) -> None:
        """Take an event; a connection that subscribed to none has no use for it."""

    def _taker_of(self, head: Frame) -> Take | None:
        if head.content_type != "api/response" or not self._commands_sent:
            return None
        return self._commands_sent[0].take

    def _answer(self, frame: Frame) -> None:
        if not self._commands_sent:
            # From here on replies and commands would not match: nothing can be believed.
            raise SwitchError("a reply came that no command asked for")
        waiter = self._commands_sent.popleft()
        if frame.fault:
            waiter.set_exception(SwitchError(frame.fault))
        else:
            waiter.set(frame)

    def send(
        self, data: str, timeout_s: float = COMMAND_TIMEOUT_S, take: Take | None = None
    ) -> Frame:
        """Send one command and wait for its reply; with `take`, for all of it to be taken.

        Raises SwitchTimeout when no reply came in time (the outcome is unknown), SwitchError
        when the connection ended or too many commands wait already.
        """
        waiter = self.post(data, timeout_s, take)
        try:
            reply: Frame = waiter.get(timeout=timeout_s)
        except gevent.Timeout:
            raise SwitchTimeout(f"no reply within {timeout_s:g} s") from None
        return reply

    def post(
        self, data: str, timeout_s: float = COMMAND_TIMEOUT_S, take: Take | None = None
    ) -> AsyncResult:
        """Send one command without waiting; its reply arrives in the result.

        The body of an answer to `api` is given to `take` piece by piece, in the reader's greenlet:
        a take that raises SwitchError ends the connection, and with it the wait.
        """
        raw = (data + "\n\n").encode()
        waiter = Waiter(take)
        if not self._write_lock.acquire(timeout=timeout_s):
            raise SwitchTimeout(f"the switch takes no commands for {timeout_s:g} s")
        try:
            if not self.connected:
                raise SwitchError(self.why_closed or "not connected")
            if len(self._commands_sent) >= MAX_PENDING:
                raise SwitchError(f"{MAX_PENDING} commands wait for a reply already")
            self._commands_sent.append(waiter)
            self._write(raw)
        finally:
            self._write_lock.release()
        return waiter

    def _write(self, raw: bytes) -> None:
        try:
            self.sock.sendall(raw)
        except OSError as fault:
            self.close(f"cannot write: {fault}")
            raise SwitchError(self.why_closed) from None
        except BaseException:
            # Half a command is on the wire, and nothing can take it back.
            self.close("interrupted while writing")
            raise

    def stop(self) -> None:
        """End the connection at once, its reader included."""
        self.close("stopped")
        if self._receive_events_greenlet is not None:
            self._receive_events_greenlet.kill(block=False)

    def close(self, why: str) -> None:
        """End the connection; every command still waiting fails now with the reason."""
        if self.closed.is_set():
            return
        self.closed.set()
        self.why_closed = why
        self.connected = False
        self._run = False
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()
        if self.sock_file is not None:
            self.sock_file.close()  # else it would hold the descriptor open
        self._auth_request_event.set()
        while self._commands_sent:
            self._commands_sent.popleft().set_exception(SwitchError(why))

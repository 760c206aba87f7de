"""The hook: FreeSWITCH's dialplan asks here whether a call may start.

The dialplan's `socket` application connects, we ask for the channel (`connect`), billing
decides, and one `multiset` carries the answer back. FreeSWITCH waits meanwhile, so every session
has a deadline, whatever the peer does.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping

import gevent
import msgspec
import structlog
from gevent.pool import Pool
from gevent.server import StreamServer
from greenswitch.esl import OutboundSession

from fsbilling.errors import SwitchError
from fsbilling.switch.channel import Channel
from fsbilling.switch.connection import Connection
from fsbilling.switch.frame import Frame

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 200
BACKLOG = 4_096
"""Connections the kernel keeps for us; beyond it a call waits seconds for its SYN's repetition."""
MAX_HEADER_BYTES = 256 << 10
MAX_BODY_BYTES = 4 << 10
"""Anybody may connect, so a peer gets less than the switch we connect to ourselves: a `connect`
reply is 6 KB of headers without a body. Who swells his call's beyond is refused."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_VALUE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff'\\$]*")
_SEPARATORS = "|~;!#@%&*"


class HookAnswer(msgspec.Struct, frozen=True):
    """What the dialplan is told: channel variables, set all at once."""

    variables: dict[str, str]


UNDECIDED = HookAnswer({"fsbilling_verdict": "error"})
"""Given when billing fails: the dialplan's `verdict-error` refuses the call."""

Decide = Callable[[Channel], HookAnswer]


def multiset(variables: Mapping[str, str]) -> str:
    """Write `multiset`'s argument, with a separator that no value holds.

    Quotes, backslashes and `$` are refused with SwitchError: FreeSWITCH would read them
    (switch_utils.c, cleanup_separated_string; switch_channel_expand_variables).
    """
    for name, value in variables.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise SwitchError(f"{name}={value!r} cannot be set by the hook")
    values = "".join(variables.values())
    separator = next((mark for mark in _SEPARATORS if mark not in values), None)
    if separator is None:
        raise SwitchError("the values hold every separator there is")
    return f"^^{separator}" + separator.join(f"{n}={v}" for n, v in variables.items())


class HookSession(Connection, OutboundSession):  # type: ignore[misc] # greenswitch has no types
    """One call waiting in the dialplan.

    We subscribe to nothing, so each command's reply is the next frame, and whoever sends the
    command reads it himself: a greenlet that reads for him is half of what a bare hook costs.
    """

    max_header_bytes = MAX_HEADER_BYTES
    max_body_bytes = MAX_BODY_BYTES

    def start_event_handlers(self) -> None:
        """Have no reader."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _command(self, data: str) -> Frame:
        """Send one command and wait for its reply; whoever closes the session ends that.

        Raises SwitchError, also for any frame but the reply: more than that is a flood.
        """
        self._write(f"{data}\n\n".encode())
        frame = self._next_frame()
        if frame.fault or frame.content_type != "command/reply":
            raise SwitchError(
                frame.fault or f"a frame that nobody asked for: {frame.content_type[:40]!r}"
            )
        return frame

    def _next_frame(self) -> Frame:
        while True:
            try:
                chunk = self.receive()
            except OSError as fault:
                raise SwitchError(self.why_closed or str(fault)) from None
            if not chunk:
                raise SwitchError(self.why_closed or "the peer closed the connection")
            self._reader.feed(chunk)
            frame = self._reader.next_frame()
            if frame is not None:
                return frame
            self._pause(len(chunk))

    def ask(self) -> Channel:
        """Learn which channel this is; raises SwitchError."""
        headers = self._command("connect").headers
        if headers.get("Socket-Mode") == "async":
            # Then `+OK` says that a message is queued, not that the variables are set.
            raise SwitchError("the dialplan's socket application must not say `async`")
        return Channel(headers)

    def answer_with(self, variables: Mapping[str, str]) -> None:
        """Set the variables; returns when the switch has taken them, else raises SwitchError."""
        # As a body, FreeSWITCH reads it in one go; header lines it reads byte by byte.
        argument = multiset(variables).encode()
        reply = self._command(
            "sendmsg\ncall-command: execute\nexecute-app-name: multiset\n"
            f"content-type: text/plain\ncontent-length: {len(argument)}\n\n" + argument.decode()
        )
        text = reply.headers.get("Reply-Text", "")
        if not text.startswith("+OK"):
            raise SwitchError(f"multiset was answered {text!r}")


class HookServer:
    """Listens for the dialplan.

    Invariant: at most `max_connections` sessions, and none longer than its deadline. When all
    places are taken, the peer that has been silent longest gives way: FreeSWITCH says at once
    which call it asks about, so a thousand connections that say nothing keep no call waiting.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        decide: Decide,
        abandoned: Callable[[Channel], None],
        deadline_ms: int = 2_000,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._decide = decide
        self._abandoned = abandoned
        self._deadline_s = deadline_ms / 1_000
        self._max_connections = max_connections
        self._sessions = Pool()
        self._silent: dict[HookSession, None] = {}
        self._server = StreamServer(address, self._serve, backlog=BACKLOG, spawn=self._sessions)

    @property
    def port(self) -> int:
        """The port listened on; of use when 0 was asked for."""
        port: int = self._server.server_port
        return port

    def start(self) -> None:
        """Listen; raises OSError when the address is taken."""
        self._server.start()

    def stop(self) -> None:
        """Stop listening; sessions under way get the rest of their deadline."""
        self._server.stop(timeout=self._deadline_s)

    def _serve(self, sock: gevent.socket.socket, peer: object) -> None:
        if len(self._sessions) > self._max_connections and not self._make_room():
            # Better refused at once than kept waiting: the dialplan has an answer for it.
            log.warning("hook_full", sessions=self._max_connections)
            return
        session = HookSession(peer, sock)
        self._silent[session] = None
        # The deadline closes the socket instead of breaking into `decide`, which may just have
        # committed a hold: FreeSWITCH goes on at once, and billing learns of it by `abandoned`.
        deadline = gevent.spawn_later(self._deadline_s, session.close, "the deadline has passed")
        try:
            self._converse(session)
        except SwitchError as fault:
            log.warning("hook_unasked", why=str(fault))
        except Exception:
            log.exception("hook_failed")
        finally:
            deadline.kill(block=False)
            self._silent.pop(session, None)
            session.stop()

    def _make_room(self) -> bool:
        """End the session that has said nothing for longest; False when all have spoken."""
        longest = next(iter(self._silent), None)
        if longest is None:
            return False
        del self._silent[longest]
        longest.close("it gave its place to a later call")
        return True

    def _converse(self, session: HookSession) -> None:
        channel = session.ask()
        self._silent.pop(session, None)
        answer = self._decided(channel)
        try:
            session.answer_with(answer.variables)
        except SwitchError as fault:
            log.warning("hook_abandoned", call=channel.uuid, why=str(fault))
            self._abandoned(channel)

    def _decided(self, channel: Channel) -> HookAnswer:
        if not channel.uuid:
            # With `inbound-use-callid-as-uuid` the caller chooses it; such a call has no name
            # that may stand in a command, so it could not be ended.
            log.warning("hook_undecided", why="the channel's uuid is none")
            return UNDECIDED
        try:
            return self._decide(channel)
        except Exception:
            # Whatever broke: the caller waits, and an unanswered dialplan must fail closed.
            log.exception("hook_undecided", call=channel.uuid)
            return UNDECIDED

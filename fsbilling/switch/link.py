"""The link to one FreeSWITCH: its events in order, our commands, kept up for ever.

Two TCP connections to the same event socket. FreeSWITCH runs a connection's commands in the
thread that also sends its events (mod_event_socket.c, listener_run): on one connection, a slow
command delays events, and events that we cannot take yet would hold back the replies that we
need to take them.

Events are handed over through a bounded queue that one greenlet drains, in order, together with
"up" and "down". When the queue is full the reader stops reading: TCP pushes back, and FreeSWITCH
keeps up to 100,000 events for us. None is dropped here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import gevent
import structlog
from gevent.event import Event
from gevent.queue import Queue
from greenswitch.esl import InboundESL, NotConnectedError

from fsbilling.errors import SwitchError, SwitchTimeout
from fsbilling.switch.channel import ChannelEvent
from fsbilling.switch.connection import COMMAND_TIMEOUT_S, Connection
from fsbilling.switch.frame import BodyError, Frame, Take, parse_event

log = structlog.get_logger(__name__)

EVENTS = ("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE")
SUBSCRIPTION = (
    "filter variable_fsbilling_account /./",
    # Legs that mod_sofia calls on a REFER's word alone (billing.reception says why).
    "filter variable_sip_h_X-FS-Refer-For /./",
    "filter Event-Name HEARTBEAT",
    f"event json {' '.join(EVENTS)} HEARTBEAT",
)
"""Filters first: from the moment events flow, they are the billed legs' only."""
MAX_QUEUED_EVENTS = 1_000
CONNECT_TIMEOUT_S = 5.0
SILENCE_S = 5.0
BACKOFF_FIRST_S = 0.25
BACKOFF_LAST_S = 15.0
STREAM_TIMEOUT_S = 20.0
"""A list of 40,000 channels takes a second; one of which nothing comes ends by `SILENCE_S`."""

STEADY_S = 30.0
"""A link that held this long starts its next back-off from the beginning."""

EventHandler = Callable[[ChannelEvent], None]


def backoff_s(attempt: int, jitter: float) -> float:
    """How long to wait before connecting again; `attempt` from 0, `jitter` in 0..1.

    Doubles up to `BACKOFF_LAST_S`; half of it is random, so that daemons do not come in step.
    """
    whole: float = min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2 ** min(attempt, 16))
    return whole * (0.5 + jitter / 2)


class InboundConnection(Connection, InboundESL):  # type: ignore[misc] # greenswitch has no types
    """A connection to FreeSWITCH's event socket that notices when it has died silently."""

    def __init__(
        self,
        host: str,
        port: int,
        password: str,
        *,
        silence_s: float = SILENCE_S,
        on_event: EventHandler | None = None,
    ) -> None:
        self._silence_s = silence_s
        self._pinged = False
        self._on_event = on_event
        self._gate = Event()
        super().__init__(host, port, password, CONNECT_TIMEOUT_S)

    def connect(self) -> None:
        """Connect and authenticate within one time limit; raises SwitchError."""
        try:
            with gevent.Timeout(self.timeout):
                super().connect()
        except gevent.Timeout:
            self._give_up(SwitchTimeout(f"no welcome within {self.timeout:g} s"))
        except ValueError:
            self._give_up(SwitchError("the switch refuses the event socket password"))
        except (NotConnectedError, SwitchError, OSError) as fault:
            self._give_up(SwitchError(self.why_closed or str(fault)))

    def _give_up(self, fault: SwitchError) -> NoReturn:
        self.close(str(fault))
        raise fault from None

    def receive(self) -> bytes:
        """Wait for bytes; after a silence ask for a sign of life, after another give up."""
        while True:
            self.sock.settimeout(self._silence_s)
            try:
                chunk = super().receive()
            except TimeoutError:
                if self._pinged:
                    raise SwitchError(f"silent for {2 * self._silence_s:g} s") from None
                self._pinged = True
                self.post("api strepoch")
            else:
                self._pinged = False
                return chunk

    def subscribe(self) -> None:
        """Ask for the billed legs' events; raises SwitchError. They wait for `open_gate`."""
        for command in SUBSCRIPTION:
            reply = self.send(command).headers.get("Reply-Text", "")
            if not reply.startswith("+OK"):
                raise SwitchError(f"{command!r} was answered {reply!r}")

    def open_gate(self) -> None:
        """Let events through, those that came since `subscribe` first."""
        self._gate.set()

    def handle_channel_event(self, frame: Frame) -> None:
        """Hand a channel event over; one that cannot be read costs itself only."""
        self._gate.wait()
        try:
            event = ChannelEvent.of(parse_event(frame))
        except BodyError as fault:
            log.warning("link_event_unreadable", peer=f"{self.host}:{self.port}", why=str(fault))
            return
        if self._on_event is not None and event.name in EVENTS:
            self._on_event(event)


class Link:
    """Keeps one node's link up, and gives its events to billing.

    `on_up`, `on_event` and `on_down` are called one after the other from one greenlet, in the
    order things happened. They may call `api`: replies do not queue behind events.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        password: str,
        *,
        on_event: EventHandler,
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        silence_s: float = SILENCE_S,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._address = address
        self._password = password
        self._on_event = on_event
        self._on_up = on_up
        self._on_down = on_down
        self._silence_s = silence_s
        self._jitter = jitter
        self._commands: InboundConnection | None = None
        self._handover: Queue = Queue(maxsize=MAX_QUEUED_EVENTS)
        self._greenlets: list[gevent.Greenlet] = []

    @property
    def is_up(self) -> bool:
        """Whether commands can be sent now."""
        return self._commands is not None

    def start(self) -> None:
        """Connect, and go on connecting, in the background."""
        self._greenlets = [gevent.spawn(self._drain), gevent.spawn(self._keep_up)]

    def stop(self) -> None:
        """Close the link; no callback runs afterwards."""
        gevent.killall(self._greenlets)
        self._greenlets = []

    def api(self, command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run one API command on the switch and return its whole output.

        Raises SwitchTimeout when the outcome is unknown, SwitchError when the link is down or
        the command holds a line break.
        """
        reply = self._linked(command).send(f"api {command}", timeout_s)
        return _output(reply).decode("utf-8", "replace")

    def stream(self, command: str, take: Take, timeout_s: float = STREAM_TIMEOUT_S) -> None:
        """Run one API command and give its output to `take`, piece by piece as it comes.

        For answers of many megabytes, over a connection of its own: on each, the switch answers
        one command after the other. Returns when all is taken; whatever was taken before is
        worthless when this raises SwitchError, SwitchTimeout, or what `take` raises.
        """
        self._linked(command)
        connection = self._connection()
        try:
            connection.connect()
            _output(connection.send(f"api {command}", timeout_s, take))
        finally:
            connection.stop()

    def _linked(self, command: str) -> InboundConnection:
        """Give the connection for commands; raises SwitchError."""
        if "\n" in command or "\r" in command:
            raise SwitchError("a command must be one line")
        if self._commands is None:
            raise SwitchError(f"the link to {self.name} is down")
        return self._commands

    def _keep_up(self) -> None:
        attempt = 0
        while True:
            began = time.monotonic()
            self._session()
            attempt = 0 if time.monotonic() - began > STEADY_S else attempt + 1
            gevent.sleep(backoff_s(attempt, self._jitter()))

    def _session(self) -> None:
        """Connect, and stay until either connection is lost."""
        commands, events = self._connection(), self._connection()
        why = ""
        try:
            commands.connect()
            events.connect()
            events.subscribe()
            self._commands = commands
            log.info("link_up", switch=self.name)
            # Billing looks round for what it missed only once nothing more can be missed.
            self._handover.put(self._on_up)
            events.open_gate()
            gevent.wait([commands.closed, events.closed], count=1)
            why = commands.why_closed or events.why_closed
        except SwitchError as fault:
            log.warning("link_refused", switch=self.name, why=str(fault))
        finally:
            self._commands = None
            commands.stop()
            events.stop()
        if why:
            log.warning("link_down", switch=self.name, why=why)
            self._handover.put(self._on_down)

    def _connection(self) -> InboundConnection:
        host, port = self._address
        return InboundConnection(
            host, port, self._password, silence_s=self._silence_s, on_event=self._hand_over
        )

    def _hand_over(self, event: ChannelEvent) -> None:
        self._handover.put(partial(self._on_event, event))

    def _drain(self) -> None:
        for step in self._handover:
            try:
                step()
            except Exception:
                # One event that billing stumbles over must not stop the events after it.
                log.exception("link_callback_failed", switch=self.name)


def _output(reply: Frame) -> bytes:
    """Give what a command said; raises SwitchError when it was not let to say anything."""
    if reply.content_type != "api/response":
        raise SwitchError(reply.headers.get("Reply-Text", "not an answer to a command"))
    return reply.body

"""The simulated switch behind real TCP: inbound event socket, and a hook for each call.

Everything runs in one gevent hub: no step of the model yields, so the model needs no locks.
"""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.event import Event
from gevent.pool import Group
from gevent.server import StreamServer
from gevent.socket import socket

from fsbilling.clock import US_PER_S, Clock, SystemClock
from fsbilling.sim.channel import SimChannel
from fsbilling.sim.esl_session import EslSession
from fsbilling.sim.event import SimEvent, hook_profile
from fsbilling.sim.event_encoder import EventEncoder
from fsbilling.sim.hook import Resume
from fsbilling.sim.hook_call import HookCall, parse_addresses
from fsbilling.sim.plan import CallPlan
from fsbilling.sim.switch import EVENTS, SimSwitch

BACKLOG = 256
MAX_SLEEP_S = 1.0
REAL_LATENESS_US = 500_000
"""How late a real scheduler's loop may come to a task."""

_SILENT = frozenset({"ALL", "CHANNEL_DESTROY", "CHANNEL_HANGUP", "CHANNEL_UNBRIDGE", "CUSTOM"})
_KNOWN = EVENTS | _SILENT | {"BACKGROUND_JOB"}
_CONNECT_END = {
    "Content-Type": "command/reply",
    "Reply-Text": "+OK\n",
    "Socket-Mode": "static",
    "Control": "single-channel",
}


class SimServer:
    """One simulated node, to be reached as a real one is.

    Args:
        host: Where to listen.
        port: The event socket's port; 0 for any free one.
        password: The event socket's password.
        hook_address: What the dialplan's `socket` application gets, `host:port|host:port`;
            "" when nothing is to be asked: then all calls but emergencies are refused.
        clock: The switch's time.
        seed: What is drawn (UUIDs, lateness) comes from it.
        full_size: Make messages as long as a real switch's.
        max_late_us: How late the scheduler may be.

    Raises ValueError for a hook address that is none.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        password: str = "ClueCon",  # noqa: S107  FreeSWITCH's own default
        hook_address: str = "",
        clock: Clock | None = None,
        *,
        seed: int = 0,
        full_size: bool = True,
        max_late_us: int = REAL_LATENESS_US,
    ) -> None:
        self.password = password
        self._clock = clock or SystemClock()
        self._hooks = parse_addresses(hook_address)
        self.switch = SimSwitch(
            self._clock,
            seed=seed,
            hook=self._ask_hook if self._hooks else None,
            max_late_us=max_late_us,
        )
        self._encoder = EventEncoder(full_size=full_size)
        self._sessions: set[EslSession] = set()
        self._workers = Group()
        self._wake = Event()
        self._server = StreamServer((host, port), self._serve, backlog=BACKLOG)
        self._jobs = 0
        self.switch.alarms.on_sooner = self._wake.set
        self._stop_listening = self.switch.listen(self._hand_out, ())

    @property
    def port(self) -> int:
        """The event socket's port."""
        port: int = self._server.server_port
        return port

    def start(self) -> None:
        """Listen, and let the switch's time run. Raises OSError when the port is taken."""
        self._server.start()
        self._workers.spawn(self._keep_time)

    def stop(self) -> None:
        """Close everything at once; calls are left as they are."""
        self._server.stop(timeout=0)
        self.drop_clients()
        self._workers.kill()

    def place(self, plan: CallPlan, at_us: int | None = None) -> str:
        """Let a call arrive now, or at a moment to come; returns its paying leg's UUID."""
        return self.switch.place(plan, at_us)

    def drop_clients(self) -> None:
        """Cut all event socket connections, as a network fault does."""
        for session in list(self._sessions):
            session.drop()

    def restart(self) -> None:
        """Crash and come back at once: no event, no connection, another core UUID."""
        self.drop_clients()
        self.switch.restart()

    def execute(self, command: str) -> str:
        """Run an API command at the present moment."""
        return self.switch.execute(command)

    def run_in_background(self, command: str, job_uuid: str) -> str:
        """Run an API command; its output follows as a BACKGROUND_JOB event."""
        self._jobs += 1
        job = job_uuid or f"00000000-0000-4000-a000-{self._jobs:012x}"
        self._workers.spawn(self._job, command, job)
        return job

    def encode(self, event: SimEvent, kind: str) -> bytes:
        """An event's whole frame, made once for all sessions."""
        return self._encoder.frame(event, kind)

    def is_event(self, name: str) -> bool:
        """Whether a client may ask for an event of that name."""
        return name in _KNOWN

    def wishes_changed(self) -> None:
        """Let the switch make only events that somebody asks for."""
        names = {name for session in self._sessions for name in session.names}
        self._stop_listening()
        self._stop_listening = self.switch.listen(
            self._hand_out, _KNOWN if "ALL" in names else names
        )

    def has_channel(self, uuid: str) -> bool:
        """Whether the channel is up."""
        return uuid in self.switch.channels

    def _job(self, command: str, job: str) -> None:
        output = self.execute(command)
        event = self.switch.event("BACKGROUND_JOB")
        name, _, arguments = command.partition(" ")
        event.headers.update({"Job-UUID": job, "Job-Command": name})
        if arguments:
            event.headers["Job-Command-Arg"] = arguments
        self.switch.announce(SimEvent(event.name, event.at_us, event.headers, output))

    def _serve(self, sock: socket, _peer: object) -> None:
        session = EslSession(self, sock)
        self._sessions.add(session)
        try:
            session.run()
        finally:
            self._sessions.discard(session)
            self.wishes_changed()

    def _hand_out(self, event: SimEvent) -> None:
        for session in list(self._sessions):
            session.offer(event)

    def _keep_time(self) -> None:
        while True:
            self._wake.clear()
            now_us = self._clock.now_us()
            self.switch.advance_to(now_us)
            due_us = self.switch.next_due_us()
            wait_s = MAX_SLEEP_S if due_us is None else (due_us - now_us) / US_PER_S
            if wait_s <= 0:
                gevent.sleep(0)
            else:
                self._wake.wait(min(wait_s, MAX_SLEEP_S))

    def _ask_hook(self, channel: SimChannel, resume: Resume) -> Callable[[], None]:
        call = HookCall(channel, self._connected)
        self._workers.spawn(call.run, self._hooks, lambda: self.switch.act(lambda: resume({})))
        return call.leave

    def _connected(self, channel: SimChannel) -> bytes:
        headers = self.switch.dump(channel)
        headers.update(hook_profile(channel))
        return self._encoder.block(headers, _CONNECT_END)

"""One client of the simulated event socket (inbound ESL)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.event import Event
from gevent.socket import socket

from fsbilling.sim import esl_wire as wire
from fsbilling.sim.event import SimEvent
from fsbilling.sim.event_filter import EventFilter

MAX_QUEUED = 100_000
"""MAX_QUEUE_LEN: events beyond it are lost, as on a real switch."""

MAX_MISSED = 500
"""So many lost events end the connection."""

_RECEIVE_BYTES = 65_536
_SEND_AT_ONCE = 64
_FORMATS = frozenset({"plain", "json"})


class Station(Protocol):
    """What a session needs of the server it talks to."""

    password: str

    def execute(self, command: str) -> str:
        """Run an API command."""

    def run_in_background(self, command: str, job_uuid: str) -> str:
        """Run an API command whose output comes as an event; returns the job's UUID."""

    def encode(self, event: SimEvent, kind: str) -> bytes:
        """An event's whole frame in one format, made once for all sessions."""

    def is_event(self, name: str) -> bool:
        """Whether there is an event of that name."""

    def wishes_changed(self) -> None:
        """A session asks for other events than before."""

    def has_channel(self, uuid: str) -> bool:
        """Whether the channel is up."""


class EslSession:
    """A connection from `auth/request` to its end."""

    def __init__(self, station: Station, sock: socket) -> None:
        self._station = station
        self._sock = sock
        self._out: deque[bytes] = deque()
        self._something = Event()
        self._closing = False
        self._authed = False
        self._kind = "plain"
        self._listening = False
        self.names: set[str] = set()
        """The events it asked for."""
        self._filter = EventFilter()
        self.lost = 0

    def run(self) -> None:
        """Serve the client until one of both sides ends it."""
        writer = gevent.spawn(self._write)
        self._send(wire.AUTH_REQUEST)
        commands = wire.CommandBuffer()
        try:
            while not self._closing:
                data = self._sock.recv(_RECEIVE_BYTES)
                if not data:
                    break
                commands.feed(data)
                while not self._closing and (command := commands.next()) is not None:
                    self._obey(command)
        except (OSError, ValueError):
            self._out.clear()
        else:
            self._send(wire.goodbye_frame())
        self.close()
        writer.join()
        self._sock.close()

    def close(self) -> None:
        """End the connection after what is queued."""
        self._closing = True
        self._something.set()

    def drop(self) -> None:
        """End the connection at once, as a crash does."""
        self._out.clear()
        self.close()
        self._sock.close()

    def offer(self, event: SimEvent) -> None:
        """Send the event if the client asked for it and its filters let it pass."""
        if not self._listening or not ({event.name, "ALL"} & self.names):
            return
        if not self._filter.passes(event.headers):
            return
        if len(self._out) >= MAX_QUEUED:
            self.lost += 1
            if self.lost > MAX_MISSED:
                self.drop()
            return
        self._send(self._station.encode(event, self._kind))

    def _send(self, frame: bytes) -> None:
        self._out.append(frame)
        self._something.set()

    def _write(self) -> None:
        try:
            while self._out or not self._closing:
                if not self._out:
                    self._something.clear()
                    self._something.wait()
                    continue
                count = min(len(self._out), _SEND_AT_ONCE)
                self._sock.sendall(b"".join(self._out.popleft() for _ in range(count)))
        except OSError:
            self._closing = True
            self._out.clear()

    def _obey(self, command: wire.Command) -> None:
        word = command.line.split(" ", 1)[0].lower()
        if word in {"exit", "..."}:
            self._send(wire.reply_frame("+OK bye"))
            self._closing = True
        elif not self._authed:
            self._authenticate(command.line)
        elif word == "api" and " " in command.line:
            self._send(wire.api_frame(self._station.execute(command.line[4:])))
        else:
            self._send(self._answer(word, command))

    def _authenticate(self, line: str) -> None:
        if line[:5].lower() != "auth ":
            self._send(wire.reply_frame("-ERR command not found"))
        elif line[5:].rstrip() == self._station.password:
            self._authed = True
            self._send(wire.reply_frame("+OK accepted"))
        else:
            self._send(wire.reply_frame("-ERR invalid"))
            self._closing = True

    def _answer(self, word: str, command: wire.Command) -> bytes:
        answers: dict[str, Callable[[wire.Command], str]] = {
            "event": self._event,
            "nixevent": self._nixevent,
            "noevents": self._noevents,
            "filter": self._add_filter,
            "sendmsg": self._sendmsg,
            "linger": lambda _command: "-ERR not controlling a session",
            "nolinger": lambda _command: "-ERR not controlling a session",
        }
        if word == "bgapi" and " " in command.line:
            job = self._station.run_in_background(
                command.line[6:], command.headers.get("job-uuid", "")
            )
            return wire.reply_frame(f"+OK Job-UUID: {job}", Job_UUID=job)
        answer = answers.get(word)
        return wire.reply_frame(answer(command) if answer else "-ERR command not found")

    def _event(self, command: wire.Command) -> str:
        words = command.line.split()[1:]
        if words and words[0].lower() in _FORMATS:
            self._kind = words.pop(0).lower()
        names = {word.upper() for word in words if self._station.is_event(word.upper())}
        if not names:
            return "-ERR no keywords supplied"
        self.names |= names
        self._listening = True
        self._station.wishes_changed()
        return f"+OK event listener enabled {self._kind}"

    def _nixevent(self, command: wire.Command) -> str:
        names = {word.upper() for word in command.line.split()[1:]}
        if not any(self._station.is_event(name) for name in names):
            return "-ERR no keywords supplied"
        self.names -= names
        self._station.wishes_changed()
        return "+OK events nixed"

    def _noevents(self, _command: wire.Command) -> str:
        if not self._listening:
            return "-ERR not listening for events"
        self._listening = False
        self.names.clear()
        self._station.wishes_changed()
        return "+OK no longer listening for events"

    def _add_filter(self, command: wire.Command) -> str:
        header, _, value = command.line.partition(" ")[2].strip().partition(" ")
        if header.lower() == "delete" and value:
            header, _, value = value.partition(" ")
            self._filter.delete(header, value)
            return f"+OK filter deleted. [{header}][{value}]"
        if header.lower() == "add" and value:
            header, _, value = value.partition(" ")
        if not value:
            return "-ERR invalid syntax"
        self._filter.add(header, value)
        return f"+OK filter added. [{header}]=[{value}]"

    def _sendmsg(self, command: wire.Command) -> str:
        uuid = command.line.partition(" ")[2].strip() or command.headers.get("session-id", "")
        return "+OK" if self._station.has_channel(uuid) else f"-ERR invalid session id [{uuid}]"
